"""The numbers of the first page: what is filling, what is near compute, what the cache saved this month, and space."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.board.among import among
from forebay.hub.board.filtered import REF
from forebay.hub.board.known import errand_of, filling
from forebay.hub.board.places import Place
from forebay.hub.board.sight import Sight
from forebay.hub.board.standing import Filling
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ref_of
from forebay.wire.sites import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """How many versions are ready somewhere as a whole, of how many that there are; `size_bytes` counts each place."""

    ready: int
    versions: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What this month's uses would have downloaded and waited for, less what fills moved and took."""

    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A version on its way to a place. `fill` None: its site has been asked, `reason` says what it waits for."""

    place: Place
    dataset: str
    number: int
    ref: str
    size_bytes: int
    reason: str
    since: float
    by: str
    fill: Filling | None


def near(connection: Connection, sight: Sight) -> Near:
    """Two queries. Retired versions do not count."""
    versions = sa.select(sa.func.count()).where(
        t.version.c.subset == "", t.version.c.retired_at == 0, t.version.c.dataset_id.not_in(_passed_over(sight))
    )
    # Replicas are counted before their versions are looked up: there are many of each.
    copies = (
        sa.select(t.replica.c.version_id, sa.func.count().label("count"))
        .where(t.replica.c.state == ReplicaState.READY.value)
        .group_by(t.replica.c.version_id)
        .subquery()
    )
    there = (
        sa.select((copies.c.count * t.version.c.size_bytes).label("size_bytes"))
        .select_from(copies)
        .join(t.version, t.version.c.version_id == copies.c.version_id)
        .where(t.version.c.retired_at == 0, t.version.c.subset == "")
    )
    if sight.hidden:
        there = there.join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        there = sight.narrow(there, t.dataset.c.name)
    ready = there.subquery()
    sums = connection.execute(sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(ready.c.size_bytes), 0))).one()
    return Near(
        ready=int(sums[0]),
        versions=int(connection.execute(versions).scalar_one()),
        size_bytes=int(sums[1]),
    )


def _passed_over(sight: Sight) -> sa.Select[Any]:
    """The ids of datasets that are hidden or gone: few, so that versions are counted without looking at theirs."""
    gone = t.dataset.c.removed_at != 0
    return sa.select(t.dataset.c.dataset_id).where(
        sa.or_(gone, among(t.dataset.c.name, sight.hidden)) if sight.hidden else gone
    )


def saved(connection: Connection, sight: Sight, now: float) -> Saved:
    """In the month of `now`, which is one of UTC; out of one index."""
    c = t.use.c
    query = sa.select(
        sa.func.coalesce(sa.func.sum(c.size_bytes), 0) - sa.func.coalesce(sa.func.sum(c.moved_bytes), 0),
        sa.func.coalesce(sa.func.sum(c.seconds_saved), 0.0),
    ).where(c.month == month_of(now))
    size_bytes, seconds = connection.execute(sight.narrow(query, c.dataset)).one()
    return Saved(size_bytes=max(0, int(size_bytes)), seconds=max(0.0, float(seconds)))


def month_of(now: float) -> str:
    """`2026-11`, of UTC."""
    return time.strftime("%Y-%m", time.gmtime(now))


def fills(connection: Connection, sight: Sight, shown: Sequence[Place], now: float, limit: int) -> list[Fill]:
    """Those under way, the longest first, then those that sites were asked for; two queries."""
    at = {place.volume_id: place for place in shown}
    query = (
        sa.select(t.fill, t.replica.c.reason, t.replica.c.since, *_NAMES)
        .join(t.version, t.version.c.version_id == t.fill.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .join(
            t.replica,
            sa.and_(t.replica.c.volume_id == t.fill.c.volume_id, t.replica.c.version_id == t.fill.c.version_id),
        )
        .where(t.replica.c.state == ReplicaState.FILLING.value, t.fill.c.volume_id.in_(sorted(at)))
        .order_by(t.fill.c.started_at)
        .limit(limit)
    )
    under_way = [
        Fill(
            place=at[row["volume_id"]],
            dataset=row["name"],
            number=row["number"],
            ref=ref_of(row["name"], row["number"], row["subset"]),
            size_bytes=row["size_bytes"],
            reason="",
            since=row["started_at"],
            by=row["holder_user"],
            fill=filling(row, now),
        )
        for row in connection.execute(sight.narrow(query, t.dataset.c.name)).mappings()
    ]
    known = {(item.place.site, item.ref) for item in under_way}
    asked = [item for item in _asked(connection, sight, shown, limit) if (item.place.site, item.ref) not in known]
    return [*under_way, *asked][:limit]


_NAMES = (t.dataset.c.name, t.version.c.number, t.version.c.subset, t.version.c.size_bytes)


def _asked(connection: Connection, sight: Sight, shown: Sequence[Place], limit: int) -> list[Fill]:
    """Open fill tasks. A task names its version by its ref, which is looked up with the names that it is made of."""
    by_site = {place.site: place for place in shown if place.site}
    open_tasks = (
        sa.select(t.task)
        .where(t.task.c.open_key.is_not(None), t.task.c.kind == TaskKind.FILL.value)
        .where(t.task.c.site.in_(sorted(by_site)))
        .order_by(t.task.c.created_at)
        .limit(10 * limit)
    )
    tasks = [
        (row, errand_of(row, sight))
        for row in connection.execute(open_tasks).mappings()
        if sight.sees(row["ref"].partition("@")[0])
    ]
    if not tasks:
        return []
    names = sorted({row["ref"].partition("@")[0] for row, _ in tasks})
    versions = (
        sa.select(*_NAMES, REF.label("ref"))
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.name.in_(names), REF.in_(sorted({row["ref"] for row, _ in tasks})))
    )
    found = {row["ref"]: row for row in connection.execute(versions).mappings()}
    return [
        Fill(
            place=by_site[row["site"]],
            dataset=found[row["ref"]]["name"],
            number=found[row["ref"]]["number"],
            ref=row["ref"],
            size_bytes=found[row["ref"]]["size_bytes"],
            reason=errand.last_error or errand.reason,
            since=row["created_at"],
            by=errand.asked_by,
            fill=None,
        )
        for row, errand in tasks
        if row["ref"] in found
    ]
