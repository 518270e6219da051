"""Reads and writes the rows of links, as the pure estimates of `sites.links`. Works inside the caller's transaction.

What was measured is kept for each dataset apart and added up for whoever may see these (PRIVATE): a link's figures, its
time and its very name come from datasets that the asker knows of, or from what was declared.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.versions import insert_if_absent
from forebay.sites.estimate import Estimate
from forebay.sites.links import TIME_CONSTANT_S, Link, TransferMeasured, declared, learn
from forebay.wire.links import LinkRecord, TransferReport

Key = tuple[str, str]
_SOURCES = sa.union(sa.select(t.link.c.source), sa.select(t.link_measured.c.source))
_ASSUMED = declared("", "")
_PARTS = ("weight", "log_sum", "square_sum", "at")
_SUMS = sa.select(
    t.link_measured.c.source,
    t.link_measured.c.target,
    t.dataset.c.name,
    *(t.link_measured.c[f"{what}_{part}"] for what in ("bandwidth", "latency") for part in _PARTS),
    t.link_measured.c.moved_bytes,
    t.link_measured.c.transfers,
    t.link_measured.c.measured_at,
).join(t.dataset, t.dataset.c.dataset_id == t.link_measured.c.dataset_id)


@dataclass(slots=True)
class Seen:
    """What is known of one link: the row of what was declared, and each dataset's row of `_SUMS`."""

    said: Any = None
    measured: list[Any] = field(default_factory=list)

    @property
    def datasets(self) -> set[str]:
        return {row.name for row in self.measured}

    def by(self, datasets: Collection[str]) -> Seen:
        """As the fills of these datasets saw it."""
        return Seen(said=self.said, measured=[row for row in self.measured if row.name in datasets])


def place_of(connection: Connection, volume_id: str) -> str:
    """What links call a volume: its site, or itself where it is of none."""
    site = sa.select(t.volume_site.c.site).where(t.volume_site.c.volume_id == volume_id)
    return str(connection.execute(site).scalar() or volume_id)


def records(
    connection: Connection,
    now: float,
    *,
    datasets: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    target: str | None = None,
) -> list[LinkRecord]:
    """Links by source and target: all, or those from these sources, to this target, as these datasets' fills saw them.

    With `datasets`, what was only declared of a lake is left out: nobody knows yet whose lake that is.
    """
    said: dict[Key, Any] = {}
    for row in connection.execute(_narrowed(sa.select(t.link), t.link, sources, target)).mappings():
        said[row["source"], row["target"]] = row
    sums = _added_up(connection.execute(_narrowed(_SUMS, t.link_measured, sources, target)), datasets, now)
    return [
        _record(key, said.get(key), sums.get(key), now)
        for key in sorted({*said, *sums})
        if datasets is None or key in sums or "://" not in key[0]
    ]


@dataclass(slots=True)
class _Added:
    """What some datasets' transfers told of one link: sums of the rows, faded until one moment."""

    bandwidth: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    latency: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    moved_bytes: int = 0
    transfers: int = 0
    measured_at: float = 0.0


def _added_up(rows: Iterable[Any], datasets: Collection[str] | None, now: float) -> dict[Key, _Added]:
    """The same as joining the rows' estimates, without making one for each of thousands of rows."""
    found: dict[Key, _Added] = defaultdict(_Added)
    visible = None if datasets is None else frozenset(datasets)
    for source, target, name, bw, bl, bs, b_at, lw, ll, ls, l_at, moved_bytes, transfers, measured_at in rows:
        if visible is not None and name not in visible:
            continue
        into = found[source, target]
        left = math.exp(-max(0.0, now - b_at) / TIME_CONSTANT_S)
        bandwidth, latency = into.bandwidth, into.latency
        bandwidth[0] += bw * left
        bandwidth[1] += bl * left
        bandwidth[2] += bs * left
        left = math.exp(-max(0.0, now - l_at) / TIME_CONSTANT_S)
        latency[0] += lw * left
        latency[1] += ll * left
        latency[2] += ls * left
        into.moved_bytes += moved_bytes
        into.transfers += transfers
        into.measured_at = max(into.measured_at, measured_at)
    return dict(found)


def _record(key: Key, said: Any, added: _Added | None, now: float) -> LinkRecord:
    """What follows from it; assumptions, where nothing is known."""
    source, target = key
    believed = _believed(key, said)
    bandwidth, latency = believed.bandwidth, believed.latency
    if added is not None:
        # The rows' sums are kept beside what is assumed of links of which nobody said anything.
        bandwidth = _ASSUMED.bandwidth.added_up(added.bandwidth, now).with_prior(bandwidth.prior)
        latency = _ASSUMED.latency.added_up(added.latency, now).with_prior(latency.prior)
    known = added or _Added()
    told = _said(said)
    return LinkRecord(
        source=source,
        target=target,
        bandwidth_bytes_s=bandwidth.value(now),
        bandwidth_spread=bandwidth.spread(now),
        latency_s=latency.value(now),
        latency_spread=latency.spread(now),
        price_byte=believed.price_byte,
        declared_bandwidth_bytes_s=told["bandwidth_bytes_s"],
        declared_latency_s=told["latency_s"],
        declared_price_byte=told["price_byte"],
        moved_bytes=known.moved_bytes,
        transfers=known.transfers,
        measured_at=known.measured_at,
    )


def sources(connection: Connection) -> set[str]:
    """Where all links begin of which anything is known."""
    return set(connection.execute(_SOURCES).scalars())


def seen(
    connection: Connection, *, sources: Collection[str] | None = None, target: str | None = None
) -> dict[Key, Seen]:
    """All that is known of links by source and target, each dataset's share apart; in two queries."""
    found: dict[Key, Seen] = defaultdict(Seen)
    for row in connection.execute(_narrowed(sa.select(t.link), t.link, sources, target)).mappings():
        found[row["source"], row["target"]].said = row
    for line in connection.execute(_narrowed(_SUMS, t.link_measured, sources, target)).all():
        found[line.source, line.target].measured.append(line)
    return found


def open_to_all(connection: Connection, among: Collection[str] | None = None) -> set[str]:
    """The datasets that everybody may read, and whose transfers may therefore tell anybody something.

    With `among`, only those of them, and those that have told something of a link.
    """
    query = (
        sa.select(t.dataset.c.name)
        .outerjoin(t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id)
        .where(
            sa.or_(
                t.dataset_policy.c.dataset_id.is_(None),
                sa.and_(t.dataset_policy.c.read_teams == "", t.dataset_policy.c.sites == ""),
            )
        )
    )
    if among is not None:
        told = t.dataset.c.dataset_id.in_(sa.select(t.link_measured.c.dataset_id))
        query = query.where(sa.or_(told, t.dataset.c.name.in_(sorted(among))))
    return set(connection.execute(query).scalars().all())


def record(
    connection: Connection, source: str, target: str, now: float, datasets: Collection[str] | None = None
) -> LinkRecord:
    """One link, with assumptions where nothing is known of it."""
    known = {item.source: item for item in records(connection, now, sources=[source], target=target, datasets=datasets)}
    if source in known:
        return known[source]
    said = sa.select(t.link).where(t.link.c.source == source, t.link.c.target == target)
    return reckoned((source, target), Seen(said=connection.execute(said).mappings().first()), now)


def add(connection: Connection, target: str, dataset_id: int, report: TransferReport, now: float) -> None:
    """One more transfer. The row is locked: reports that come at once are added up one after another."""
    key = {"source": report.source, "target": target, "dataset_id": dataset_id}
    here = sa.and_(*(t.link_measured.c[name] == value for name, value in key.items()))
    blank = {f"{what}_{part}": 0.0 for what in ("bandwidth", "latency") for part in _PARTS}
    insert_if_absent(
        connection, t.link_measured, {**key, **blank, "moved_bytes": 0, "transfers": 0, "measured_at": 0.0}
    )
    row = connection.execute(sa.select(t.link_measured).where(here).with_for_update()).mappings().one()
    link = _measured(report.source, target, row)
    link = learn(
        link,
        TransferMeasured(
            at=now,
            moved_bytes=report.moved_bytes,
            seconds=report.seconds,
            concurrency=report.concurrency,
            objects=report.requests,
            streams=report.streams,
            first_byte_s=report.first_byte_s,
        ),
    )
    values = {
        **_sums("bandwidth", link.bandwidth),
        **_sums("latency", link.latency),
        "moved_bytes": row["moved_bytes"] + report.moved_bytes,
        "transfers": row["transfers"] + 1,
        "measured_at": max(now, row["measured_at"]),
    }
    connection.execute(sa.update(t.link_measured).where(here).values(values))


def _narrowed(
    query: sa.Select[Any], table: sa.Table, sources: Collection[str] | None, target: str | None
) -> sa.Select[Any]:
    if sources is not None:
        query = query.where(table.c.source.in_(sorted(sources)))
    return query if target is None else query.where(table.c.target == target)


def reckoned(key: Key, seen: Seen, now: float) -> LinkRecord:
    """What follows from it; assumptions, where nothing is known."""
    return _record(key, seen.said, _added_up(seen.measured, None, now).get(key), now)


_DECLARED = ("bandwidth_bytes_s", "latency_s", "price_byte")


def _said(row: Any) -> dict[str, float | None]:
    return {name: None if row is None else row[name] for name in _DECLARED}


def _believed(key: Key, row: Any) -> Link:
    """With what somebody declared in place of assumptions."""
    source, target = key
    return declared(source, target, **{name: value for name, value in _said(row).items() if value is not None})


def _measured(source: str, target: str, row: Any) -> Link:
    """What one dataset's transfers told, beside the assumptions that the rows' sums are kept by."""
    assumed = declared(source, target)
    return replace(
        assumed,
        bandwidth=replace(assumed.bandwidth, **{part: row[f"bandwidth_{part}"] for part in _PARTS}),
        latency=replace(assumed.latency, **{part: row[f"latency_{part}"] for part in _PARTS}),
    )


def _sums(what: str, estimate: Estimate) -> dict[str, float]:
    return {f"{what}_{part}": getattr(estimate, part) for part in _PARTS}
