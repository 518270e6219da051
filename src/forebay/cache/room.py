"""Makes room for a fill (FITS): asks the hub, lets go of what dead fills left behind, then of what policy gives up."""

from __future__ import annotations

from humanize import naturalsize

from forebay import fsio
from forebay.cache.evict import Evictor
from forebay.cache.incoming import held_bytes, placed_bytes
from forebay.cache.volume import DAMAGED, VolumeLayout, read_completed
from forebay.errors import CapacityError, ConflictError
from forebay.fsio import Disk
from forebay.wire.cache import Granted, NoRoom, OpenFill, Quota, Replica, Reserved
from forebay.wire.hub import Hub


class Room:
    """The room on one volume. Unless it `evicts`, no replica goes for a fill."""

    def __init__(
        self, hub: Hub, layout: VolumeLayout, volume_id: str, disk: Disk, evictor: Evictor, *, evicts: bool
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._disk = disk
        self._evictor = evictor
        self._evicts = evicts

    def reserve(self, granted: Granted, need_bytes: int) -> None:
        """Set bytes aside for a fill before the first one comes; `no-room`, `never-fits`, `over-quota`."""
        while isinstance(answer := self._ask(granted, need_bytes), NoRoom):
            if not self._went(answer):
                raise _no_room(granted.replica, need_bytes, answer)

    def clear_strays(self) -> None:
        """Delete folders under incoming/ that no fill owns: what was left when a finished fill was killed."""
        if not self._layout.incoming.is_dir():
            return
        # In this order: a fill's record exists before its folder does.
        names = {path.name for path in self._layout.incoming.iterdir()}
        owned = {fill.fill_id for fill in self._hub.fills.open_fills(self._volume_id)} if names else set()
        for name in names - owned:
            self._disk.remove_tree(self._layout.incoming / name)

    def _ask(self, granted: Granted, need_bytes: int) -> Reserved | NoRoom:
        # What the fill holds already is part of its need, and takes nothing from the disk's free space any more.
        free_bytes = fsio.free_bytes(self._layout.root) + held_bytes(self._layout.fill(granted.fill_id))
        team = granted.replica.team
        team_bytes = self._evictor.team_bytes(granted.replica, team) if team else 0
        return self._hub.fills.reserve(granted.fill_id, granted.token, need_bytes, free_bytes, team_bytes)

    def _went(self, answer: NoRoom) -> bool:
        """Whether anything came free that the fill lacked; for a quota, only the team's own goes."""
        if answer.never:
            return False
        if answer.quota is not None:
            return self._evicts and self._evictor.make_team_room(answer.quota.team, answer.missing_bytes)
        return self._free(answer.missing_bytes) > 0

    def _free(self, missing_bytes: int) -> int:
        freed_bytes = self._drop_leftovers(missing_bytes)
        if freed_bytes < missing_bytes:
            freed_bytes += self._evictor.clear_quarantine()
        if freed_bytes < missing_bytes and self._evicts:
            freed_bytes += self._evictor.make_room(missing_bytes - freed_bytes)
        return freed_bytes

    def _drop_leftovers(self, missing_bytes: int) -> int:
        """Give up what dead fills left: parts that nobody can use go before replicas that somebody may."""
        freed_bytes = 0
        for fill in self._hub.fills.open_fills(self._volume_id):
            folder = self._layout.fill(fill.fill_id)
            if freed_bytes >= missing_bytes:
                break
            if fill.live or self._has_placed(fill):
                continue
            try:
                left_bytes = self._hub.fills.abandon(fill.fill_id)
            except ConflictError:
                continue
            counts = self._hub.volumes.get(self._volume_id).counts
            gone = [folder, *self._layout.replaced(fill.fill_id)]
            stays = [path for each in gone for path in self._disk.remove_tree(each)]
            gone_bytes = max(0, left_bytes - fsio.used_bytes_below(*gone)) if stays else left_bytes
            self._hub.volumes.free_bytes(self._volume_id, gone_bytes, counts)
            freed_bytes += gone_bytes
        return freed_bytes

    def _has_placed(self, fill: OpenFill) -> bool:
        """Whether blobs or a tree that a dead fill put in place are covered by its reservation, until they are told."""
        if placed_bytes(self._layout.fill(fill.fill_id)):
            return True
        tree = self._layout.tree_of(self._hub.catalog.resolve(fill.ref))
        return tree.exists() and read_completed(tree, DAMAGED) is None


def _no_room(replica: Replica, need_bytes: int, answer: NoRoom) -> CapacityError:
    ref = replica.ref
    if answer.quota is not None:
        return _over_quota(replica, answer.quota, answer.missing_bytes)
    need, missing = (naturalsize(bytes_, binary=True) for bytes_ in (need_bytes, answer.missing_bytes))
    if answer.never:
        return CapacityError(
            "never-fits",
            f"{ref} needs {need}, more than the volume may ever hold",
            todo="Raise volume_limit, or use a larger volume.",
        )
    return CapacityError(
        "no-room",
        f"{ref} needs {need}; {missing} are missing and nothing more may be evicted",
        todo="See what holds the space: forebay cache ls. Unpin or close something, or raise volume_limit.",
    )


def _over_quota(replica: Replica, quota: Quota, missing_bytes: int) -> CapacityError:
    team, limit = quota.team, naturalsize(quota.limit_bytes, binary=True)
    return CapacityError(
        "over-quota",
        f"{replica.ref} does not fit into the quota of the team {team} here ({limit}):"
        f" {naturalsize(missing_bytes, binary=True)} are missing and nothing more of the team's may be evicted",
        todo=f"See what the team holds: forebay cache quota ls. Unpin or close something of its datasets, or raise the"
        f" quota: forebay cache quota set {team} SIZE",
    )
