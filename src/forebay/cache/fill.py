"""Fills one replica: plan, reserve, move, verify, place, report. DESIGN section 4, "Fill, step by step".

Killed at any step, the volume holds nothing partial under trees/ and the next holder goes on from what verifies.
A holder that was replaced learns it at its next heartbeat, stops, and leaves the new holder's files alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from forebay import fsio
from forebay.cache.contents import load_manifest
from forebay.cache.disk_errors import disk_error
from forebay.cache.heart import Heart
from forebay.cache.incoming import Incoming, Leftover
from forebay.cache.meter import Meter
from forebay.cache.place import Placer, described_bytes, discard, most_described_bytes
from forebay.cache.plan import FillPlan, piece_bytes, plan_fill
from forebay.cache.transfer import Transfer, Wanted
from forebay.cache.volume import Completed, VolumeLayout, read_completed
from forebay.catalog.manifest import Manifest
from forebay.catalog.seal import Seal
from forebay.clock import Clock
from forebay.errors import CapacityError, ConflictError, ForebayError
from forebay.fsio import Disk
from forebay.lake.stores import LakeStore
from forebay.wire.cache import FillDone, Granted, NoRoom, Progress, Replica, Reserved
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

if TYPE_CHECKING:
    from pathlib import Path

BEAT_SECONDS = 2.0
_LEAST_PIECE_BYTES = 64 << 20

OpenLake = Callable[[Version], LakeStore]
MakeRoom = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A replica that is ready now, and what that took."""

    replica: Replica
    moved_bytes: int
    present_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSettings:
    """`streams` objects at a time come from the lake."""

    streams: int = 8


def account_bytes(layout: VolumeLayout) -> int:
    """What a volume's account should say: all but incoming/, which the fills' reservations cover."""
    return fsio.used_bytes_below(layout.roots) + fsio.used_bytes_below(layout.trash)


class Filler:
    """Fills replicas on one volume."""

    def __init__(
        self,
        hub: Hub,
        layout: VolumeLayout,
        volume_id: str,
        *,
        open_lake: OpenLake,
        disk: Disk,
        clock: Clock,
        settings: FillSettings,
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._open_lake = open_lake
        self._disk = disk
        self._clock = clock
        self._settings = settings

    def fill(self, granted: Granted, version: Version, *, meter: Meter, make_room: MakeRoom) -> Filled:
        """Bring the version to `ready` under the grant. `make_room(bytes)` evicts, and may fail to free enough."""
        work = _Fill(self, granted, version, meter, make_room)

        def beat() -> None:
            self._hub.fills.renew(granted.fill_id, granted.token, meter.progress)

        with Heart("fill-heart", BEAT_SECONDS, beat, meter.cancel):
            try:
                return work.run()
            except OSError as error:
                work.give_up(disk_error(error, self._layout.root))
                raise disk_error(error, self._layout.root) from error
            except BaseException as error:
                work.give_up(error)
                raise


class _Fill:
    """One run of one holder."""

    def __init__(self, filler: Filler, granted: Granted, version: Version, meter: Meter, make_room: MakeRoom) -> None:
        self._filler = filler
        self._hub = filler._hub
        self._layout = filler._layout
        self._disk = filler._disk
        self._granted = granted
        self._version = version
        self._meter = meter
        self._make_room = make_room
        self._began = filler._clock.monotonic()
        self._folder = filler._layout.fill(granted.fill_id)

    def run(self) -> Filled:
        placed = self._already_placed()
        if placed is not None:
            return placed
        manifest = load_manifest(self._hub.catalog, self._version)
        incoming = Incoming(self._folder, self._granted.token, self._disk)
        try:
            return self._fill(manifest, incoming)
        finally:
            incoming.close()

    def give_up(self, error: BaseException) -> None:
        """Tell the hub; keep verified leftovers for the next try unless the disk is full. Never hides `error`."""
        if isinstance(error, ConflictError) and error.kind == "fenced":
            return
        if isinstance(error, CapacityError):
            self._disk.remove_tree(self._folder)
        kept_bytes = fsio.used_bytes_below(self._folder)
        reason = error.message if isinstance(error, ForebayError) else type(error).__name__
        try:
            self._hub.fills.fail(self._granted.fill_id, self._granted.token, reason, kept_bytes)
        except ForebayError as second:
            error.add_note(f"and the hub could not be told: {second}")

    def _fill(self, manifest: Manifest, incoming: Incoming) -> Filled:
        sizes: list[int] = manifest.table["size_bytes"].to_pylist()
        paths: list[str] = manifest.table["path"].to_pylist()
        digests: list[bytes | None] = manifest.table["digest"].to_pylist()
        placer = Placer(self._layout, self._version.group, incoming.folder, self._disk)
        placer.begin()
        on_volume = _link_present(placer, paths, digests)
        leftovers = _usable(incoming.leftovers(sizes, self._meter.cancelled), digests)
        ranges = {index: left.ranges for index, left in leftovers.items()}
        plan = plan_fill(sizes, digests, on_volume, ranges)
        self._meter.begin(_starting(plan, sizes))
        self._reserve(plan.need_bytes + self._most_described_bytes(len(sizes)))
        for index in plan.finished:
            incoming.take_whole(index, leftovers[index], sizes[index])
            digests[index] = leftovers[index].digest
        store = self._filler._open_lake(self._version)
        streams = self._filler._settings.streams
        transfer = Transfer(store, incoming, self._disk, self._meter, streams=streams)
        wanted = _wanted(manifest, plan, digests, leftovers)
        transfer.run(wanted, piece_bytes(plan.missing, streams, _LEAST_PIECE_BYTES))
        for index, digest in transfer.digests.items():
            digests[index] = digest
        return self._place(manifest, placer, incoming, plan, sizes, paths, digests)

    def _place(
        self,
        manifest: Manifest,
        placer: Placer,
        incoming: Incoming,
        plan: FillPlan,
        sizes: list[int],
        paths: list[str],
        digests: list[bytes | None],
    ) -> Filled:
        seal = self._record_digests(manifest, digests)
        names = [digest.hex() for digest in digests if digest is not None]
        incoming.journal.flush()
        self._disk.sync_file_system(self._layout.root)
        added_bytes = 0
        for index in (*plan.finished, *(entry.index for entry in plan.missing)):
            added_bytes += sizes[index] * placer.keep(incoming.temp(index), names[index], paths[index])
        for index in plan.duplicates:
            placer.link(names[index], paths[index])
        for index in plan.present:
            added_bytes += sizes[index] * placer.restore_blob(names[index], paths[index])
        seal_path = self._hub.catalog.seal_path(self._version.manifest_digest)
        placer.describe(self._hub.catalog.manifest_path(self._version.manifest_digest), seal_path)
        self._disk.sync_file_system(self._layout.root)
        return self._publish(placer, seal, added_bytes)

    def _publish(self, placer: Placer, seal_digest: str, added_bytes: int) -> Filled:
        granted, progress = self._granted, self._meter.progress
        self._hub.fills.renew(granted.fill_id, granted.token, progress)
        seconds = self._filler._clock.monotonic() - self._began
        tree = placer.publish(self._completed(seal_digest, seconds), f"replaced-{granted.fill_id}-{granted.token}")
        done = FillDone(
            added_bytes=added_bytes + described_bytes(tree),
            moved_bytes=progress.moved_bytes,
            present_bytes=progress.present_bytes,
            seconds=seconds,
            seal_digest=seal_digest,
        )
        replica = self._finish(tree, done)
        self._disk.remove_tree(self._folder)
        return Filled(
            replica=replica, moved_bytes=progress.moved_bytes, present_bytes=progress.present_bytes, seconds=seconds
        )

    def _finish(self, tree: Path, done: FillDone) -> Replica:
        """Report; a holder that was replaced meanwhile takes its own tree away again."""
        granted = self._granted
        try:
            return self._hub.fills.finish(granted.fill_id, granted.token, done)
        except ConflictError:
            completed = read_completed(tree)
            if completed is not None and completed.token == granted.token:
                discard(self._layout, tree, f"fenced-{granted.fill_id}-{granted.token}", self._disk)
            raise

    def _already_placed(self) -> Filled | None:
        """A tree that was completed before the hub could be told: nothing to do but tell it."""
        tree = self._layout.tree(self._version.group, self._version.dataset, self._version.number)
        completed = read_completed(tree)
        if completed is None or completed.manifest_digest != self._version.manifest_digest:
            return None
        done = FillDone(
            added_bytes=0,
            moved_bytes=0,
            present_bytes=completed.size_bytes,
            seconds=completed.fill_seconds,
            seal_digest="",
        )
        replica = self._hub.fills.finish(self._granted.fill_id, self._granted.token, done)
        self._disk.remove_tree(self._folder)
        self._hub.volumes.set_used_bytes(self._filler._volume_id, account_bytes(self._layout))
        return Filled(replica=replica, moved_bytes=0, present_bytes=completed.size_bytes, seconds=0.0)

    def _record_digests(self, manifest: Manifest, digests: list[bytes | None]) -> str:
        """Tell the hub what was learned; it refuses when a digest differs from what is known. "" when nothing was."""
        if manifest.sealed:
            return ""
        column = pa.chunked_array([pa.array(digests, pa.binary(32))])
        table = manifest.table.set_column(2, manifest.table.schema.field("digest"), column)
        seal = Seal.of(replace(manifest, table=table))
        path = self._folder / f"{self._granted.token}.seal.parquet"
        seal.write(path)
        seal_digest = self._hub.catalog.store_seal(path)
        self._hub.catalog.seal(manifest.manifest_digest, seal_digest)
        return seal_digest

    def _reserve(self, need_bytes: int) -> None:
        answer = self._ask_room(need_bytes)
        for _ in range(2):
            if not isinstance(answer, NoRoom) or answer.never:
                break
            self._make_room(answer.missing_bytes)
            answer = self._ask_room(need_bytes)
        if isinstance(answer, NoRoom):
            raise _no_room(self._version, need_bytes, answer)

    def _ask_room(self, need_bytes: int) -> Reserved | NoRoom:
        granted, free_bytes = self._granted, fsio.free_bytes(self._layout.root)
        return self._hub.fills.reserve(granted.fill_id, granted.token, need_bytes, free_bytes)

    def _most_described_bytes(self, files: int) -> int:
        manifest = self._hub.catalog.manifest_path(self._version.manifest_digest)
        return most_described_bytes(manifest.stat().st_size, files)

    def _completed(self, seal_digest: str, seconds: float) -> Completed:
        version = self._version
        return Completed(
            dataset=version.dataset,
            number=version.number,
            group=version.group,
            manifest_digest=version.manifest_digest,
            seal_digest=seal_digest,
            origin=version.origin,
            lake_url=version.lake_url,
            profile=version.profile,
            token=self._granted.token,
            files=version.files,
            size_bytes=version.size_bytes,
            fill_seconds=round(seconds, 3),
            completed_at=round(self._filler._clock.now(), 3),
        )


def _link_present(placer: Placer, paths: list[str], digests: list[bytes | None]) -> set[bytes]:
    """Link every known blob that the volume has into the new tree; the digests that are there for all their paths."""
    there: set[bytes] = set()
    gone: set[bytes] = set()
    for path, digest in zip(paths, digests, strict=True):
        if digest is not None:
            (there if placer.link(digest.hex(), path) else gone).add(digest)
    return there - gone


def _usable(leftovers: dict[int, Leftover], digests: list[bytes | None]) -> dict[int, Leftover]:
    """Without whole leftovers that are not what the manifest says."""
    return {
        index: left for index, left in leftovers.items() if left.digest is None or digests[index] in (None, left.digest)
    }


def _starting(plan: FillPlan, sizes: list[int]) -> Progress:
    total_bytes = sum(sizes)
    return Progress(
        total_files=len(sizes),
        total_bytes=total_bytes,
        present_files=len(sizes) - len(plan.missing),
        present_bytes=total_bytes - plan.move_bytes,
    )


def _wanted(
    manifest: Manifest, plan: FillPlan, digests: list[bytes | None], leftovers: dict[int, Leftover]
) -> Iterator[Wanted]:
    """The missing entries, the largest first, so that no long one is left for the end."""
    sizes, keys = manifest.table["size_bytes"], manifest.table["key"]
    etags, versions = manifest.table["etag"], manifest.table["version_id"]
    for entry in sorted(plan.missing, key=lambda entry: -entry.gap_bytes):
        index = entry.index
        yield Wanted(
            missing=entry,
            key=keys[index].as_py(),
            etag=etags[index].as_py(),
            version_id=versions[index].as_py(),
            size_bytes=sizes[index].as_py(),
            digest=digests[index],
            leftover=leftovers.get(index),
        )


def _no_room(version: Version, need_bytes: int, answer: NoRoom) -> CapacityError:
    if answer.never:
        return CapacityError(
            "never-fits",
            f"{version.ref} needs {need_bytes} bytes, more than the volume may ever hold",
            todo="Raise volume_limit, or use a larger volume.",
        )
    return CapacityError(
        "no-room",
        f"{version.ref} needs {need_bytes} bytes; {answer.missing_bytes} are missing and nothing more may be evicted",
        todo="See what holds the space: forebay cache ls. Unpin or close something, or raise volume_limit.",
    )
