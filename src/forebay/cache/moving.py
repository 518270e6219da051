"""Moves what a fill's plan says is missing: opens the sources, and tells the hub how the links were.

What was moved is told also when the fill fails afterwards; that it can't be told costs knowledge and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from forebay.cache import salvage
from forebay.cache.contents import Contents
from forebay.cache.grip import Grip
from forebay.cache.heart import Heart
from forebay.cache.incoming import Incoming, Leftover, Leftovers
from forebay.cache.listing import Listing, line
from forebay.cache.meter import Meter
from forebay.cache.nearby import Nearby, OpenNearby
from forebay.cache.pace import FillSettings
from forebay.cache.plan import FillPlan, piece_bytes
from forebay.cache.source import LocalSource
from forebay.cache.transfer import Transfer
from forebay.cache.volume import VolumeLayout
from forebay.cache.wishes import WISH_SECONDS, Wishes, WishesHeard
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.fsio import Disk
from forebay.lake.stores import LakeStore
from forebay.log import get_logger
from forebay.wire.cache import Granted
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

_log = get_logger("moving")

_LEAST_CUT_BYTES = 8 << 20
_LEAST_PIECE_BYTES = 256 << 20
_BUSY_STREAMS = 4

OpenLake = Callable[[Version], LakeStore]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What all fills of one volume move with."""

    hub: Hub
    layout: VolumeLayout
    disk: Disk
    clock: Clock
    settings: FillSettings
    open_lake: OpenLake
    open_nearby: OpenNearby | None


class Mover:
    """Moves for one fill. `learned_files` are those whose digest was learned with nothing to check it against."""

    def __init__(
        self,
        moving: Moving,
        granted: Granted,
        version: Version,
        meter: Meter,
        grip: Grip,
        source: LocalSource | None,
        wishes: Wishes,
    ) -> None:
        self._with = moving
        self._granted = granted
        self._version = version
        self._meter = meter
        self._grip = grip
        self._source = source
        self._wishes = wishes
        self.learned_files = 0

    def salvage(self, contents: Contents, incoming: Incoming, plan: FillPlan) -> dict[int, Leftover]:
        """What other replicas of this version hold of its objects: bytes that need not come again."""
        replicas = self._with.hub.replicas.all(self._granted.replica.volume_id)
        found = salvage.find(self._with.layout, self._version, replicas, contents.manifest, contents.cuts, plan.missing)
        if not found:
            return {}
        return salvage.secure(found, incoming.folder / salvage.FOLDER, self._with.disk, self._meter.cancelled)

    def move(
        self, contents: Contents, incoming: Incoming, plan: FillPlan, listing: Listing, leftovers: Leftovers
    ) -> None:
        """Have every missing entry of the plan in its temp file."""
        if not plan.missing:
            return
        store = self._source.store if self._source else self._with.open_lake(self._version)
        objects = self._source.objects(contents.manifest) if self._source else contents.manifest
        # A cut file is many requests, one after another in each of its segments.
        busy, least = _BUSY_STREAMS, _LEAST_PIECE_BYTES
        if contents.cuts:
            busy, least = self._with.settings.streams, _LEAST_CUT_BYTES
        nearby = self._nearby(store, listing)
        transfer = Transfer(
            store,
            line(objects, plan, listing, leftovers, contents.cuts),
            incoming,
            self._with.disk,
            self._meter,
            piece_bytes=piece_bytes(plan.move_bytes, busy, least),
            streams=self._with.settings.streams,
            still_held=self._grip.check,
            digests=listing.digests,
            nearby=nearby,
        )
        heard = WishesHeard(self._with.hub, self._granted, transfer.prefer)
        shared = self._fills()
        try:
            with Heart("wishes", WISH_SECONDS, heard.listen, bool), self._wishes.told_to(transfer.prefer):
                transfer.run()
        finally:
            if nearby is not None:
                nearby.close()
            self._tell(transfer, nearby, shared)
        self.learned_files += transfer.learned_files

    def _nearby(self, store: LakeStore, listing: Listing) -> Nearby | None:
        """The peers that have the version; what nobody knows a digest of can't come from one."""
        if self._source or self._with.open_nearby is None or next(listing.digests.known(), None) is None:
            return None
        return self._with.open_nearby(self._granted, self._version, store.place)

    def _tell(self, transfer: Transfer, nearby: Nearby | None, shared: float) -> None:
        """Tell the hub how fast the links were."""
        if self._source:
            return
        tallies = [transfer.bringer.lake, *(() if nearby is None else nearby.tallies())]
        moved = [tally for tally in tallies if tally.moved_bytes]
        concurrency = (shared + self._fills()) / 2 if moved else 1.0
        for report in (tally.report(self._version.dataset, concurrency) for tally in moved):
            if report is None:
                continue
            try:
                self._with.hub.links.report(self._granted.replica.volume_id, report)
            except ForebayError as error:
                _log.info("link-not-told", source=report.source, kind=error.kind)

    def _fills(self) -> float:
        """How many fills run on this volume, this one counted: they share its links."""
        try:
            fills = self._with.hub.fills.open_fills(self._granted.replica.volume_id)
        except ForebayError:
            return 1.0
        return float(max(1, sum(fill.live for fill in fills)))
