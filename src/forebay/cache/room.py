"""Makes room for a fill (FITS): asks the hub, lets go of what dead fills left behind, then of what policy gives up."""

from __future__ import annotations

from collections.abc import Callable

from humanize import naturalsize

from forebay import fsio
from forebay.cache.incoming import held_bytes, placed_bytes
from forebay.cache.volume import VolumeLayout
from forebay.errors import CapacityError, ConflictError
from forebay.fsio import Disk
from forebay.wire.cache import Granted, NoRoom, Reserved
from forebay.wire.hub import Hub

Evict = Callable[[int], int]
"""Evicts until so many bytes are free or nothing more may go; the bytes freed."""


class Room:
    """The room on one volume."""

    def __init__(self, hub: Hub, layout: VolumeLayout, volume_id: str, disk: Disk, evict: Evict) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._disk = disk
        self._evict = evict

    def reserve(self, granted: Granted, need_bytes: int) -> None:
        """Set bytes aside for a fill before the first one comes; CapacityError `no-room` or `never-fits`."""
        while isinstance(answer := self._ask(granted, need_bytes), NoRoom):
            freed_bytes = 0 if answer.never else self._free(answer.missing_bytes)
            if freed_bytes <= 0:
                raise _no_room(granted.replica.ref, need_bytes, answer)

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
        return self._hub.fills.reserve(granted.fill_id, granted.token, need_bytes, free_bytes)

    def _free(self, missing_bytes: int) -> int:
        freed_bytes = self._drop_leftovers(missing_bytes)
        if freed_bytes < missing_bytes:
            freed_bytes += self._evict(missing_bytes - freed_bytes)
        return freed_bytes

    def _drop_leftovers(self, missing_bytes: int) -> int:
        """Give up what dead fills left: parts that nobody can use go before replicas that somebody may."""
        freed_bytes = 0
        for fill in self._hub.fills.open_fills(self._volume_id):
            folder = self._layout.fill(fill.fill_id)
            if freed_bytes >= missing_bytes:
                break
            # Blobs that a dead fill placed are covered by its reservation until its next holder reports them.
            if fill.live or placed_bytes(folder):
                continue
            try:
                self._hub.fills.abandon(fill.fill_id)
            except ConflictError:
                continue
            self._disk.remove_tree(folder)
            freed_bytes += fill.reserved_bytes
        return freed_bytes


def _no_room(ref: str, need_bytes: int, answer: NoRoom) -> CapacityError:
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
