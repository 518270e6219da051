"""What placement is told of links: as fills measured them, as somebody declared them, as is assumed of the rest.

Nobody learns from a run's table what the fills of hidden datasets measured (PRIVATE): it shows what those of datasets
told that everybody may read, and those of the datasets which the run itself reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub import link_rows
from forebay.hub.link_rows import Key, Seen
from forebay.hub.links import serve_blobs
from forebay.sites.links import Link, declared, recorded
from forebay.wire.cache import ReplicaState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """As `runs.world.World` has them."""

    links: Mapping[Key, Link] = field(default_factory=dict)
    own_links: Mapping[tuple[str, str, str], Link] = field(default_factory=dict)


def load(
    connection: Connection,
    lakes: Mapping[str, Set[str]],
    versions: Collection[int],
    sites: Collection[str],
    now: float,
) -> Ways:
    """The ways to all sites: from each lake, and from each site that has one of these versions and serves its blobs.

    `lakes` names the datasets that are wanted from each of them. A fixed number of queries, whatever the queue.
    """
    if not lakes or not sites:
        return Ways()
    asked: Set[str] = set().union(*lakes.values())
    serving = _serving(connection, versions, now)
    sources = {source for source in link_rows.sources(connection) if _lake_of(source) in lakes}.union(serving)
    seen, open_to_all = link_rows.seen(connection, sources=sources), link_rows.open_to_all(connection, asked)
    named = _by_lake(seen)
    ends = {(name, target) for lake in lakes for target in sites for name in named.get((lake, target), ())}
    ends |= {(source, target) for source in serving for target in sites}
    public = {key: seen[key].by(open_to_all) for key in ends if key in seen}
    found, own = {}, {}
    for target in sites:
        for lake, datasets in lakes.items():
            names = named.get((lake, target), [])
            found[lake, target] = _link(lake, target, names, public, now)
            for dataset in datasets - open_to_all:
                if any(dataset in seen[name, target].datasets for name in names):
                    view = {(name, target): seen[name, target].by(open_to_all | {dataset}) for name in names}
                    own[dataset, lake, target] = _link(lake, target, names, view, now)
    wanted = asked - open_to_all
    for source in serving:
        for target in sites:
            key = source, target
            if source != target:
                found[key] = _link(source, target, [source] if key in seen else [], public, now)
                for dataset in wanted & (seen[key].datasets if key in seen else set()):
                    own[dataset, source, target] = recorded(
                        link_rows.reckoned(key, seen[key].by(open_to_all | {dataset}), now)
                    )
    return Ways(links=found, own_links=own)


def _link(source: str, target: str, names: Collection[str], seen: Mapping[Key, Seen], now: float) -> Link:
    """Of several endpoints of one lake, the one that was used last."""
    records = [link_rows.reckoned((name, target), seen[name, target], now) for name in names]
    if not records:
        return declared(source, target)
    record = max(records, key=lambda item: (item.measured_at, item.source))
    return replace(recorded(record), source=source)


def _by_lake(seen: Collection[Key]) -> dict[Key, list[str]]:
    """The sources that are the same lake as a version's URL names it, which says nothing of an endpoint."""
    found: dict[Key, list[str]] = {}
    for source, target in seen:
        if lake := _lake_of(source):
            found.setdefault((lake, target), []).append(source)
    return found


def _lake_of(source: str) -> str:
    """What a version's URL names of it; "" of a site."""
    scheme, mark, place = source.partition("://")
    return f"{scheme}://{place.rpartition('/')[2]}" if mark else ""


def _serving(connection: Connection, versions: Collection[int], now: float) -> list[str]:
    """The sites whose agents serve any of these versions to others' fills."""
    query = (
        sa.select(t.volume_site.c.site)
        .join(t.blob_server, t.blob_server.c.volume_id == t.volume_site.c.volume_id)
        .join(t.replica, t.replica.c.volume_id == t.volume_site.c.volume_id)
        .where(serve_blobs(now), t.replica.c.state == ReplicaState.READY.value)
        .where(t.replica.c.version_id.in_(sorted(versions)))
        .order_by(t.volume_site.c.site)
        .distinct()
    )
    return list(connection.execute(query).scalars())
