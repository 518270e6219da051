"""The list of datasets: searched, narrowed, in some order, a page at a time, each with where it is cached.

A fixed number of queries for a page, however many datasets there are. Retired versions count for nothing here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.catalog.records import LIVE, WHOLE
from forebay.hub.board.any_case import has
from forebay.hub.board.sight import Sight
from forebay.wire.cache import ReplicaState

PAGE = 30
_CHOICES = 200


class Order(StrEnum):
    """What comes first: by name, the lately used, the lately changed, the largest, those with most versions."""

    NAME = "name"
    USED = "used"
    CHANGED = "changed"
    SIZE = "size"
    VERSIONS = "versions"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetQuery:
    """Which datasets: `text` is in the name or the description; empty texts ask for all. `page` counts from 1."""

    text: str = ""
    tag: str = ""
    owner: str = ""
    team: str = ""
    site: str = ""
    order: Order = Order.NAME
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.tag or self.owner or self.team or self.site)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAt:
    """At this site `versions` of the dataset are cached, the newest of them `number`, in this state."""

    site: str
    number: int
    state: ReplicaState
    versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLine:
    """One dataset. `size_bytes` is the latest version's; `last_used_at` and `changed_at` are 0 for never."""

    name: str
    owner: str
    team: str
    description: str
    versions: int
    latest: int
    size_bytes: int
    changed_at: float
    last_used_at: float
    tags: tuple[tuple[str, int], ...]
    cached: tuple[CachedAt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetsPage:
    """`found` datasets meet the query, on as many pages as that takes."""

    lines: tuple[DatasetLine, ...]
    found: int
    page: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetTotals:
    """All datasets that one may know of; `cached` versions of them are on some volume."""

    datasets: int
    versions: int
    size_bytes: int
    cached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a list of datasets can be narrowed to, by name; of very many only some."""

    owners: tuple[str, ...]
    teams: tuple[str, ...]
    tags: tuple[str, ...]
    sites: tuple[str, ...]


_EXISTS = t.dataset.c.removed_at == 0
_HERE = t.replica.c.state != ReplicaState.ABSENT.value
_COUNTED = (
    sa.select(
        t.version.c.dataset_id,
        sa.func.max(t.version.c.number).label("latest"),
        sa.func.count().label("versions"),
        sa.func.max(t.version.c.created_at).label("changed_at"),
    )
    .where(WHOLE, LIVE)
    .group_by(t.version.c.dataset_id)
)
_LATEST = _COUNTED.subquery()
_SIZE = t.version.c.size_bytes
_USED = (
    sa.select(sa.func.max(t.use.c.at)).where(t.use.c.dataset == t.dataset.c.name).correlate(t.dataset).scalar_subquery()
)


def page(connection: Connection, sight: Sight, query: DatasetQuery, *, limit: int | None = None) -> DatasetsPage:
    """A page of datasets (of `limit` lines, by default PAGE); one behind the last is the last."""
    limit = limit or PAGE
    here = sight.narrow(sa.select(t.dataset.c.dataset_id).where(*_conditions(query)), t.dataset.c.name)
    found = int(connection.execute(sa.select(sa.func.count()).select_from(here.subquery())).scalar_one())
    pages = max(1, -(-found // limit))
    number = min(max(1, query.page), pages)
    ids = _ids(connection, sight, query, limit, (number - 1) * limit)
    of_these = _COUNTED.where(t.version.c.dataset_id.in_(ids)).subquery()
    columns = sa.select(
        t.dataset.c.dataset_id,
        t.dataset.c.name,
        t.dataset.c.owner,
        t.dataset.c.team,
        t.dataset.c.description,
        of_these.c.latest,
        of_these.c.versions,
        of_these.c.changed_at,
        _SIZE,
        _USED.label("used_at"),
    )
    latest = sa.and_(t.version.c.dataset_id == t.dataset.c.dataset_id, t.version.c.number == of_these.c.latest, WHOLE)
    joined = (
        columns.outerjoin(of_these, of_these.c.dataset_id == t.dataset.c.dataset_id)
        .outerjoin(t.version, latest)
        .where(t.dataset.c.dataset_id.in_(ids))
    )
    places = {dataset_id: place for place, dataset_id in enumerate(ids)}
    rows = sorted(connection.execute(joined), key=lambda row: places[row.dataset_id])
    tags, cached = _tags(connection, ids), _cached(connection, ids)
    lines = tuple(
        DatasetLine(
            name=row.name,
            owner=row.owner,
            team=row.team,
            description=row.description,
            versions=row.versions or 0,
            latest=row.latest or 0,
            size_bytes=row.size_bytes or 0,
            changed_at=row.changed_at or 0.0,
            last_used_at=row.used_at or 0.0,
            tags=tuple(tags[row.dataset_id]),
            cached=tuple(cached.get(row.dataset_id, ())),
        )
        for row in rows
    )
    return DatasetsPage(lines=lines, found=found, page=number, pages=pages)


def _ids(connection: Connection, sight: Sight, query: DatasetQuery, limit: int, offset: int) -> list[int]:
    """The page's datasets in their order: only what that needs is counted for all of them."""
    chosen = sa.select(t.dataset.c.dataset_id).where(*_conditions(query))
    if query.order not in (Order.NAME, Order.USED):
        chosen = chosen.outerjoin(_LATEST, _LATEST.c.dataset_id == t.dataset.c.dataset_id)
    if query.order is Order.SIZE:
        here = (t.version.c.dataset_id == t.dataset.c.dataset_id, t.version.c.number == _LATEST.c.latest, WHOLE)
        chosen = chosen.outerjoin(t.version, sa.and_(*here))
    ordered = chosen.order_by(*_ORDERS[query.order], t.dataset.c.name).limit(limit).offset(offset)
    return list(connection.execute(sight.narrow(ordered, t.dataset.c.name)).scalars())


def totals(connection: Connection, sight: Sight) -> DatasetTotals:
    """What there is in all."""
    datasets = sa.select(sa.func.count()).select_from(t.dataset).where(_EXISTS)
    ready = sa.select(t.replica.c.version_id).where(t.replica.c.state == ReplicaState.READY.value)
    versions = sa.select(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(_SIZE), 0),
        sa.func.coalesce(sa.func.sum(sa.case((t.version.c.version_id.in_(ready), 1), else_=0)), 0),
    ).where(WHOLE, LIVE)
    if not sight.sees_all:
        # A removed dataset has no version.
        here = sight.narrow(sa.select(t.dataset.c.dataset_id).where(_EXISTS), t.dataset.c.name)
        versions = versions.where(t.version.c.dataset_id.in_(here))
    count, size_bytes, cached = connection.execute(versions).one()
    return DatasetTotals(
        datasets=int(connection.execute(sight.narrow(datasets, t.dataset.c.name)).scalar_one()),
        versions=int(count),
        size_bytes=int(size_bytes),
        cached=int(cached),
    )


def choices(connection: Connection, sight: Sight) -> Choices:
    """By what one can narrow: only what datasets have that one may know of; sites everybody may know of."""

    def distinct(query: sa.Select[Any]) -> tuple[str, ...]:
        narrowed = sight.narrow(query.where(_EXISTS), t.dataset.c.name).distinct()
        found = connection.execute(narrowed.order_by(query.selected_columns[0]).limit(_CHOICES)).scalars()
        return tuple(name for name in found if name)

    tags = sa.select(t.tag.c.name).join(t.dataset, t.dataset.c.dataset_id == t.tag.c.dataset_id)
    sites = sa.select(t.volume_site.c.site).distinct().order_by(t.volume_site.c.site).limit(_CHOICES)
    return Choices(
        owners=distinct(sa.select(t.dataset.c.owner)),
        teams=distinct(sa.select(t.dataset.c.team)),
        tags=distinct(tags),
        sites=tuple(connection.execute(sites).scalars()),
    )


_ORDERS: dict[Order, tuple[ColumnElement[Any], ...]] = {
    Order.NAME: (),
    Order.USED: (sa.func.coalesce(_USED, 0).desc(),),
    Order.CHANGED: (sa.func.coalesce(_LATEST.c.changed_at, 0).desc(),),
    Order.SIZE: (sa.func.coalesce(_SIZE, 0).desc(),),
    Order.VERSIONS: (sa.func.coalesce(_LATEST.c.versions, 0).desc(),),
}


def _conditions(query: DatasetQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_EXISTS]
    for word in query.text.split():
        named = t.dataset.c.name.icontains(word, autoescape=True)
        found.append(sa.or_(named, has(t.dataset.c.description, word)))
    for column, wanted in ((t.dataset.c.owner, query.owner), (t.dataset.c.team, query.team)):
        if wanted:
            found.append(column == wanted)
    if query.tag:
        found.append(t.dataset.c.dataset_id.in_(sa.select(t.tag.c.dataset_id).where(t.tag.c.name == query.tag)))
    if query.site:
        volumes = sa.select(t.volume_site.c.volume_id).where(t.volume_site.c.site == query.site)
        there = sa.select(t.replica.c.version_id).where(t.replica.c.volume_id.in_(volumes), _HERE)
        at = sa.select(t.version.c.dataset_id).where(t.version.c.version_id.in_(there))
        found.append(t.dataset.c.dataset_id.in_(at))
    return found


def _tags(connection: Connection, ids: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    query = (
        sa.select(t.tag.c.dataset_id, t.tag.c.name, t.version.c.number)
        .join(t.version, t.version.c.version_id == t.tag.c.version_id)
        .where(t.tag.c.dataset_id.in_(ids))
        .order_by(t.tag.c.name)
    )
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.dataset_id].append((row.name, row.number))
    return found


_STATES = tuple(ReplicaState)
_WEIGHT = 16
"""The newest version, whole before subsets, and its state as one number, whose largest the database finds."""


def _cached(connection: Connection, ids: Sequence[int]) -> dict[int, list[CachedAt]]:
    """Of each dataset and site the newest version there, and how many there are: a row each, whatever their number."""
    number, state = t.version.c.number, t.replica.c.state
    is_whole = sa.case((t.version.c.subset == "", _WEIGHT // 2), else_=0)
    place = sa.case({item.value: place for place, item in enumerate(_STATES)}, value=state)
    newest = sa.func.max(sa.cast(number, sa.BigInteger) * _WEIGHT + is_whole + place)
    query = (
        sa.select(t.version.c.dataset_id, t.volume_site.c.site, newest, sa.func.count(number.distinct()))
        .select_from(t.version)
        .join(t.replica, t.replica.c.version_id == t.version.c.version_id)
        .outerjoin(t.volume_site, t.volume_site.c.volume_id == t.replica.c.volume_id)
        .where(t.version.c.dataset_id.in_(ids), _HERE)
        .group_by(t.version.c.dataset_id, t.volume_site.c.site)
    )
    found: dict[int, list[CachedAt]] = defaultdict(list)
    for dataset_id, site, largest, versions in connection.execute(query):
        latest, rest = divmod(int(largest), _WEIGHT)
        state_there = _STATES[rest % (_WEIGHT // 2)]
        found[dataset_id].append(CachedAt(site=site or "", number=latest, state=state_there, versions=versions))
    return {dataset_id: sorted(places, key=lambda at: at.site) for dataset_id, places in found.items()}
