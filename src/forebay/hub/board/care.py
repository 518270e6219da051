"""What needs care, each with why in a line and what helps: damaged, full, soon to go, failed, stuck, drifting, not up.

A handful of queries, each bounded: of what there is more than a page can have, it says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub import rule_rows
from forebay.hub.access.jobs import dataset_of, without
from forebay.hub.board import capacity, drifting, going, running
from forebay.hub.board.drifting import Drifting
from forebay.hub.board.filtered import Only, condition
from forebay.hub.board.keep import Keep, nearly, nothing_kept
from forebay.hub.board.known import errand_of
from forebay.hub.board.places import Place
from forebay.hub.board.running import Running, Waits
from forebay.hub.board.sight import Sight
from forebay.hub.board.standing import Errand
from forebay.wire.cache import Quota, ReplicaState, VolumeState
from forebay.wire.catalog import ref_of
from forebay.wire.rules import PlaceState
from forebay.wire.sites import SiteState, TaskKind, TaskState

MOST = 8
"""So many of each kind are told one by one."""

LATELY_S = 86400.0
"""What failed longer ago is no news."""

LONG_S = 1800.0
"""A run that was submitted longer ago and still waits to be placed is stuck."""

_STRUGGLES = 3

_LOOKED_INTO = 2
"""Of so many places above their marks it says what would go: a page does not wait for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A replica of which files are not what they should be; `refills`: they are being fetched again."""

    place: Place
    dataset: str
    number: int
    ref: str
    reason: str
    since: float
    refills: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """A place above its high mark, and what its next sweep would let go, as far as one may know of it; `versions` None:
    not looked at, since there are fuller ones.
    """

    place: Place
    versions: int | None = None
    frees_bytes: int = 0
    refill_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OverQuota:
    """A team that holds more than its quota."""

    place: Place
    quota: Quota
    held_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Versions at a place that go within a day if nobody uses them."""

    place: Place
    versions: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """What a site was asked for and could not do: given up, or tried again and again (`state` waiting)."""

    site: str
    ref: str
    errand: Errand
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A rule that does not hold at a site."""

    rule_id: str
    site: str
    ref: str
    reason: str
    since: float
    unblock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """All that needs it. `more` says how many damaged ones, tasks, runs and rules are not told one by one. `stuck` are
    runs that wait.
    """

    damaged: tuple[Damaged, ...] = ()
    down: tuple[Place, ...] = ()
    full: tuple[Full, ...] = ()
    quotas: tuple[OverQuota, ...] = ()
    tasks: tuple[FailedTask, ...] = ()
    runs: tuple[Running, ...] = ()
    stuck: tuple[Waits, ...] = ()
    rules: tuple[Waiting, ...] = ()
    drifting: tuple[Drifting, ...] = ()
    leaving: tuple[Leaving, ...] = ()
    more: int = 0

    @property
    def count(self) -> int:
        """Of all of it."""
        lists = (
            self.damaged, self.down, self.full, self.quotas, self.tasks, self.runs, self.stuck, self.rules,
            self.drifting, self.leaving,
        )  # fmt: skip
        return sum(map(len, lists)) + self.more


def care(
    connection: Connection,
    sight: Sight,
    shown: Sequence[Place],
    now: float,
    *,
    of_hub: bool = True,
    keep: Keep | None = None,
) -> Care:
    """At those places; with what is at no place (failed and waiting runs, drifting versions), or without."""
    keep = keep or nothing_kept(sight)
    at = {place.volume_id: place for place in shown}
    terms = tuple((place.volume_id, place.policy) for place in shown)
    over = keep("over-quota", tuple(at), lambda sight: capacity.over_quota(connection, sight, at))
    leaving = keep("leaving", (terms, nearly(now)), lambda sight: _leaving(connection, sight, shown, now))
    damaged = list(_damaged(connection, sight, shown))
    tasks = list(_tasks(connection, sight, shown, now))
    rules = list(_rules(connection, sight, shown, now))
    failed = running.failed(connection, sight, now - LATELY_S, MOST + 1) if of_hub else []
    return Care(
        damaged=tuple(damaged[:MOST]),
        down=tuple(place for place in shown if is_down(place)),
        full=tuple(
            _full(connection, sight, place, now) if number < _LOOKED_INTO else Full(place=place)
            for number, place in enumerate(_fullest(shown))
        ),
        quotas=tuple(
            OverQuota(place=at[quota.volume_id], quota=quota, held_bytes=held_bytes) for quota, held_bytes in over
        ),
        tasks=tuple(tasks[:MOST]),
        runs=tuple(failed[:MOST]),
        stuck=tuple(running.waiting(connection, sight, now - LONG_S, MOST)) if of_hub else (),
        rules=tuple(rules[:MOST]),
        drifting=tuple(drifting.drifting(connection, sight, MOST)) if of_hub else (),
        leaving=tuple(
            Leaving(place=at[volume_id], versions=versions, size_bytes=size_bytes)
            for volume_id, versions, size_bytes in leaving
        ),
        more=sum(max(0, count - MOST) for count in (len(damaged), len(tasks), len(rules), len(failed))),
    )


def is_down(place: Place) -> bool:
    """Whether its site or its volume is not as it should be; one that drains was asked to."""
    in_order = (None, SiteState.UP, SiteState.DRAINING)
    return place.site_state not in in_order or place.state is not VolumeState.NORMAL


def _fullest(shown: Sequence[Place]) -> list[Place]:
    """The few for which it is worth asking what would go."""
    return sorted((place for place in shown if place.is_over), key=lambda place: -place.share)[:MOST]


def _full(connection: Connection, sight: Sight, place: Place, now: float) -> Full:
    found = going.going(connection, sight, place, now, staying=0)
    return Full(place=place, versions=len(found.going), frees_bytes=found.frees_bytes, refill_s=found.refill_s)


def _damaged(connection: Connection, sight: Sight, shown: Sequence[Place]) -> Iterator[Damaged]:
    at = {place.volume_id: place for place in shown}
    query = (
        sa.select(t.replica, t.dataset.c.name, t.version.c.number, t.version.c.subset)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.replica.c.state == ReplicaState.DAMAGED.value, t.replica.c.volume_id.in_(sorted(at)))
        .order_by(t.replica.c.since.desc())
        .limit(10 * MOST)
    )
    found = connection.execute(sight.narrow(query, t.dataset.c.name)).mappings().all()
    wanted = _open(connection, TaskKind.FILL) if found else set()
    for row in found:
        ref, place = ref_of(row["name"], row["number"], row["subset"]), at[row["volume_id"]]
        yield Damaged(
            place=place,
            dataset=row["name"],
            number=row["number"],
            ref=ref,
            reason=without(row["reason"], sight.hidden),
            since=row["since"],
            refills=(place.site, ref) in wanted,
        )


def _open(connection: Connection, kind: TaskKind) -> set[tuple[str, str]]:
    query = sa.select(t.task.c.site, t.task.c.ref).where(t.task.c.open_key.is_not(None), t.task.c.kind == kind.value)
    return {(row.site, row.ref) for row in connection.execute(query)}


def _tasks(connection: Connection, sight: Sight, shown: Sequence[Place], now: float) -> Iterator[FailedTask]:
    """Those that were given up lately, unless asked for again since, and those that fail over and over."""
    c = t.task.c
    over = sa.and_(c.open_key.is_(None), c.state == TaskState.FAILED.value, c.since > now - LATELY_S)
    again = sa.and_(c.open_key.is_not(None), c.failures >= _STRUGGLES)
    sites = sorted(place.site for place in shown if place.site)
    query = sa.select(t.task).where(sa.or_(over, again), c.site.in_(sites)).order_by(c.since.desc()).limit(20 * MOST)
    told: set[tuple[Any, ...]] = set()
    for row in connection.execute(query).mappings():
        key = (row["site"], row["kind"], row["ref"])
        if key not in told and sight.sees(dataset_of(row["ref"])):
            told.add(key)
            yield FailedTask(site=row["site"], ref=row["ref"], errand=errand_of(row, sight), since=row["since"])


def _rules(connection: Connection, sight: Sight, shown: Sequence[Place], now: float) -> Iterator[Waiting]:
    """Those that wait for something, and say for what."""
    c = t.rule_place.c
    sites = sorted(place.site for place in shown if place.site)
    query = (
        sa.select(t.rule_place)
        .join(t.rule, t.rule.c.rule_id == c.rule_id)
        .where(rule_rows.is_in_force(now), c.state == PlaceState.WAITING.value, c.attempts > 0, c.site.in_(sites))
        .order_by(c.since.desc())
        .limit(10 * MOST)
    )
    for row in connection.execute(sight.narrow(query, c.dataset)).mappings():
        hidden = sight.hidden
        yield Waiting(
            rule_id=row["rule_id"],
            site=row["site"],
            ref=row["ref"] or row["dataset"],
            reason=without(row["reason"], hidden, "others are before it"),
            since=row["since"],
            unblock=without(row["unblock"], hidden),
        )


def _leaving(connection: Connection, sight: Sight, shown: Sequence[Place], now: float) -> list[tuple[str, int, int]]:
    """By volume, how many versions and bytes; not what somebody asked to go: no use of it keeps that."""
    query = (
        sa.select(t.replica.c.volume_id, sa.func.count(), sa.func.sum(t.version.c.size_bytes))
        .select_from(t.replica)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.replica.c.volume_id.in_(sorted(place.volume_id for place in shown)))
        .where(condition(Only.STALE, shown, now))
        .group_by(t.replica.c.volume_id)
    )
    rows = connection.execute(sight.narrow(query, t.dataset.c.name))
    return [(volume_id, int(versions), int(size_bytes)) for volume_id, versions, size_bytes in rows]
