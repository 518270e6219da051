"""The map of lakes and sites: the links between them, and what flows over them now. Only what a sight may know of.

A link's figures come from datasets that are seen, or from what somebody declared (`hub.link_rows`); a flow is a fill of
a dataset that is seen. A fill does not tell how much each source brings: it flows from its version's lake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub import link_rows
from forebay.hub.board.sight import Sight
from forebay.lake.location import lake_place
from forebay.wire.catalog import ref_of
from forebay.wire.links import LinkRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A fill that is under way: what it brings, how much is missing, and how fast it was so far."""

    ref: str
    source: str
    target: str
    moved_bytes: int
    rest_bytes: int
    bytes_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A way from a lake or a site to a site. `link` None: fills use it, and nothing is known of it yet."""

    source: str
    target: str
    link: LinkRecord | None = None
    flows: tuple[Flow, ...] = ()

    @property
    def from_lake(self) -> bool:
        return is_lake(self.source)

    @property
    def bytes_s(self) -> float:
        """Of all that flows here now."""
        return sum(flow.bytes_s for flow in self.flows)

    @property
    def rest_bytes(self) -> int:
        return sum(flow.rest_bytes for flow in self.flows)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMap:
    """`lakes` and `sites` by name; a site that is only a link's end is among them."""

    lakes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = field(default=())

    def to(self, site: str) -> tuple[Lane, ...]:
        """The ways to a site: what flows first, then lakes, then the fastest."""
        return tuple(sorted((lane for lane in self.lanes if lane.target == site), key=_rank))


def is_lake(place: str) -> bool:
    """Lakes have a scheme, sites have none."""
    return "://" in place


def same_lake(source: str) -> str:
    """A lake without its endpoint, which the address of a version does not tell."""
    scheme, mark, place = source.partition("://")
    return f"{scheme}://{place.rpartition('/')[2]}" if mark else source


def links(connection: Connection, sight: Sight, now: float, target: str | None = None) -> list[LinkRecord]:
    """By source and target, as the fills of what is seen measured them; all, or those to one site."""
    return link_rows.records(connection, now, datasets=sight.datasets, target=target)


def flows(connection: Connection, sight: Sight, now: float, volumes: Collection[str] | None = None) -> list[Flow]:
    """The fills that are under way, to some volumes or to all; the one with most to bring first."""
    query = (
        sa.select(
            t.fill.c.started_at,
            t.fill.c.total_bytes,
            t.fill.c.present_bytes,
            t.fill.c.moved_bytes,
            t.dataset.c.name,
            t.version.c.number,
            t.version.c.subset,
            t.version.c.lake_url,
            t.version.c.size_bytes,
            sa.func.coalesce(t.volume_site.c.site, t.fill.c.volume_id).label("target"),
        )
        .join(t.version, t.version.c.version_id == t.fill.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .outerjoin(t.volume_site, t.volume_site.c.volume_id == t.fill.c.volume_id)
        .where(t.fill.c.expires_at > now)
    )
    if volumes is not None:
        query = query.where(t.fill.c.volume_id.in_(sorted(volumes)))
    rows = connection.execute(sight.narrow(query, t.dataset.c.name))
    found = [
        Flow(
            ref=ref_of(row.name, row.number, row.subset),
            source=lake_place(row.lake_url),
            target=row.target,
            moved_bytes=row.moved_bytes,
            rest_bytes=max(0, (row.total_bytes or row.size_bytes) - row.present_bytes - row.moved_bytes),
            bytes_s=row.moved_bytes / max(1.0, now - row.started_at),
        )
        for row in rows
    ]
    return sorted(found, key=lambda flow: (-flow.rest_bytes, flow.ref))


def lanes_to(connection: Connection, sight: Sight, site: str, now: float) -> tuple[Lane, ...]:
    """The ways to one site, as `SiteMap.to` has them."""
    moving = [flow for flow in flows(connection, sight, now) if flow.target == site]
    return joined([site], links(connection, sight, now, site), moving).to(site)


def joined(sites: Sequence[str], known: Iterable[LinkRecord], moving: Iterable[Flow]) -> SiteMap:
    """Links and flows as lanes, pure. Of several endpoints of one lake a flow takes the one used last."""
    records = list(known)
    by_lake: dict[tuple[str, str], LinkRecord] = {}
    for record in sorted(records, key=lambda item: item.measured_at):
        by_lake[same_lake(record.source), record.target] = record
    over: dict[tuple[str, str], list[Flow]] = defaultdict(list)
    for flow in moving:
        link = by_lake.get((same_lake(flow.source), flow.target))
        over[link.source if link else flow.source, flow.target].append(flow)
    links_by_key = {(record.source, record.target): record for record in records}
    lanes = tuple(
        Lane(source=key[0], target=key[1], link=links_by_key.get(key), flows=tuple(over.get(key, ())))
        for key in sorted({*links_by_key, *over})
    )
    ends = {place for lane in lanes for place in (lane.source, lane.target) if not is_lake(place)}
    return SiteMap(
        lakes=tuple(sorted({lane.source for lane in lanes if lane.from_lake})),
        sites=(*sites, *sorted(ends - set(sites))),
        lanes=lanes,
    )


def _rank(lane: Lane) -> tuple[bool, bool, float, str]:
    speed = lane.link.bandwidth_bytes_s if lane.link else 0.0
    return not lane.flows, not lane.from_lake, -speed, lane.source
