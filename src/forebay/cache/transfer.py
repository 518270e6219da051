"""Moves missing entries from the lake into temp files, hashing in the same pass.

Threads stream whole files or gaps of them; each file's digest is known when its last byte is. Every byte range is
written to the journal after it is in the file, so that a kill costs at most one checkpoint's worth of bytes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass

from forebay.cache.digests import Digests
from forebay.cache.disk_errors import disk_error
from forebay.cache.incoming import Incoming, Leftover
from forebay.cache.journal import Record
from forebay.cache.meter import Meter
from forebay.cache.plan import Missing, Segment, segments
from forebay.digest import digest_file, new_hasher
from forebay.errors import CapacityError, DamagedError, ForebayError, NotAllowedError, UnavailableError
from forebay.fsio import Disk
from forebay.lake.backoff import Patience
from forebay.lake.fetch import Fetched, fetch
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore

CHECKPOINT_BYTES = 64 << 20
# The disk works while the lake is read, so that the sync at the end has little left to wait for.
WRITE_BACK_BYTES = 16 << 20
_DIGEST_TRIES = 3
_ERRORS_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An entry to move: the object it is, the digest it must have (None: not known yet), and what is missing."""

    missing: Missing
    key: str
    etag: str
    version_id: str
    size_bytes: int
    digest: bytes | None
    leftover: Leftover | None


class _File:
    """A temp file that one or more segments write to; closed by the last of them."""

    def __init__(self, wanted: Wanted, segments: tuple[Segment, ...]) -> None:
        self.wanted = wanted
        self.segments = segments
        self.lock = threading.Lock()
        self.descriptor = -1
        self.left = len(segments)
        self.failed = False


class Transfer:
    """One holder's transfer. `digests` is given the digest of every finished entry.

    `still_held` is called before every write; it raises for a holder that was replaced.
    """

    def __init__(
        self,
        store: LakeStore,
        incoming: Incoming,
        disk: Disk,
        meter: Meter,
        *,
        streams: int,
        still_held: Callable[[], object],
        digests: Digests,
    ) -> None:
        self._store = store
        self._incoming = incoming
        self._disk = disk
        self._meter = meter
        self._streams = streams
        self._still_held = still_held
        self._away_in_a_row = 0
        self._lock = threading.Lock()
        self._unfinished: set[_File] = set()
        self._digests = digests
        self.errors: list[ForebayError] = []

    def run(self, wanted: Iterable[Wanted], piece_bytes: int) -> None:
        """Move everything; raises the first error after what could be finished is finished.

        An object that changed or vanished does not stop the others; a lake that is away or refuses us does.
        """
        tasks = _tasks(wanted, piece_bytes)
        with ThreadPoolExecutor(self._streams, thread_name_prefix="forebay-fill") as pool:
            threads = [pool.submit(self._work, tasks) for _ in range(self._streams)]
            try:
                for thread in threads:
                    thread.result()
            except BaseException as error:
                # The pool waits for its threads: tell them, or an interrupted fill would go on to its end.
                self._meter.cancel(error)
                raise
            finally:
                pool.shutdown()
                self._close_unfinished()
        self._raise_collected()

    def _work(self, tasks: Iterator[tuple[_File, Segment]]) -> None:
        """One thread: takes the next segment from what all share, until there is none or the fill has ended."""
        while not self._meter.cancelled():
            with self._lock:
                task = next(tasks, None)
            if task is None:
                return
            try:
                self._move_segment(*task)
            except CancelledError:
                continue
            except ForebayError as error:
                self._fail(error)
            except BaseException as error:
                self._meter.cancel(error)
                raise
            else:
                self._away_in_a_row = 0

    def _fail(self, error: ForebayError) -> None:
        """Remember an object's error; one that speaks of the lake or the disk, not of the object, ends the fill."""
        with self._lock:
            if len(self.errors) < _ERRORS_KEPT:
                self.errors.append(error)
            self._away_in_a_row += isinstance(error, UnavailableError)
        hopeless = isinstance(error, NotAllowedError | CapacityError) or error.kind in {"disk-failing", "volume-away"}
        if hopeless or self._away_in_a_row >= self._streams or len(self.errors) >= _ERRORS_KEPT:
            self._meter.cancel(error)

    def _raise_collected(self) -> None:
        if self.errors:
            first = self.errors[0]
            if len(self.errors) > 1:
                first.add_note(f"and {len(self.errors) - 1} more objects failed")
            raise first
        if self._meter.reason is not None:
            raise self._meter.reason

    def _move_segment(self, file: _File, segment: Segment) -> None:
        index = file.wanted.missing.index
        try:
            if self._meter.cancelled():
                raise CancelledError
            self._open(file)
            digest = self._write_segment(file, segment, file.wanted.leftover)
        except OSError as error:
            self._leave(file, failed=True)
            raise disk_error(error, self._incoming.folder) from error
        except BaseException:
            self._leave(file, failed=True)
            raise
        if self._leave(file, failed=False):
            self._finish(file.wanted, digest if len(file.segments) == 1 else digest_file(self._incoming.temp(index)))

    def _open(self, file: _File) -> None:
        with file.lock:
            if file.descriptor < 0:
                path = self._incoming.temp(file.wanted.missing.index)
                self._disk.unlink(path)
                file.descriptor = self._disk.create(path)
                self._unfinished.add(file)

    def _leave(self, file: _File, *, failed: bool) -> bool:
        """Close the file after its last segment; True when all of them succeeded."""
        with file.lock:
            file.left -= 1
            file.failed |= failed
            if file.left == 0 and file.descriptor >= 0:
                self._unfinished.discard(file)
                self._disk.close(file.descriptor)
            return file.left == 0 and not file.failed

    def _close_unfinished(self) -> None:
        """Close the files whose last segments were never taken, because the fill ended before."""
        for file in self._unfinished:
            self._disk.close(file.descriptor)
        self._unfinished.clear()

    def _write_segment(
        self, file: _File, segment: Segment, leftover: Leftover | None, *, counted: bool = True
    ) -> bytes:
        """Copy, then fetch, the segment's bytes; the digest of them all."""
        wanted, hasher = file.wanted, new_hasher()
        position = segment.start
        checkpoint = segment.copied_to + CHECKPOINT_BYTES
        pushed = segment.start

        def sink(chunk: bytes) -> None:
            nonlocal position, checkpoint, pushed
            self._still_held()
            self._disk.write_at(file.descriptor, chunk, position)
            hasher.update(chunk)
            position += len(chunk)
            if counted and position > segment.copied_to:
                self._meter.moved(len(chunk))
            if position - pushed >= WRITE_BACK_BYTES:
                self._disk.start_write_back(file.descriptor, pushed, position - pushed)
                pushed = position
            if position >= checkpoint:
                checkpoint = position + CHECKPOINT_BYTES
                self._note(wanted, segment.start, position, hasher.digest())

        if leftover is not None and segment.copied_to > segment.start:
            for chunk in leftover.read(segment.start, segment.copied_to):
                sink(chunk)
        if segment.end > segment.copied_to or segment.end == 0:
            self._fetch(wanted, segment, sink)
        digest = hasher.digest()
        if segment.end - segment.start < wanted.size_bytes:
            self._note(wanted, segment.start, segment.end, digest)
        return digest

    def _fetch(self, wanted: Wanted, segment: Segment, sink: Callable[[bytes], None]) -> Fetched:
        part = Part(
            index=wanted.missing.index,
            key=wanted.key,
            etag=wanted.etag,
            version_id=wanted.version_id,
            start=segment.copied_to,
            end=segment.end,
            object_size_bytes=wanted.size_bytes,
        )
        patience = Patience(sleep=self._meter.wait)
        return fetch(self._store, part, sink, cancelled=self._meter.cancelled, patience=patience)

    def _note(self, wanted: Wanted, start: int, end: int, digest: bytes) -> None:
        self._incoming.journal.add(Record(wanted.missing.index, start, end, digest))

    def _finish(self, wanted: Wanted, digest: bytes) -> None:
        """Accept a whole file, or fetch it again when it is not what it should be."""
        index = wanted.missing.index
        tries = 1
        while wanted.digest is not None and digest != wanted.digest:
            if tries == _DIGEST_TRIES:
                raise _mismatch(self._store.subject(wanted.key), digest, wanted.digest)
            tries += 1
            digest = self._fetch_again(wanted)
        self._incoming.journal.add(Record(index, 0, wanted.size_bytes, digest))
        self._digests[index] = digest
        self._meter.moved(0, files=1)

    def _fetch_again(self, wanted: Wanted) -> bytes:
        whole = Segment(start=0, copied_to=0, end=wanted.size_bytes)
        file = _File(wanted, (whole,))
        self._open(file)
        try:
            return self._write_segment(file, whole, None, counted=False)
        finally:
            self._leave(file, failed=False)


def _mismatch(subject: str, found: bytes, expected: bytes) -> DamagedError:
    return DamagedError(
        "digest-mismatch",
        f"{subject} has the digest {found.hex()}, not {expected.hex()} after {_DIGEST_TRIES} downloads",
        todo="The lake's copy is damaged or was replaced: restore it, or register a new version.",
    )


def _tasks(wanted: Iterable[Wanted], piece_bytes: int) -> Iterator[tuple[_File, Segment]]:
    """Every segment of every file, in order; a file is made when its first segment is taken."""
    for item in wanted:
        file = _File(item, segments(item.missing, item.size_bytes, piece_bytes))
        for segment in file.segments:
            yield file, segment
