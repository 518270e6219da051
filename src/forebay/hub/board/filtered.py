"""What the cache's grid can be asked for, as conditions on rows of `replica` with their version and dataset.

They say what `standing` says of a version at a place, so that what a filter finds is what the grid's cells tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from forebay.cache.policy import Policy
from forebay.catalog import schema as t
from forebay.hub import rows, rule_rows
from forebay.hub.board.places import Place
from forebay.hub.board.standing import SOON_S
from forebay.wire.cache import ReplicaState
from forebay.wire.sites import TaskKind

_WHOLE = t.dataset.c.name + "@v" + sa.cast(t.version.c.number, sa.String)
REF: Final = sa.case((t.version.c.subset == "", _WHOLE), else_=_WHOLE + "[" + t.version.c.subset + "]")
"""What a version or a subset is called in tasks."""


class Only(StrEnum):
    """Which versions are asked for. `there`: all that are, or shall be, somewhere; `all`: also those nowhere."""

    THERE = "there"
    FILLING = "filling"
    READY = "ready"
    PARTIAL = "partial"
    STALE = "stale"
    PINNED = "pinned"
    USED = "used"
    DAMAGED = "damaged"
    EVICTING = "evicting"
    ABSENT = "absent"
    ALL = "all"


def is_at(shown: Sequence[Place]) -> ColumnElement[bool]:
    """Of a row of `version`: any of it is at one of those places."""
    other = t.version.alias()
    there = (
        sa.select(t.replica.c.version_id)
        .join(other, other.c.version_id == t.replica.c.version_id)
        .where(other.c.dataset_id == t.version.c.dataset_id, other.c.number == t.version.c.number)
        .where(t.replica.c.volume_id.in_([place.volume_id for place in shown]))
        .where(t.replica.c.state != ReplicaState.ABSENT.value)
    )
    return there.correlate(t.version).exists()


def condition(only: Only, shown: Sequence[Place], now: float) -> ColumnElement[bool]:
    """Of a row at one of those places: it is such a one."""
    r = t.replica.c
    match only:
        case Only.FILLING | Only.DAMAGED:
            return r.state == only.value
        case Only.EVICTING:
            return sa.or_(r.state == only.value, sa.and_(r.state == ReplicaState.READY.value, _is_asked_to_go()))
        case Only.READY:
            return sa.and_(r.state == only.value, t.version.c.subset == "", ~_is_asked_to_go())
        case Only.PARTIAL:
            return sa.and_(r.state != ReplicaState.ABSENT.value, t.version.c.subset != "", ~_is_whole_there())
        case Only.STALE:
            return sa.and_(_is_stale(shown, now), ~_is_asked_to_go())
        case Only.PINNED:
            return is_kept(now)
        case Only.USED:
            return is_used(now)
    return r.state != ReplicaState.ABSENT.value


def _is_asked_to_go() -> ColumnElement[bool]:
    """Its site was asked to let it go, and has not begun."""
    asked = (
        sa.select(t.volume_site.c.volume_id, t.task.c.ref)
        .join(t.task, t.task.c.site == t.volume_site.c.site)
        .where(t.task.c.open_key.is_not(None), t.task.c.kind == TaskKind.EVICT.value)
    )
    return sa.tuple_(t.replica.c.volume_id, REF).in_(asked)


def _is_whole_there() -> ColumnElement[bool]:
    """Of a row of a subset: the version itself is at that place, or is being brought there."""
    whole, there = t.version.alias(), t.replica.alias()
    found = (
        sa.select(there.c.version_id)
        .join(whole, whole.c.version_id == there.c.version_id)
        .where(whole.c.dataset_id == t.version.c.dataset_id, whole.c.number == t.version.c.number)
        .where(whole.c.subset == "", there.c.volume_id == t.replica.c.volume_id)
        .where(there.c.state != ReplicaState.ABSENT.value)
    )
    return found.correlate(t.version, t.replica).exists()


def is_kept(now: float) -> ColumnElement[bool]:
    """Of a row of `replica`: a person or a rule keeps it."""
    return sa.or_(rows.pin_in_force(now), rule_rows.is_held(t.replica.c.volume_id, t.replica.c.version_id, now))


def is_used(now: float) -> ColumnElement[bool]:
    """Of a row of `replica`: somebody holds a lease on it."""
    lease = sa.select(t.lease.c.lease_id).where(
        t.lease.c.volume_id == t.replica.c.volume_id,
        t.lease.c.version_id == t.replica.c.version_id,
        t.lease.c.expires_at > now,
    )
    return lease.exists()


def is_leaving(shown: Sequence[Place], now: float) -> ColumnElement[bool]:
    """Of a row of `replica` with its version and dataset: it goes within a day, by itself or because somebody asked."""
    is_ready = t.replica.c.state == ReplicaState.READY.value
    return sa.or_(_is_stale(shown, now), sa.and_(is_ready, _is_asked_to_go(), ~is_kept(now), ~is_used(now)))


def _is_stale(shown: Sequence[Place], now: float) -> ColumnElement[bool]:
    """Of a row of `replica` with its version and dataset: what `standing.look_at` calls stale, asked to go or not."""
    if not shown:
        return sa.false()
    r = t.replica.c
    of_place = _by_place(shown, lambda policy: _NEVER if policy.stale_after_s is None else policy.stale_after_s)
    waits = _by_place(shown, lambda policy: policy.grace_s)
    own = t.dataset.c.stale_after_s
    age = sa.case((own.is_(None), of_place), (own == 0, _NEVER), else_=own)
    is_released = sa.and_(t.version.c.release_at > 0, t.version.c.release_at < now + SOON_S)
    return sa.and_(
        r.state == ReplicaState.READY.value,
        sa.or_(r.last_used_at + age < now + SOON_S, is_released),
        r.since + waits < now + SOON_S,
        ~is_kept(now),
        ~is_used(now),
    )


_NEVER = 1e18


def _by_place(shown: Sequence[Place], value: Callable[[Policy], float]) -> ColumnElement[float]:
    """Of a row of `replica`: what the policy of its place has; one number where all have the same."""
    volumes: dict[float, list[str]] = {}
    for place in shown:
        volumes.setdefault(value(place.policy), []).append(place.volume_id)
    first, *others = volumes
    if not others:
        return sa.literal(first)
    cases = [(t.replica.c.volume_id.in_(volumes[number]), sa.literal(number)) for number in others]
    return sa.case(*cases, else_=sa.literal(first))
