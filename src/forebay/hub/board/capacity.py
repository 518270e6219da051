"""What a place's volume holds, by dataset and by team, beside what is free, set aside and soon to go.

Sizes are the versions' own: contents that several share count with each, so that they may add up to more than is used.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.hub.board import going
from forebay.hub.board.filtered import is_kept, is_leaving, is_used
from forebay.hub.board.places import Place
from forebay.hub.board.sight import Sight
from forebay.wire.cache import Quota, ReplicaState


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What one dataset or one team has there: `versions` of it, subsets counted, of which so many bytes are pinned, in
    use, or go soon, also because somebody asked. `filling_bytes` of what is on its way are there; of them fills brought
    `brought_bytes` into room that is set aside, and the others were there before.
    """

    name: str
    versions: int
    size_bytes: int
    kept_bytes: int
    used_bytes: int
    stale_bytes: int
    filling_bytes: int
    brought_bytes: int
    last_used_at: float
    quota: Quota | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The largest first. `other_bytes` are used and of none of these: trash, leftovers, and what is not told of."""

    place: Place
    datasets: tuple[Holds, ...]
    teams: tuple[Holds, ...]

    @property
    def held_bytes(self) -> int:
        return sum(item.size_bytes for item in self.datasets)

    @property
    def stale_bytes(self) -> int:
        return sum(item.stale_bytes for item in self.datasets)

    @property
    def kept_bytes(self) -> int:
        return sum(item.kept_bytes for item in self.datasets)

    @property
    def brought_bytes(self) -> int:
        """By fills that one may know of, out of what is set aside for them."""
        return min(self.place.reserved_bytes, sum(item.brought_bytes for item in self.datasets))

    @property
    def awaited_bytes(self) -> int:
        """Set aside, and not there yet as far as one may know."""
        return self.place.reserved_bytes - self.brought_bytes

    @property
    def other_bytes(self) -> int:
        return max(0, self.place.used_bytes - self.held_bytes)


def capacity(connection: Connection, sight: Sight, place: Place, now: float) -> Capacity:
    """Three queries, over the replicas of one volume."""
    limits = {item.team: item for item in going.quotas(connection, sight, place.volume_id)}
    datasets = _holds(connection, sight, place, t.dataset.c.name, now)
    teams = {item.name: item for item in _holds(connection, sight, place, t.dataset.c.team, now, limits)}
    empty = [_nothing(team, quota) for team, quota in limits.items() if team not in teams]
    return Capacity(place=place, datasets=tuple(datasets), teams=(*teams.values(), *empty))


def over_quota(connection: Connection, sight: Sight, volumes: Collection[str]) -> list[tuple[Quota, int]]:
    """The quotas of these volumes that what a team has there is over, with the bytes that it has; two queries."""
    query = sa.select(t.quota).where(t.quota.c.volume_id.in_(sorted(volumes)))
    if not sight.sees_all:
        query = query.where(t.quota.c.team.in_(sorted(sight.teams)))
    limits = [Quota(**row) for row in connection.execute(query).mappings()]
    if not limits:
        return []
    held = (
        sa.select(t.replica.c.volume_id, t.dataset.c.team, sa.func.sum(t.version.c.size_bytes))
        .select_from(t.replica)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.replica.c.state == ReplicaState.READY.value)
        .where(t.replica.c.volume_id.in_(sorted({item.volume_id for item in limits})))
        .where(t.dataset.c.team.in_(sorted({item.team for item in limits})))
        .group_by(t.replica.c.volume_id, t.dataset.c.team)
    )
    found = {
        (volume_id, team): int(size_bytes)
        for volume_id, team, size_bytes in connection.execute(sight.narrow(held, t.dataset.c.name))
    }
    return [
        (item, found[item.volume_id, item.team])
        for item in limits
        if found.get((item.volume_id, item.team), 0) > item.limit_bytes
    ]


def _holds(
    connection: Connection,
    sight: Sight,
    place: Place,
    by: ColumnElement[str],
    now: float,
    limits: dict[str, Quota] | None = None,
) -> list[Holds]:
    size, state = t.version.c.size_bytes, t.replica.c.state
    is_filling = state == ReplicaState.FILLING.value

    def summed(where: ColumnElement[bool], value: Any = size) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((where, value), else_=0)), 0)

    there = sa.func.coalesce(t.fill.c.present_bytes + t.fill.c.moved_bytes, 0)
    moved, reserved = t.fill.c.moved_bytes, t.fill.c.reserved_bytes
    brought = sa.func.coalesce(sa.case((moved < reserved, moved), else_=reserved), 0)
    query = (
        sa.select(
            by.label("name"),
            summed(~is_filling, 1).label("versions"),
            summed(~is_filling).label("size_bytes"),
            summed(sa.and_(~is_filling, is_kept(now))).label("kept_bytes"),
            summed(is_used(now)).label("used_bytes"),
            summed(is_leaving([place], now)).label("stale_bytes"),
            summed(is_filling, there).label("filling_bytes"),
            summed(is_filling, brought).label("brought_bytes"),
            sa.func.max(t.replica.c.last_used_at).label("last_used_at"),
        )
        .select_from(t.replica)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .outerjoin(
            t.fill,
            sa.and_(t.fill.c.volume_id == t.replica.c.volume_id, t.fill.c.version_id == t.replica.c.version_id),
        )
        .where(t.replica.c.volume_id == place.volume_id, state != ReplicaState.ABSENT.value)
        .group_by(by)
    )
    found = connection.execute(sight.narrow(query, t.dataset.c.name)).mappings()
    holds = [
        Holds(
            name=row["name"],
            **{name: int(row[name]) for name in _SUMS},
            last_used_at=row["last_used_at"],
            quota=(limits or {}).get(row["name"]),
        )
        for row in found
    ]
    return sorted(holds, key=lambda item: (-item.size_bytes - item.filling_bytes, item.name))


_SUMS = ("versions", "size_bytes", "kept_bytes", "used_bytes", "stale_bytes", "filling_bytes", "brought_bytes")


def _nothing(team: str, quota: Quota) -> Holds:
    return Holds(
        name=team,
        **dict.fromkeys(_SUMS, 0),
        last_used_at=0.0,
        quota=quota,
    )
