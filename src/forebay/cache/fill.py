"""Fills one replica: plan, reserve, move, verify, place, report. DESIGN section 4, "Fill, step by step".

Killed at any step, the volume holds nothing partial under trees/ and the next holder goes on from what verifies.
A holder that was replaced learns it at its next heartbeat, stops, and leaves the new holder's files alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from forebay import fsio
from forebay.cache.charge import is_untold, left_behind, most_needed_bytes, shares_its_blobs
from forebay.cache.contents import load_contents
from forebay.cache.digests import Digests
from forebay.cache.disk_errors import disk_error
from forebay.cache.grip import Grip
from forebay.cache.incoming import Incoming, placed_bytes, remove_holders
from forebay.cache.listing import Listing, link_present, starting
from forebay.cache.machine import Terms
from forebay.cache.meter import Meter
from forebay.cache.moving import Mover, Moving, OpenLake
from forebay.cache.nearby import OpenNearby
from forebay.cache.overlap import hold_back, take_up
from forebay.cache.pace import FillSettings
from forebay.cache.place import Placer, described_bytes, discard, rewrite_completed
from forebay.cache.plan import FillPlan, plan_fill
from forebay.cache.quarantine import unmark
from forebay.cache.room import Room
from forebay.cache.shared import Overlap, learn
from forebay.cache.source import LocalSource
from forebay.cache.volume import COMPLETE, DAMAGED, RESERVED, SEAL, Completed, VolumeLayout, read_completed, record_path
from forebay.cache.wishes import Wishes
from forebay.catalog.seal import Seal
from forebay.clock import Clock
from forebay.errors import ConflictError, ForebayError
from forebay.fsio import Disk
from forebay.wire.cache import FillDone, Granted, Progress, Replica
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A replica that is ready now, and what that took; `moved_bytes` came from the lake and from other sites."""

    replica: Replica
    moved_bytes: int
    present_bytes: int
    seconds: float


class Filler:
    """Fills replicas on one volume."""

    def __init__(
        self,
        hub: Hub,
        layout: VolumeLayout,
        *,
        open_lake: OpenLake,
        room: Room,
        disk: Disk,
        clock: Clock,
        settings: FillSettings,
        terms: Terms,
        open_nearby: OpenNearby | None = None,
    ) -> None:
        self.hub = hub
        self.layout = layout
        self.room = room
        self.disk = disk
        self.clock = clock
        self.terms = terms
        self.moving = Moving(
            hub=hub,
            layout=layout,
            disk=disk,
            clock=clock,
            settings=settings,
            open_lake=open_lake,
            open_nearby=open_nearby,
        )

    def fill(
        self,
        granted: Granted,
        version: Version,
        *,
        meter: Meter,
        source: LocalSource | None = None,
        wishes: Wishes | None = None,
    ) -> Filled:
        """Bring the version to `ready` under the grant; ConflictError `fenced` when another holder took over.

        A `source` is read instead of the lake. `wishes` are this process's; those of others come through the hub.
        """

        def renew() -> None:
            self.hub.fills.renew(granted.fill_id, granted.token, meter.progress)

        with Grip("fill-heart", renew, meter.cancel, terms=self.terms, clock=self.clock) as grip:
            work = _Fill(self, granted, version, meter, grip, source, wishes or Wishes())
            try:
                return work.run()
            except OSError as error:
                told = disk_error(error, self.layout.root)
                work.give_up(told)
                raise told from error
            except BaseException as error:
                work.give_up(error)
                raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Brought:
    """What there is to place, once every byte of it is on the volume. `sealed`: its digests were known before."""

    placer: Placer
    listing: Listing
    plan: FillPlan
    file: Path
    recipe: Path | None
    sealed: bool


class _Fill:
    """One run of one holder."""

    def __init__(
        self,
        filler: Filler,
        granted: Granted,
        version: Version,
        meter: Meter,
        grip: Grip,
        source: LocalSource | None,
        wishes: Wishes,
    ) -> None:
        self._filler = filler
        self._source = source
        self._hub = filler.hub
        self._disk = filler.disk
        self._granted = granted
        self._version = version
        self._meter = meter
        self._grip = grip
        self._wishes = wishes
        self._began = filler.clock.monotonic()
        self._learned_files = 0
        self._trash_name = filler.layout.replaced_by(granted.fill_id, granted.token)
        self._folder = filler.layout.fill(granted.fill_id)
        self._tree = filler.layout.tree_of(version)

    def run(self) -> Filled:
        # Another machine may have taken the marker away.
        fsio.see_afresh(self._tree / RESERVED, self._filler.layout.root)
        completed = read_completed(self._tree)
        if completed is not None and completed.manifest_digest == self._version.manifest_digest:
            return self._report_placed(completed)
        self._filler.room.clear_strays()
        for earlier in self._filler.layout.replaced(self._granted.fill_id):
            self._disk.remove_tree(earlier)
        if self._unmarked():
            # A fill was killed before it could write the marker; all of it but its own records is in the blobs.
            discard(self._filler.layout, self._tree, self._trash_name, self._disk)
            self._clear_replaced()
        self._witness = self._disk.open_witness(self._filler.layout.root)
        try:
            incoming = Incoming(self._folder, self._granted.token, self._disk)
            try:
                return self._place(self._bring(incoming), incoming)
            finally:
                incoming.close()
        finally:
            self._disk.close(self._witness)

    def give_up(self, error: BaseException) -> None:
        """Tell the hub what stays for the next try: verified bytes, unless the disk is full.

        Never hides `error`, save by the news that another holder has taken over.
        """
        granted, fills = self._granted, self._hub.fills
        if not self._filler.layout.mark.exists():
            # The volume is away: what lies on it cannot be told, so the reservation stays, as after a kill.
            error.add_note("the volume is away; its next fill finds out what it holds")
            return
        reason = _told(error)
        try:
            damaged = read_completed(self._tree, DAMAGED) is not None
            # What came since the last heartbeat came from the lake, too.
            fills.renew(granted.fill_id, granted.token, self._meter.progress)
            fills.fail(granted.fill_id, granted.token, reason, self._count_left(error), damaged=damaged)
        except ConflictError as fenced:
            if isinstance(error, Exception) and fenced.kind == "fenced":
                raise fenced from error
        except (ForebayError, OSError) as second:
            error.add_note(f"and the hub could not be told: {second}")

    def _count_left(self, error: BaseException) -> int:
        """`_leave_behind`; ConflictError `fenced` when it cannot be counted because another holder took it away.

        On NFS that looks like a disk that fails: a stale file handle.
        """
        try:
            replaced = self._filler.layout.replaced(self._granted.fill_id)
            return left_behind(self._folder, self._tree, replaced, self._version.manifest_digest, error, self._disk)
        except OSError:
            self._hub.fills.renew(self._granted.fill_id, self._granted.token, self._meter.progress)
            raise

    def _unmarked(self) -> bool:
        """Whether a tree stands in the place that was never complete."""
        return self._tree.exists() and not any(read_completed(self._tree, name) for name in (COMPLETE, DAMAGED))

    def _bring(self, incoming: Incoming) -> _Brought:
        """Have every file of the version on the volume. What the lake knows of them is let go of with the return."""
        layout, version = self._filler.layout, self._version
        contents = load_contents(self._hub.catalog, version)
        overlap = Overlap(self._hub, self._granted, version)
        volume_id = self._granted.replica.volume_id
        # Only to compare with others: the seal that it records is made of its contents and the listing.
        manifest = learn(self._hub, layout, volume_id, version, contents)
        listing = Listing.of(manifest)
        placer = Placer(layout, version.group, self._tree, incoming.folder, self._disk)
        placer.begin()
        links = placer.links()
        there = link_present(placer, listing)
        leftovers = incoming.leftovers(listing.sizes, self._meter.cancelled)
        if self._meter.reason is not None:
            raise self._meter.reason
        leftovers.drop_unlike(listing.digests)
        ranges = {index: left.ranges for index, left in leftovers.parts.items()}
        whole = plan_fill(listing.sizes, listing.firsts, there, leftovers.whole, ranges)
        mover = Mover(self._filler.moving, self._granted, version, self._meter, self._grip, self._source, self._wishes)
        if salvaged := mover.salvage(contents, incoming, whole):
            leftovers.parts |= {index: item for index, item in salvaged.items() if index not in leftovers.parts}
            ranges = {index: left.ranges for index, left in leftovers.parts.items()}
            whole = plan_fill(listing.sizes, listing.firsts, there, leftovers.whole, ranges)
        self._meter.begin(starting(whole, listing.sizes))
        split = hold_back(whole, b"" if self._source else overlap.rows(manifest), listing.sizes)
        plan = split.now
        earlier_bytes = incoming.drop_earlier(leftovers)

        def reserve(plan: FillPlan) -> None:
            need_bytes = most_needed_bytes(plan, contents, listing.sizes, earlier_bytes, links=links)
            self._filler.room.reserve(self._granted, need_bytes)

        reserve(plan)
        for index in plan.finished:
            listing.digests[index] = incoming.take_whole(index, leftovers, listing.sizes[index])
        mover.move(contents, incoming, plan, listing, leftovers)
        if split.held_back:
            brought = overlap.wait(split, manifest, listing, placer, self._meter, self._grip.check)
            plan = replace(plan, present=[*plan.present, *brought.linked])
            if brought.missing:
                rest = take_up(replace(plan, missing=(), move_bytes=0), brought.missing, listing.sizes)
                plan = take_up(plan, brought.missing, listing.sizes)
                reserve(plan)
                mover.move(contents, incoming, rest, listing, leftovers)
        self._learned_files = mover.learned_files
        return _Brought(
            placer=placer,
            listing=listing,
            plan=plan,
            file=contents.file,
            recipe=contents.recipe,
            sealed=contents.manifest.sealed,
        )

    def _place(self, brought: _Brought, incoming: Incoming) -> Filled:
        placer, listing, plan = brought.placer, brought.listing, brought.plan
        # All is written. NFS keeps the name of an open file, and with it the folder that will have to go.
        incoming.close()
        seal = "" if brought.sealed else self._record_digests(listing.digests)
        self._disk.sync_file_system(self._filler.layout.root, self._witness)
        # Not before the sync: after a power cut, a temp file that this names and that is gone counts as a blob.
        incoming.begin_placing((index, listing.sizes[index]) for index in plan.brought())
        self._grip.check()
        placer.look_again()
        for index, path in listing.paths(plan.brought()):
            placer.keep(incoming.temp(index), listing.name(index), path, listing.sizes[index])
        for index, path in listing.paths(plan.duplicates):
            placer.link_again(listing.path(listing.firsts[index]), path)
        for index, path in listing.paths(plan.present):
            if listing.firsts[index] == index:
                placer.restore_blob(listing.name(index), path)
        placer.describe(brought.file, self._hub.catalog.seal_path(self._version.manifest_digest), brought.recipe)
        self._disk.sync_file_system(self._filler.layout.root, self._witness)
        return self._publish(placer, seal)

    def _publish(self, placer: Placer, seal_digest: str) -> Filled:
        self._grip.renew()
        replaced = placer.make_way(self._trash_name, self._granted.token)
        # Not one that another holder completed and could not report.
        accounted = replaced is None or not is_untold(replaced, self._version.manifest_digest)
        if not accounted:
            self._clear_replaced()
        added_bytes = placed_bytes(self._folder) + placer.copied_bytes
        filled = self._report(placer.publish(self._completed(seal_digest, added_bytes)), self._meter.progress)
        if replaced is not None and accounted:
            volumes, volume_id = self._hub.volumes, filled.replica.volume_id
            counts = volumes.get(volume_id).counts
            volumes.free_bytes(volume_id, self._clear_replaced(), counts)
        return filled

    def _clear_replaced(self) -> int:
        """Delete the tree that stood in the place; what came free."""
        trash = self._filler.layout.trash / self._trash_name
        before = fsio.freed_bytes_below(trash)
        if trash.exists():
            self._disk.remove_tree(trash)
            self._disk.sync_directory(trash.parent)
        return before - fsio.freed_bytes_below(trash)

    def _report_placed(self, completed: Completed) -> Filled:
        """A tree that was completed before the hub was told (or that the hub forgot): nothing to do but tell it."""
        seal, catalog = record_path(self._tree, SEAL), self._hub.catalog
        if completed.seal_digest and seal.exists():
            catalog.seal(completed.manifest_digest, catalog.store_seal(seal))
        if completed.token > self._granted.token:
            # The hub lost its last records: by the old token, no eviction would dare to touch this tree.
            self._grip.renew()
            completed = replace(completed, token=self._granted.token)
            rewrite_completed(self._tree, completed, self._disk)
        sound = shares_its_blobs(self._filler.layout, self._version, self._tree)
        if not sound:
            # First, so that nobody takes it for whole once the hub counts it.
            unmark(self._tree, self._disk)
        filled = self._report(completed, Progress(present_bytes=completed.size_bytes))
        if sound:
            return filled
        why = "a file that it shares was found damaged before its fill was told"
        self._hub.replicas.mark_damaged(filled.replica.volume_id, self._version, why, token=self._granted.token)
        raise ConflictError("fenced", f"{self._version.ref} is filled anew: {why}")

    def _report(self, completed: Completed, progress: Progress) -> Filled:
        done = FillDone(
            added_bytes=completed.added_bytes + described_bytes(self._tree),
            moved_bytes=progress.lake_bytes,
            present_bytes=progress.present_bytes,
            seconds=completed.fill_seconds,
            seal_digest=completed.seal_digest,
            learned_files=completed.learned_files,
            peer_bytes=progress.peer_bytes,
        )
        # Before the report, while the reservation still covers it.
        remove_holders(self._folder, self._granted.token, self._disk)
        if self._folder.exists():
            self._disk.sync_directory(self._folder)
        self._filler.layout.require_here()
        # When another holder has taken over, it finds this tree, which is whole, and reports or replaces it.
        replica = self._hub.fills.finish(self._granted.fill_id, self._granted.token, done)
        self._disk.remove_tree(self._folder)
        return Filled(
            replica=replica,
            moved_bytes=progress.moved_bytes,
            present_bytes=done.present_bytes,
            seconds=done.seconds,
        )

    def _record_digests(self, digests: Digests) -> str:
        """Tell the hub what was learned; it refuses when a digest differs from what is known."""
        path = self._folder / str(self._granted.token) / "seal.parquet"
        Seal.known_as(self._version.manifest_digest, digests.column()).write(path)
        seal_digest = self._hub.catalog.store_seal(path)
        self._hub.catalog.seal(self._version.manifest_digest, seal_digest)
        return seal_digest

    def _completed(self, seal_digest: str, added_bytes: int) -> Completed:
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
            fill_seconds=round(self._filler.clock.monotonic() - self._began, 3),
            completed_at=round(self._filler.clock.now(), 3),
            added_bytes=added_bytes,
            learned_files=self._learned_files,
            subset=version.subset,
            selection=version.selection,
        )


def _told(error: BaseException) -> str:
    """What failed and what helps, in one line: it is kept for whoever asks later, without the error."""
    if not isinstance(error, ForebayError):
        return type(error).__name__
    return f"{error.message.rstrip('.')}. {error.todo}" if error.todo else error.message
