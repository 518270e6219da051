"""One volume's cache as its users see it: make a version ready, lease it, keep it, let it go.

The only place where the parts of the engine meet. Opening a ready version looks at the records and the marker, whatever
the number of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from forebay import fsio
from forebay.cache.contents import load_manifest
from forebay.cache.evict import ConfirmLake, Evicted, Evictor
from forebay.cache.fill import Filled, Filler, FillSettings, OpenLake
from forebay.cache.heart import Heart
from forebay.cache.machine import LEASE_SECONDS
from forebay.cache.memo import Memo
from forebay.cache.meter import Meter
from forebay.cache.place import is_complete
from forebay.cache.policy import Decision, Policy
from forebay.cache.recover import Recovered, recover
from forebay.cache.verify import Verified, brake, take_out, verify_tree
from forebay.cache.volume import VolumeLayout, open_volume
from forebay.clock import Clock
from forebay.errors import ConflictError, UnavailableError
from forebay.fsio import Disk
from forebay.wire.cache import Granted, Holder, Lease, Progress, Ready, Replica, ReplicaState, Volume, Waiting
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

_LOOK_SECONDS = 0.2

OnProgress = Callable[[Progress, str], object]
"""Called with the progress and, when somebody else fills, with who that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """A ready replica at `path`. `moved_bytes` came from the lake in this call; `waited` for somebody else's fill."""

    replica: Replica
    path: Path
    moved_bytes: int
    present_bytes: int
    seconds: float
    waited: bool


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
    ) -> None:
        self._hub = hub
        self._disk = disk
        self._clock = clock
        _refuse_vanished(hub, root)
        self.layout, self.volume_id = open_volume(root, hub.owner, disk, now=clock.now())
        hub.volumes.add(self.volume_id, str(self.layout.root), limit_bytes)
        self.policy = policy
        self._filler = Filler(
            hub,
            self.layout,
            self.volume_id,
            open_lake=open_lake,
            disk=disk,
            clock=clock,
            settings=fill_settings,
        )
        self.evictor = Evictor(
            hub, self.layout, self.volume_id, policy=policy, confirm_lake=confirm_lake, disk=disk, clock=clock
        )

    def path(self, version: Version) -> Path:
        """Where the version is, or would be."""
        return self.layout.tree(version.group, version.dataset, version.number)

    def warm(self, version: Version, holder: Holder, on_progress: OnProgress = lambda progress, who: None) -> Warmed:
        """Make the version ready here: at once when it is, by filling it, or by waiting for whoever fills it."""
        began = self._clock.monotonic()
        waited = False
        while True:
            claim = self._hub.fills.look(self.volume_id, version) or self._hub.fills.claim(
                self.volume_id, version, holder
            )
            match claim:
                case Ready():
                    if self._really_there(version):
                        seconds = self._clock.monotonic() - began
                        return Warmed(
                            replica=claim.replica,
                            path=self.path(version),
                            moved_bytes=0,
                            present_bytes=version.size_bytes,
                            seconds=seconds,
                            waited=waited,
                        )
                case Granted():
                    filled = self._fill(claim, version, on_progress)
                    if filled is not None:
                        return self._warmed(filled, version, began, waited)
                case Waiting():
                    waited = True
                    on_progress(claim.progress, claim.holder)
                    Meter().wait(_LOOK_SECONDS)

    def lease(
        self,
        version: Version,
        holder: Holder,
        *,
        on_progress: OnProgress = lambda progress, who: None,
        on_lost: Callable[[ConflictError], object] = bool,
    ) -> Leased:
        """Make the version ready and use it until `close`; a heartbeat keeps the lease meanwhile."""
        warmed: Warmed | None = None
        lease: Lease | None = None
        began = self._clock.monotonic()
        while lease is None:
            if warmed is None and not is_complete(self.path(version)):
                warmed = self.warm(version, holder, on_progress)
            try:
                lease = self._hub.leases.take(self.volume_id, version, holder)
            except ConflictError as error:
                if error.kind != "not-ready":
                    raise
                warmed = self.warm(version, holder, on_progress)
        seconds = self._clock.monotonic() - began
        warmed = warmed or self._was_ready(version, seconds)
        return Leased(self._hub, lease, replace(warmed, seconds=seconds), on_lost)

    def verify(
        self, versions: list[Version], memo_folder: Path, *, force: bool, on_file: Callable[[int], object] = bool
    ) -> tuple[list[Verified], list[Replica]]:
        """Hash what changed or was not hashed lately; damaged replicas are marked and returned second."""
        results: list[Verified] = []
        for version in versions:
            memo = Memo(memo_folder / self.volume_id / f"{version.dataset}@v{version.number}.parquet")
            manifest = load_manifest(self._hub.catalog, version)
            tree = self.path(version)
            results.append(verify_tree(tree, version.ref, manifest, memo, now=self._clock.now(), on_file=on_file))
            memo.save()
        if not force:
            brake(results, sum(replica.files for replica in self.replicas()))
        if not any(result.bad for result in results):
            return results, []
        return results, take_out(self._hub, self.layout, self.volume_id, results, self._disk, self._clock)

    def recover(self, *, force: bool = False, dry_run: bool = False) -> Recovered:
        """Mend the records from the volume; see `recover`."""
        return recover(
            self._hub, self.layout, self.volume_id, disk=self._disk, clock=self._clock, force=force, dry_run=dry_run
        )

    def replicas(self) -> list[Replica]:
        return self._hub.replicas.all(self.volume_id)

    def volume(self) -> Volume:
        return self._hub.volumes.get(self.volume_id)

    def decisions(self) -> list[Decision]:
        """What would go now, what stays, and why."""
        return self.evictor.decisions()

    def sweep(self) -> list[Evicted]:
        """Let go of what is due."""
        return self.evictor.sweep()

    def _fill(self, granted: Granted, version: Version, on_progress: OnProgress) -> Filled | None:
        """Fill under a grant; None when another holder took over meanwhile."""
        meter = Meter()
        with Heart("progress", _LOOK_SECONDS, lambda: on_progress(meter.progress, ""), bool):
            try:
                filled = self._filler.fill(granted, version, meter=meter, make_room=self.evictor.make_room)
            except ConflictError as error:
                if error.kind == "fenced":
                    return None
                raise
        on_progress(meter.progress, "")
        return filled

    def _really_there(self, version: Version) -> bool:
        """A record that says `ready` is believed only beside the marker; without it the replica is damaged."""
        if is_complete(self.path(version)):
            return True
        _refuse_vanished(self._hub, self.layout.root)
        self._hub.replicas.mark_damaged(self.volume_id, version, "its files are not on the volume")
        return False

    def _was_ready(self, version: Version, seconds: float) -> Warmed:
        replica = self._hub.replicas.get(self.volume_id, version)
        if replica is None or replica.state is not ReplicaState.READY:
            raise ConflictError("not-ready", f"{version.ref} went away while it was opened", todo="Open it again.")
        return Warmed(
            replica=replica,
            path=self.path(version),
            moved_bytes=0,
            present_bytes=version.size_bytes,
            seconds=seconds,
            waited=False,
        )

    def _warmed(self, filled: Filled, version: Version, began: float, waited: bool) -> Warmed:
        return Warmed(
            replica=filled.replica,
            path=self.path(version),
            moved_bytes=filled.moved_bytes,
            present_bytes=filled.present_bytes,
            seconds=self._clock.monotonic() - began,
            waited=waited,
        )


class Leased:
    """A lease with its heartbeat. `close` ends it; `lost` is set when it was taken away."""

    def __init__(self, hub: Hub, lease: Lease, warmed: Warmed, on_lost: Callable[[ConflictError], object]) -> None:
        self._hub = hub
        self._on_lost = on_lost
        self.lease = lease
        self.warmed = warmed
        self.lost: ConflictError | None = None
        self._heart = Heart("lease-heart", LEASE_SECONDS / 4, self._beat, self._lose).start()
        self._closed = False

    def close(self) -> None:
        """End the lease. Idempotent."""
        if not self._closed:
            self._closed = True
            self._heart.stop()
            self._hub.leases.release(self.lease.lease_id)

    def _beat(self) -> None:
        self._hub.leases.renew(self.lease.lease_id)

    def _lose(self, error: ConflictError) -> None:
        self.lost = error
        self._on_lost(error)


def _refuse_vanished(hub: Hub, root: Path) -> None:
    """An empty folder where a known volume was is an unmounted volume, not a new one."""
    layout = VolumeLayout(root.absolute())
    known = hub.volumes.at(str(layout.root))
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
