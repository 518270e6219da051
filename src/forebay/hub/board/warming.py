"""What warming a version at a place would take: bytes, time and money by each source, and what would have to go for it.

Times come from links as the fills of those datasets saw them that the asker may know of. Bytes that other versions
there hold too are fetched by no fill; the manifests tell which, and are not read here: so it is "at most".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from forebay.cache.policy import Decision
from forebay.hub import link_rows
from forebay.hub.board import going
from forebay.hub.board.grid import Spot
from forebay.hub.board.known import Version
from forebay.hub.board.places import Place
from forebay.hub.board.sight import Sight
from forebay.hub.board.standing import Known, Look
from forebay.lake.location import lake_place
from forebay.sites.links import recorded
from forebay.wire.cache import ReplicaState
from forebay.wire.links import LinkRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the bytes could come from: the lake, or another site. `cost` is in the team's currency. `is_known`: the
    bandwidth was measured or declared, and is not assumed.
    """

    name: str
    is_lake: bool
    bandwidth_bytes_s: float
    seconds: float
    cost: float
    is_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Warming:
    """`sources`, the soonest first, of which the fill takes the best. `evicts` would have to go, and `missing_bytes`
    would lack all the same (0: it fits).
    """

    place: Place
    move_bytes: int
    sources: tuple[Source, ...]
    evicts: tuple[Decision, ...]
    missing_bytes: int

    @property
    def best(self) -> Source | None:
        return self.sources[0] if self.sources else None

    @property
    def frees_bytes(self) -> int:
        return sum(item.frees_bytes for item in self.evicts)


def warming(
    connection: Connection,
    sight: Sight,
    version: Version,
    spots: Sequence[Spot],
    target: Spot,
    now: float,
    *,
    subset: Known | None = None,
) -> Warming:
    """What it, or a subset of it, would take at `target`; `spots` are all places, of which some may have it."""
    place, what = target.place, subset or target.whole
    is_there = what.state is ReplicaState.READY
    there_bytes = 0 if what.fill is None else what.fill.done_bytes
    move_bytes = 0 if is_there else max(0, what.size_bytes - there_bytes)
    lacks_bytes = max(0, move_bytes - place.free_bytes)
    evicts: tuple[Decision, ...] = ()
    if lacks_bytes:
        evicts = going.going(connection, sight, place, now, missing_bytes=lacks_bytes, staying=0).going
    freed_bytes = sum(item.frees_bytes for item in evicts)
    return Warming(
        place=place,
        move_bytes=move_bytes,
        sources=_sources(connection, sight, version, spots, place, move_bytes, now),
        evicts=evicts,
        missing_bytes=max(0, lacks_bytes - freed_bytes),
    )


def _sources(
    connection: Connection,
    sight: Sight,
    version: Version,
    spots: Sequence[Spot],
    place: Place,
    move_bytes: int,
    now: float,
) -> tuple[Source, ...]:
    lake = lake_place(version.lake_url)
    near = [
        spot.place.site
        for spot in spots
        if spot.place.site and spot.place.volume_id != place.volume_id and spot.look in (Look.READY, Look.STALE)
    ]
    target = place.site or place.volume_id
    seen = None if sight.sees_all else sight.datasets
    records = link_rows.records(connection, now, sources=near, target=target, datasets=seen) if near else []
    from_lake = link_rows.record(connection, lake, target, now, seen)
    found = [_source(record, move_bytes, now, is_lake=record is from_lake) for record in (from_lake, *records)]
    return tuple(sorted(found, key=lambda item: item.seconds))


def _source(record: LinkRecord, move_bytes: int, now: float, *, is_lake: bool) -> Source:
    link = recorded(record)
    return Source(
        name=record.source,
        is_lake=is_lake,
        bandwidth_bytes_s=link.bandwidth_bytes_s(now),
        seconds=link.seconds_for(move_bytes, now),
        cost=move_bytes * link.price_byte,
        is_known=bool(record.transfers or record.declared_bandwidth_bytes_s),
    )
