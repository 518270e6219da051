"""One volume's cache as its users see it: make a version ready, lease it, keep it, let it go.

The only place where the parts of the engine meet. Opening a ready version looks at the records and the marker, whatever
the number of files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from forebay import fsio
from forebay.cache.canary import try_out
from forebay.cache.health import ALLOWED, SIGNS_TO_CHANGE, Act, require
from forebay.cache.heart import Heart
from forebay.cache.leased import Kept, Leased, Readied, Warmed
from forebay.cache.machine import Terms, is_held
from forebay.cache.meter import Meter
from forebay.cache.nearby import OpenNearby
from forebay.cache.pace import FillSettings
from forebay.cache.place import holds
from forebay.cache.policy import Decisions, Policy
from forebay.cache.volume import RESERVED, VolumeLayout, open_volume
from forebay.cache.wishes import Wishes
from forebay.clock import Clock
from forebay.errors import ConflictError, ForebayError, NotFoundError, UnavailableError
from forebay.fsio import Disk
from forebay.vouch import seen_dead
from forebay.wire.cache import (
    Claim,
    Granted,
    HealthReport,
    Holder,
    Lease,
    Progress,
    Ready,
    Replica,
    ReplicaState,
    Sign,
    Volume,
    VolumeState,
    Waiting,
)
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

if TYPE_CHECKING:
    from forebay.cache.evict import ConfirmLake, Evicted, Evictor
    from forebay.cache.fill import Filled, Filler
    from forebay.cache.moving import OpenLake
    from forebay.cache.recover import Recovered
    from forebay.cache.verify import Verified

__all__ = ["Cache", "Leased", "OnProgress", "Warmed", "default_limit"]

_SHOW_SECONDS = 0.2
_FIRST_LOOK_SECONDS, _LAST_LOOK_SECONDS = 0.05, 1.0
"""Who waits looks again after a while, and then after longer ones: many may wait for long. A dead holder is noticed
within the last of them."""

_ILL = {f"volume-{state}" for state in (VolumeState.UNSTABLE, VolumeState.DOWN)}
_DISK_FAILED = {"disk-failing", "volume-away"}

T = TypeVar("T")

OnProgress = Callable[[Progress, str], object]
"""Called with the progress and, when somebody else fills, with who that is."""


class Cache:
    """The cache on one volume."""

    def __init__(
        self,
        hub: Hub,
        root: Path,
        *,
        limit_bytes: int,
        policy: Policy,
        open_lake: OpenLake,
        confirm_lake: ConfirmLake,
        disk: Disk,
        clock: Clock,
        fill_settings: FillSettings,
        terms: Terms | None = None,
        rebuild: bool = False,
        host: str = "",
        open_nearby: OpenNearby | None = None,
    ) -> None:
        """Open the volume at `root`; an empty or absent folder becomes one. `host` is whose path that is.

        `rebuild` takes an empty folder for a known volume that was really lost (recover --force). Errors: `open_volume`
        and UnavailableError `volume-away`.
        """
        self._hub = hub
        self._disk = disk
        self._clock = clock
        self._terms = terms or Terms()
        self._host = host
        self.policy = policy
        self.layout, self.volume_id = _open(hub, root, disk, clock, rebuild=rebuild, host=host)
        self._make_known(limit_bytes)
        self._open_lake = open_lake
        self._confirm_lake = confirm_lake
        self._open_nearby = open_nearby
        self._fill_settings = fill_settings
        self._lock = threading.Lock()
        self._evictor: Evictor | None = None

    @property
    def evictor(self) -> Evictor:
        """The volume's one; made for who first asks. To open what is ready takes none, nor its import."""
        from forebay.cache.evict import Evictor

        with self._lock:
            if self._evictor is None:
                self._evictor = Evictor(
                    self._hub,
                    self.layout,
                    self.volume_id,
                    policy=self.policy,
                    confirm_lake=self._confirm_lake,
                    disk=self._disk,
                    clock=self._clock,
                    terms=self._terms,
                )
            return self._evictor

    def _filler(self, *, evicts: bool) -> Filler:
        """Imported with the first fill, like what reads manifests and lakes."""
        from forebay.cache.fill import Filler
        from forebay.cache.room import Room

        return Filler(
            self._hub,
            self.layout,
            open_lake=self._open_lake,
            room=Room(self._hub, self.layout, self.volume_id, self._disk, self.evictor, evicts=evicts),
            disk=self._disk,
            clock=self._clock,
            settings=self._fill_settings,
            terms=self._terms,
            open_nearby=self._open_nearby,
        )

    def path(self, version: Version) -> Path:
        """Where the version is, or would be."""
        return self.layout.tree_of(version)

    def warm(
        self,
        version: Version,
        holder: Holder,
        on_progress: OnProgress = lambda progress, who: None,
        *,
        wishes: Wishes | None = None,
    ) -> Warmed:
        """Make the version ready here: at once when it is, by filling it, or by waiting for whoever fills it.

        `wishes` are what readers of this process want first; through them they may also end it.
        """
        wishes = wishes or Wishes()
        began = self._clock.monotonic()
        waited, pause = False, _FIRST_LOOK_SECONDS
        while True:
            match self._claim(version, holder):
                case Ready() as claim:
                    if self._really_there(claim.replica, version):
                        return self._warmed(claim.replica, version, began, waited=waited)
                case Granted() as claim:
                    filled = self._fill(claim, version, on_progress, wishes)
                    if filled is not None:
                        return self._warmed(filled.replica, version, began, filled=filled, waited=waited)
                case Waiting() as claim:
                    waited = True
                    on_progress(claim.progress, claim.holder)
                    self._end_dead_eviction(claim.replica)
                    wishes.wait(pause)
                    pause = min(pause * 1.5, _LAST_LOOK_SECONDS)

    def keep(self, version: Version, directory: Path, holder: Holder) -> Kept:
        """Make a committed version ready from a local directory that has its files; evicts nothing for it.

        CapacityError when there is no room; ConflictError `in-use` when somebody else fills or evicts it just now.
        """
        from forebay.cache.source import LocalSource

        assert version.origin == "committed", "the bytes of a directory are nobody's before their digests are known"
        fills = self._hub.fills
        source, meter = LocalSource.of(directory), Meter(local=True)
        match fills.look(self.volume_id, version) or fills.claim(self.volume_id, version, holder):
            case Granted() as granted:
                self._filler(evicts=False).fill(granted, version, meter=meter, source=source)
            case Waiting(holder=who):
                raise ConflictError("in-use", f"{version.ref} is in other hands: {who}", todo="Nothing: it comes.")
        return Kept(path=self.path(version), copied_bytes=meter.local_bytes)

    def lease(
        self,
        version: Version,
        holder: Holder,
        *,
        on_progress: OnProgress = lambda progress, who: None,
        on_lost: Callable[[ConflictError], object] = bool,
        wishes: Wishes | None = None,
    ) -> Leased:
        """Make the version ready (see `warm`) and use it until `close`; a heartbeat keeps the lease meanwhile."""
        began = self._clock.monotonic()
        warmed: Readied | None = None
        if not holds(self.path(version), version.manifest_digest):
            warmed = self.warm(version, holder, on_progress, wishes=wishes)
        while (lease := self._take(version, holder)) is None:
            # It was evicted or found damaged since, or its tree is there and the hub does not know it.
            warmed = self.warm(version, holder, on_progress, wishes=wishes)
        seconds = self._clock.monotonic() - began
        if warmed is None:
            size_bytes = version.size_bytes
            warmed = Readied(
                path=self.path(version), moved_bytes=0, present_bytes=size_bytes, seconds=seconds, waited=False
            )
        return Leased(self._hub, lease, replace(warmed, seconds=seconds), on_lost, self._terms)

    def verify(
        self, versions: list[Version], memo_folder: Path, *, force: bool, on_file: Callable[[int], object] = bool
    ) -> tuple[list[Verified], list[Replica]]:
        """Hash what changed or was not hashed lately; damaged replicas are marked and returned second."""
        from forebay.cache.verify import brake, still_there

        self.require(Act.SCRUB)
        replicas = [self._ready(version) for version in versions]
        results = [self.look_through(replica, memo_folder, on_file=on_file) for replica in replicas]
        if not force:
            here = self.replicas()
            brake(still_there(results, here), sum(replica.files for replica in here))
        return results, self.take_out(results)

    def look_through(
        self,
        replica: Replica,
        memo_folder: Path,
        *,
        on_file: Callable[[int], object] = bool,
        on_read: Callable[[int], object] = bool,
    ) -> Verified:
        """Hash the files of one ready replica that changed or were not hashed lately."""
        from forebay.cache.contents import replica_manifest
        from forebay.cache.memo import Memo
        from forebay.cache.verify import verify_tree

        version = self.resolve(replica.ref)
        tree = self.path(version)
        manifest = replica_manifest(self._hub.catalog, version, tree)
        now = self._clock.now()
        with Memo(memo_folder / self.volume_id / f"{version.dataset}@{tree.name}.parquet") as memo:
            found = verify_tree(tree, replica, manifest, memo, now=now, on_file=on_file, on_read=on_read)
        if not found.bad:
            self._hub.replicas.mark_verified(self.volume_id, version, replica.token)
        return found

    def take_out(self, results: list[Verified]) -> list[Replica]:
        """Take out of use what was found damaged; the replicas that were."""
        from forebay.cache.verify import take_out

        return take_out(self._hub, self.layout, self.volume_id, results, self._disk, self._clock)

    def resolve(self, ref: str) -> Version:
        return self._hub.catalog.resolve(ref)

    def try_out(self) -> Volume:
        """Try the volume out with a canary; the volume with the health that follows."""
        return self._hub.volumes.report_health(self.volume_id, try_out(self.layout, self.volume_id, self._disk))

    def require(self, act: Act, *, ask: bool = False) -> None:
        """UnavailableError `volume-unstable` or `volume-down` unless the volume's health allows this.

        A volume in doubt is tried out as often as it takes to be trusted again; with `ask`, any volume once.
        """
        volume = self.try_out() if ask else self.volume()
        for _ in range(SIGNS_TO_CHANGE):
            if act in ALLOWED[volume.state]:
                return
            volume = self.try_out()
        require(act, volume.state, volume.state_reason, volume.path)

    def recover(self, *, force: bool = False, dry_run: bool = False) -> Recovered:
        """Mend the records from the volume; see `recover`."""
        from forebay.cache.recover import recover

        if not dry_run:
            self.require(Act.RECOVER)
        return recover(
            self._hub,
            self.layout,
            self.volume_id,
            evictor=self.evictor,
            disk=self._disk,
            clock=self._clock,
            terms=self._terms,
            force=force,
            dry_run=dry_run,
        )

    def replicas(self) -> list[Replica]:
        return self._hub.replicas.all(self.volume_id)

    def volume(self) -> Volume:
        return self._hub.volumes.get(self.volume_id)

    def decisions(self) -> Decisions:
        """What would go now, what stays, and why."""
        return self.evictor.decisions()

    def sweep(self) -> list[Evicted]:
        """Let go of what is due."""
        return self.evictor.sweep()

    def _claim(self, version: Version, holder: Holder) -> Claim:
        fills = self._hub.fills
        seen = fills.look(self.volume_id, version)
        dead = isinstance(seen, Waiting) and seen_dead(seen.process)
        if seen is not None and not dead:
            return seen
        dead_token = seen.replica.token if seen is not None else 0
        return self._in_health(Act.FILL, lambda: fills.claim(self.volume_id, version, holder, dead_token=dead_token))

    def _in_health(self, act: Act, ask: Callable[[], T]) -> T:
        """Ask the hub; when the volume's health stands against it, see whether it still does, and ask again."""
        try:
            return ask()
        except UnavailableError as error:
            if error.kind not in _ILL:
                raise
            self.require(act)
            return ask()

    def _fill(self, granted: Granted, version: Version, on_progress: OnProgress, wishes: Wishes) -> Filled | None:
        """Fill under a grant; None when another holder took over meanwhile."""
        meter = Meter()
        with (
            wishes.may_stop(meter.cancel),
            Heart("progress", _SHOW_SECONDS, lambda: on_progress(meter.progress, meter.waiting_for), bool),
        ):
            try:
                filled = self._filler(evicts=True).fill(granted, version, meter=meter, wishes=wishes)
            except ConflictError as error:
                if error.kind == "fenced":
                    return None
                raise
            except ForebayError as error:
                self._tell_ill(error)
                raise
        on_progress(meter.progress, "")
        return filled

    def _tell_ill(self, error: ForebayError) -> None:
        """A failing disk is a sign of the volume's health."""
        if error.kind not in _DISK_FAILED:
            return
        with suppress(ForebayError):  # it is `error` that has to be told
            self._hub.volumes.report_health(self.volume_id, HealthReport(sign=Sign.BAD, reason=error.message))

    def _ready(self, version: Version) -> Replica:
        replica = self._hub.replicas.get(self.volume_id, version)
        if replica is None or replica.state is not ReplicaState.READY:
            raise ConflictError("not-ready", f"{version.ref} is not ready here", todo="Warm it first.")
        return replica

    def _take(self, version: Version, holder: Holder) -> Lease | None:
        """None when it is not ready. An answer that was long in coming may be from long ago: it is renewed first."""
        asked_at = self._clock.monotonic()
        try:
            lease = self._in_health(Act.OPEN, lambda: self._hub.leases.take(self.volume_id, version, holder))
            if self._clock.monotonic() - asked_at >= self._terms.lease_beat_seconds:
                lease = self._hub.leases.renew(lease.lease_id)
        except ConflictError as error:
            if error.kind not in ("not-ready", "lease-lost"):
                raise
            return None
        return lease

    def _end_dead_eviction(self, replica: Replica) -> None:
        """Who waits for an eviction ends it when its process is gone; only then may a fill begin.

        Raises why it can't be ended: it would be waited for in vain.
        """
        held_until, hold_seconds = replica.since + self._terms.hold_seconds, self._terms.hold_seconds
        if replica.state is ReplicaState.EVICTING and not is_held(held_until, self._clock.now(), hold_seconds):
            error = self.evictor.evict(replica, replica.reason).error
            if error is None or isinstance(error, ConflictError):
                return
            self._tell_ill(error)
            left = self._hub.replicas.get(self.volume_id, self.resolve(replica.ref))
            if left is not None and left.state is ReplicaState.EVICTING:
                raise error

    def _really_there(self, replica: Replica, version: Version) -> bool:
        """A record that says `ready` is believed only beside the marker; without it the replica is damaged."""
        # The marker may have come, or gone, on another machine.
        fsio.see_afresh(self.path(version) / RESERVED, self.layout.root)
        if holds(self.path(version), version.manifest_digest):
            return True
        _refuse_vanished(self._hub, self.layout.root, self._host)
        with suppress(ConflictError):
            why = "its files are not on the volume"
            self._hub.replicas.mark_damaged(self.volume_id, version, why, token=replica.token)
        return False

    def _warmed(
        self, replica: Replica, version: Version, began: float, *, waited: bool, filled: Filled | None = None
    ) -> Warmed:
        return Warmed(
            replica=replica,
            path=self.path(version),
            moved_bytes=filled.moved_bytes if filled else 0,
            present_bytes=filled.present_bytes if filled else version.size_bytes,
            seconds=self._clock.monotonic() - began,
            waited=waited,
        )

    def _make_known(self, limit_bytes: int) -> None:
        """Tell the hub of the volume; one that it does not know (any more) may hold bytes that count."""
        known = self._is_known()
        volume = self._hub.volumes.add(self.volume_id, str(self.layout.root), limit_bytes, self._host)
        if not known and volume.used_bytes == 0:
            from forebay.cache.look import account_bytes

            used_bytes = account_bytes(self.layout, ())
            if used_bytes:
                self._hub.volumes.set_used_bytes(self.volume_id, used_bytes, volume.added_bytes)

    def _is_known(self) -> bool:
        try:
            self._hub.volumes.get(self.volume_id)
        except NotFoundError:
            return False
        return True


def _open(hub: Hub, root: Path, disk: Disk, clock: Clock, *, rebuild: bool, host: str) -> tuple[VolumeLayout, str]:
    if not rebuild:
        _refuse_vanished(hub, root, host)
    known = hub.volumes.at(str(root.absolute()), host)
    volume_id = known.volume_id if known and rebuild else None
    return open_volume(root, hub.owner, disk, now=clock.now(), volume_id=volume_id)


def _refuse_vanished(hub: Hub, root: Path, host: str) -> None:
    """An empty folder where a known volume was is an unmounted volume, not a new one."""
    layout = VolumeLayout(root.absolute())
    known = hub.volumes.at(str(layout.root), host)
    if known is not None and not layout.mark.exists():
        raise UnavailableError(
            "volume-away",
            f"{layout.root} was volume {known.volume_id[:8]} and is empty now: it is probably not mounted",
            todo="Mount it again. If it is really lost: forebay cache recover --force",
        )


def default_limit(root: Path, share: float) -> int:
    """A limit as a share of the size of the file system that `root` is, or will be, on."""
    while not root.exists():
        root = root.parent
    return int(fsio.total_bytes(root) * share)
