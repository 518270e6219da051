"""Moves missing entries from the lake, or from a nearer site, into temp files, hashing in the same pass.

Threads stream whole files or gaps of them; when none are left, they take from what others have not asked for yet.
Every byte range is written to the journal after it is in the file, so that a kill costs at most one checkpoint's worth
of bytes.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forebay.cache.besides import besides
from forebay.cache.bringing import Bringer
from forebay.cache.crew import Crew
from forebay.cache.digests import Digests
from forebay.cache.disk_errors import disk_error
from forebay.cache.incoming import Incoming, Leftover
from forebay.cache.journal import Record
from forebay.cache.line import Line
from forebay.cache.meter import Meter
from forebay.cache.mismatch import md5_of, mismatch, unsteady
from forebay.cache.nearby import Nearby
from forebay.cache.pace import begin, may_cut
from forebay.cache.piece import File, Piece
from forebay.cache.plan import Missing, Segment, segments
from forebay.catalog.recipe import Cut
from forebay.clock import Clock, SystemClock
from forebay.digest import digest_file
from forebay.errors import CapacityError, ForebayError, NotAllowedError, UnavailableError
from forebay.fsio import Disk
from forebay.lake.checksum import offered_md5
from forebay.lake.stores import LakeStore

CHECKPOINT_BYTES = 64 << 20
# The disk works while the lake is read, so that the sync at the end has little left to wait for.
WRITE_BACK_BYTES = 16 << 20
PREALLOCATE_BYTES = 8 << 20
_DIGEST_TRIES = 3
_ERRORS_KEPT = 20
_WISH_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An entry to move: the object it is, the digest it must have (None: not known yet), and what is missing.

    With a `cut` it is made of parts of that object.
    """

    missing: Missing
    key: str
    etag: str
    version_id: str
    size_bytes: int
    digest: bytes | None
    leftover: Leftover | None
    cut: Cut | None = None


class _EnoughError(Exception):
    """More comes than the piece is: the lake gives whole objects only."""


_Task = tuple[File, Segment]


class Transfer:
    """One holder's transfer, on at most so many `streams`; `nearby` are the peers that have its files.

    `digests` is given the digest of every finished entry.

    `learned_files` counts those of which nobody knew a digest and for which the lake offered no checksum that agreed.

    `still_held` is called before every write; it raises for a holder that was replaced.
    """

    def __init__(
        self,
        store: LakeStore,
        line: Line[Wanted],
        incoming: Incoming,
        disk: Disk,
        meter: Meter,
        *,
        piece_bytes: int,
        streams: int,
        still_held: Callable[[], object],
        digests: Digests,
        clock: Clock | None = None,
        nearby: Nearby | None = None,
    ) -> None:
        self._store = store
        self.bringer = Bringer(store, meter, clock or SystemClock(), nearby, cuts=streams > 1)
        self._incoming = incoming
        self._disk = disk
        self._meter = meter
        self._pace = begin(streams)
        self._clock = clock or SystemClock()
        self._crew = Crew(self._pace, self._work, meter, self._clock)
        self._still_held = still_held
        self._away_in_a_row = 0
        self._lock = threading.Lock()
        self._unfinished: set[File] = set()
        self._running: set[Piece] = set()
        self._digests = digests
        self._line = line
        self._piece_bytes = piece_bytes
        self._begun: deque[_Task] = deque()
        self._begun_wished: deque[_Task] = deque()
        self._wished = threading.Event()
        self._ended = threading.Event()
        self.errors: list[ForebayError] = []
        self.learned_files = 0

    def prefer(self, entries: Iterable[int]) -> None:
        """Move these entries next: readers wait for them."""
        with self._lock:
            self._line.wish(entries)
        self._wished.set()

    def run(self) -> None:
        """Move everything; raises the first error after what could be finished is finished.

        An object that changed or vanished does not stop the others; a lake that is away or refuses us does.
        """
        crew = self._crew
        # What readers wait for need not wait for a stream: all of them may be busy with something long.
        express = threading.Thread(target=self._serve_wishes, name="forebay-fill-wished")
        express.start()
        try:
            crew.run()
        finally:
            self._ended.set()
            self._wished.set()
            express.join()
            self._close_unfinished()
        self._raise_collected()

    def _work(self) -> bool:
        """Move one piece: the next segment from what all share, or else some of what another stream has left.

        False when there is nothing to begin any more.
        """
        piece = self._take()
        if piece is None:
            return False
        self._do(piece)
        return True

    def _serve_wishes(self) -> None:
        """Move what readers wait for, until the streams have come to their end."""
        try:
            while not self._ended.is_set() and not self._meter.cancelled():
                self._wished.clear()
                if (piece := self._take_wished()) is not None:
                    self._do(piece)
                elif not self._ended.is_set():
                    self._wished.wait(_WISH_SECONDS)
        except BaseException as error:  # noqa: BLE001 the fill's own end raises it
            self._meter.cancel(error)

    def _do(self, piece: Piece) -> None:
        try:
            self._move(piece)
        except CancelledError:
            pass
        except ForebayError as error:
            self._fail(error)
        else:
            self._away_in_a_row = 0
        finally:
            with self._lock:
                self._running.discard(piece)

    def _take(self) -> Piece | None:
        with self._lock:
            task = self._next_wished() or self._next()
            return self._begin(task) if task is not None else self._cut()

    def _take_wished(self) -> Piece | None:
        with self._lock:
            task = self._next_wished()
            return None if task is None else self._begin(task)

    def _next(self) -> _Task | None:
        """The next segment from what all share; a file is made when its first segment is taken."""
        if not self._begun and (item := self._line.take()) is not None:
            self._begun.extend(self._tasks(item))
        return self._begun.popleft() if self._begun else None

    def _next_wished(self) -> _Task | None:
        if not self._begun_wished and (item := self._line.take_wished()) is not None:
            self._begun_wished.extend(self._tasks(item))
        return self._begun_wished.popleft() if self._begun_wished else None

    def _tasks(self, item: Wanted) -> list[_Task]:
        """Every segment of a file, in order."""
        file = File(item, segments(item.missing, item.size_bytes, self._piece_bytes))
        return [(file, segment) for segment in file.segments]

    def _begin(self, task: _Task) -> Piece:
        file, segment = task
        piece = Piece(file, segment.start, segment.copied_to, segment.end)
        if len(file.segments) == 1 and self._offered(file.wanted):
            piece.md5 = hashlib.md5(usedforsecurity=False)
        self._running.add(piece)
        return piece

    def _cut(self) -> Piece | None:
        """What the stream with the most to spare need not do itself, where that pays."""
        crew = self._crew
        pays = may_cut(running=len(self._running), rounds=crew.rounds, stream_bytes_s=crew.stream_bytes_s)
        if not self.bringer.cuts or not pays:
            return None
        rest = max(self._running, key=lambda piece: piece.spare_bytes).cut_rest()
        if rest is not None:
            self._running.add(rest)
        return rest

    def _fail(self, error: ForebayError) -> None:
        """Remember an object's error; one that speaks of the lake or the disk, not of the object, ends the fill."""
        with self._lock:
            if len(self.errors) < _ERRORS_KEPT:
                self.errors.append(error)
            self._away_in_a_row += isinstance(error, UnavailableError)
        hopeless = isinstance(error, NotAllowedError | CapacityError) or error.kind in {"disk-failing", "volume-away"}
        if hopeless or self._away_in_a_row >= self._pace.streams or len(self.errors) >= _ERRORS_KEPT:
            self._meter.cancel(error)

    def _raise_collected(self) -> None:
        if self.errors:
            first, *others = self.errors
            first.besides = besides(first.message, (error.message for error in others))
            raise first
        if self._meter.reason is not None:
            raise self._meter.reason

    def _move(self, piece: Piece) -> None:
        file = piece.file
        try:
            if self._meter.cancelled():
                raise CancelledError
            self._open(file)
            self._write(piece)
        except OSError as error:
            self._leave(file, failed=True)
            raise disk_error(error, self._incoming.folder) from error
        except BaseException:
            self._leave(file, failed=True)
            raise
        if self._leave(file, failed=False):
            self._finish(file, piece, self._digest(file, piece))

    def _open(self, file: File) -> None:
        with file.lock:
            if file.descriptor < 0:
                file.descriptor = self._create(self._incoming.temp(file.wanted.missing.index))
                self._unfinished.add(file)
                if file.wanted.size_bytes >= PREALLOCATE_BYTES:
                    self._disk.preallocate(file.descriptor, file.wanted.size_bytes)

    def _create(self, path: Path) -> int:
        """A new temp file; one that a first try left there goes."""
        try:
            return self._disk.create(path)
        except FileExistsError:
            self._disk.unlink(path)
            return self._disk.create(path)

    def _leave(self, file: File, *, failed: bool) -> bool:
        """Close the file after its last piece; True when all of them succeeded."""
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

    def _digest(self, file: File, last: Piece) -> bytes:
        """The whole file's digest: what the first piece did not hash while it came is read again."""
        if last.end - last.start == file.wanted.size_bytes:
            return last.hasher.digest()
        path = self._incoming.temp(file.wanted.missing.index)
        return digest_file(path, start=file.known_to, hasher=file.known)

    def _write(self, piece: Piece, *, again: bool = False) -> None:
        """Copy, then fetch, the piece's bytes, hashing them; up to where another stream goes on."""
        file, wanted, hasher = piece.file, piece.file.wanted, piece.hasher
        count = self._meter.again if again else self._meter.moved
        checkpoint = piece.copied_to + CHECKPOINT_BYTES
        pushed = piece.start

        def sink(chunk: bytes) -> None:
            nonlocal checkpoint, pushed
            self._still_held()
            position = piece.position
            claimed = piece.claim(len(chunk))
            if enough := claimed < len(chunk):
                chunk = chunk[:claimed]
            self._disk.write_at(file.descriptor, chunk, position)
            hasher.update(chunk)
            if (md5 := piece.md5) is not None:
                md5.update(chunk)
            position += claimed
            if position > piece.copied_to:
                count(claimed)
            if position - pushed >= WRITE_BACK_BYTES:
                self._disk.start_write_back(file.descriptor, pushed, position - pushed)
                pushed = position
            # A record of a whole file says that it was accepted: `_finish` alone writes it.
            if position >= checkpoint and position - piece.start < wanted.size_bytes:
                checkpoint = position + CHECKPOINT_BYTES
                self._note(wanted, piece.start, position, hasher.digest())
            if enough:
                raise _EnoughError

        if wanted.leftover is not None and piece.copied_to > piece.start:
            for chunk in wanted.leftover.read(piece.start, piece.copied_to):
                sink(chunk)
        if piece.end > piece.copied_to or piece.end == 0:
            with suppress(_EnoughError):
                self.bringer.bring(piece, sink, lake_alone=again)
        piece.ended()
        if piece.end - piece.start < wanted.size_bytes:
            self._note(wanted, piece.start, piece.end, hasher.digest())

    def _note(self, wanted: Wanted, start: int, end: int, digest: bytes) -> None:
        self._incoming.journal.add(Record(wanted.missing.index, start, end, digest))

    def _finish(self, file: File, last: Piece, digest: bytes) -> None:
        """Accept a whole file, or fetch it again, from the lake alone, when it is not what it should be."""
        wanted, index = file.wanted, file.wanted.missing.index
        if wanted.digest is not None and digest != wanted.digest:
            self.bringer.suspect(file)
        if wanted.digest is None:
            digest = self._checked(wanted, last, digest)
        tries = 1
        while wanted.digest is not None and digest != wanted.digest:
            if tries == _DIGEST_TRIES:
                raise mismatch(self._store.subject(wanted.key), digest, wanted.digest, _DIGEST_TRIES)
            tries += 1
            digest = self._fetch_again(wanted).hasher.digest()
        self._incoming.journal.add(Record(index, 0, wanted.size_bytes, digest))
        self._digests[index] = digest
        self._meter.moved(0, files=1)

    def _offered(self, wanted: Wanted) -> str:
        """The MD5 that the lake offers for an object whose digest nobody knows yet; "" for none."""
        known = wanted.digest is not None or wanted.cut is not None
        return "" if known else offered_md5(self._store.scheme, wanted.etag)

    def _checked(self, wanted: Wanted, last: Piece, digest: bytes) -> bytes:
        """The digest of a first fill, after a look at the checksum that the lake itself offers.

        Where the two disagree the object is fetched again: a bit that flipped on the way is mended so. The same bytes
        twice mean an etag that is no MD5 (a customer's key), or a lake that is wrong in itself, which nobody can tell
        apart: the digest is learned here. Bytes that differ each time are damage.
        """
        expected = self._offered(wanted)
        for tries in range(_DIGEST_TRIES if expected else 0):
            md5 = last.md5.hexdigest() if last.md5 else md5_of(self._incoming.temp(wanted.missing.index))
            if md5 == expected:
                return digest
            last = self._fetch_again(wanted)
            before, digest = digest, last.hasher.digest()
            if digest == before:
                break
            if tries == _DIGEST_TRIES - 1:
                raise unsteady(self._store.subject(wanted.key))
        with self._lock:
            self.learned_files += 1
        return digest

    def _fetch_again(self, wanted: Wanted) -> Piece:
        """The whole file anew, as one piece."""
        size = wanted.size_bytes
        file = File(wanted, (Segment(start=0, copied_to=0, end=size),))
        piece = Piece(file, 0, 0, size)
        self._open(file)
        try:
            self._write(piece, again=True)
        finally:
            self._leave(file, failed=False)
        return piece
