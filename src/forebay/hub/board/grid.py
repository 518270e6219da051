"""The grid of the cache, version x place: which versions a page of it has, and how each stands everywhere.

Ordered by dataset, the newest version first; a page begins after a cursor, so that it costs the same wherever it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, parse_ref
from forebay.errors import InputError
from forebay.hub.board import known
from forebay.hub.board.filtered import Only, condition, is_at
from forebay.hub.board.known import Key, Version
from forebay.hub.board.places import Place
from forebay.hub.board.sight import Sight
from forebay.hub.board.standing import Known, Look, Part, look_over, parts_of
from forebay.sites.tasks import RULES
from forebay.wire.sites import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """`text` is looked for in the datasets' names; "" asks for all. `after` is the cursor of a page."""

    only: Only = Only.THERE
    text: str = ""
    team: str = ""
    owner: str = ""
    after: str = ""
    limit: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A version at a place. `seconds` is how long a fill would take, None where nobody knows or where none is needed;
    `leaves_at` when it goes if nobody uses it. Of its `parts` there, `tells` are those that say more than it does.
    """

    place: Place
    look: Look
    whole: Known
    parts: tuple[Known, ...]
    tells: tuple[Part, ...] = ()
    seconds: float | None = None
    leaves_at: float | None = None

    @property
    def looks(self) -> frozenset[Look]:
        """All that a cell says of it."""
        return frozenset((self.look, *(part.look for part in self.tells)))

    @property
    def holds(self) -> bool:
        """Whether anything of it is there, or is asked for."""
        return any(item.counts for item in (self.whole, *self.parts))

    def answers(self, only: Only) -> bool:
        """Whether it is for this place that a filter finds the version."""
        match only:
            case Only.FILLING:
                return not self.looks.isdisjoint((Look.FILLING, Look.QUEUED))
            case Only.READY:
                return self.look in (Look.READY, Look.STALE)
            case Only.PARTIAL:
                return not self.whole.is_there and any(item.is_there for item in self.parts)
            case Only.STALE | Only.DAMAGED | Only.EVICTING:
                return Look(only.value) in self.looks
            case Only.PINNED:
                return any(item.pinned_by for item in (self.whole, *self.parts))
            case Only.USED:
                return any(item.leases for item in (self.whole, *self.parts))
        return self.holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row: a version, and how it stands at each of the grid's places."""

    version: Version
    spots: tuple[Spot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """`places` have a column; `others` have none, and count all the same. `more` is the next page's cursor, "" at the
    end.
    """

    places: tuple[Place, ...]
    others: tuple[Place, ...]
    lines: tuple[Line, ...]
    more: str = ""


def grid(
    connection: Connection, sight: Sight, shown: Sequence[Place], wanted: Filter, now: float, *, most: int = 0
) -> Grid:
    """A page of it, over those places, of which so many have a column (0: all). InputError `bad-cursor`."""
    keys = _keys(connection, sight, shown, wanted, now)
    page = keys[: wanted.limit]
    at = {place.volume_id: place.site for place in shown}
    found = known.versions(connection, sight, page, at, now)
    columns = _columns(found, shown, wanted.only, now, most) if 0 < most < len(shown) else tuple(shown)
    return Grid(
        places=columns,
        others=tuple(place for place in shown if place not in columns),
        lines=tuple(Line(version=item, spots=tuple(spot(item, place, now) for place in columns)) for item in found),
        more=f"{page[-1][0]}@v{page[-1][1]}" if len(keys) > wanted.limit else "",
    )


def _columns(found: Sequence[Version], shown: Sequence[Place], only: Only, now: float, most: int) -> tuple[Place, ...]:
    """Those for which the versions were found before those that have anything of them, and sites before volumes of
    none; in the order of the places.
    """
    by_volume = {place.volume_id: place for place in shown}
    there = [(at, item) for item in found for at, items in item.at.items() if any(one.counts for one in items)]
    holds = Counter(at for at, _ in there)
    answers = (
        holds if only in _OF_ALL else Counter(at for at, item in there if spot(item, by_volume[at], now).answers(only))
    )

    def rank(place: Place) -> tuple[int, int, bool]:
        return -answers[place.volume_id], -holds[place.volume_id], not place.site

    chosen = {place.volume_id for place in sorted(shown, key=rank)[:most]}
    return tuple(place for place in shown if place.volume_id in chosen)


_OF_ALL: Final = (Only.THERE, Only.ABSENT, Only.ALL)
"""No place is nearer to what these ask for than another where something is."""


_OF_REPLICAS: Final = (Only.THERE, Only.FILLING, Only.DAMAGED)
"""What can be told by a row of `replica` alone."""


def teams(connection: Connection, sight: Sight) -> tuple[str, ...]:
    """The teams whose datasets one may know of."""
    query = sa.select(t.dataset.c.team).where(t.dataset.c.team != "", t.dataset.c.removed_at == 0).distinct()
    return tuple(sorted(connection.execute(sight.narrow(query, t.dataset.c.name)).scalars()))


def spot(version: Version, place: Place, now: float) -> Spot:
    """How a version stands at one place."""
    found = spot_of(place, version.whole(place.volume_id), version.parts(place.volume_id), now)
    if found.look is Look.ABSENT and not version.may_be_at(place.site):
        return replace(found, look=Look.BARRED, seconds=None)
    return found


def spot_of(place: Place, whole: Known, parts: tuple[Known, ...], now: float) -> Spot:
    """How something stands at one place: a version with its subsets, or a subset by itself."""
    look = look_over(whole, parts, place.policy, now)
    is_missing = look is Look.ABSENT and place.bandwidth_bytes_s > 0
    return Spot(
        place=place,
        look=look,
        whole=whole,
        parts=parts,
        tells=parts_of(whole, parts, place.policy, now) if parts else (),
        seconds=whole.size_bytes / place.bandwidth_bytes_s if is_missing else None,
        leaves_at=whole.leaves_at(place.policy),
    )


def one(connection: Connection, sight: Sight, key: Key, shown: Sequence[Place], now: float) -> Line | None:
    """One version at some places; None where there is none of that name that may be known of."""
    at = {place.volume_id: place.site for place in shown}
    found = known.versions(connection, sight, [key], at, now)
    return Line(version=found[0], spots=tuple(spot(found[0], place, now) for place in shown)) if found else None


def _keys(connection: Connection, sight: Sight, shown: Sequence[Place], wanted: Filter, now: float) -> list[Key]:
    """The keys of a page and of one more."""
    columns: tuple[Any, ...] = (t.dataset.c.name, t.version.c.number)
    if wanted.only in (Only.ALL, Only.ABSENT):
        query: sa.Select[Any] = sa.select(*columns).where(t.version.c.subset == "", t.version.c.retired_at == 0)
        query = query.join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        if wanted.only is Only.ABSENT:
            query = query.where(~is_at(shown))
    else:
        here = t.replica.c.volume_id.in_([place.volume_id for place in shown])
        is_such = condition(wanted.only, shown, now)
        if wanted.only in _OF_REPLICAS:
            # A version is at many places: each is looked up once.
            alone = sa.select(t.replica.c.version_id).where(here, is_such).distinct().subquery()
            query = sa.select(*columns).select_from(alone)
            query = query.join(t.version, t.version.c.version_id == alone.c.version_id)
        else:
            query = sa.select(*columns).select_from(t.replica).where(here, is_such)
            query = query.join(t.version, t.version.c.version_id == t.replica.c.version_id)
        query = query.join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id).distinct()
    query = _narrowed(query, wanted).order_by(t.dataset.c.name, t.version.c.number.desc()).limit(wanted.limit + 1)
    found = {(row.name, row.number) for row in connection.execute(sight.narrow(query, t.dataset.c.name))}
    if wanted.only in (Only.THERE, Only.FILLING):
        found |= _ordered(connection, sight, shown, wanted)
    return sorted(found, key=lambda key: (key[0], -key[1]))[: wanted.limit + 1]


def _ordered(connection: Connection, sight: Sight, shown: Sequence[Place], wanted: Filter) -> set[Key]:
    """What sites were asked to bring, and have not begun: of that there is no replica yet."""
    sites = [place.site for place in shown if place.site]
    query = sa.select(t.task.c.ref).where(
        t.task.c.open_key.is_not(None), t.task.c.kind == TaskKind.FILL.value, t.task.c.site.in_(sites)
    )
    refs = [parse_ref(ref) for ref in connection.execute(query).scalars()]
    keys = {(ref.dataset, ref.number) for ref in refs if isinstance(ref, NumberRef)}
    if not keys:
        return set()
    there = (
        sa.select(t.dataset.c.name, t.version.c.number)
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.version.c.subset == "", sa.tuple_(t.dataset.c.name, t.version.c.number).in_(sorted(keys)))
    )
    there = sight.narrow(_narrowed(there, wanted), t.dataset.c.name)
    return {(row.name, row.number) for row in connection.execute(there)}


def _narrowed(query: sa.Select[Any], wanted: Filter) -> sa.Select[Any]:
    d, v = t.dataset.c, t.version.c
    query = query.where(d.removed_at == 0)
    if wanted.text:
        query = query.where(d.name.contains(wanted.text.lower(), autoescape=True))
    if wanted.team:
        query = query.where(d.team == wanted.team)
    if wanted.owner:
        query = query.where(d.owner == wanted.owner)
    if wanted.after:
        name, number = _cursor(wanted.after)
        query = query.where(sa.or_(d.name > name, sa.and_(d.name == name, v.number < number)))
    return query


def _cursor(text: str) -> Key:
    name, _, number = text.partition("@v")
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise InputError("bad-cursor", f"{text[:80]!r} is no place in the list.", todo="Begin at its first page.")
    return name, int(number)


def rule_of(pinned_by: str) -> str:
    """The id of the rule that keeps a replica; "" where a person does."""
    return pinned_by.removeprefix(RULES) if pinned_by.startswith(RULES) else ""
