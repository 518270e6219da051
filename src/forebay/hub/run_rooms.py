"""What a fill could have of each volume, for placement: sums that the database makes, whatever the replicas.

Reads only, inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.hub import rows as cache_rows
from forebay.hub import rule_rows
from forebay.runs.world import Wanted
from forebay.wire.cache import ReplicaState


@dataclass(slots=True, kw_only=True)
class Room:
    """A volume: its limit, what is used and set aside, and what of what is ready stays: it is leased or kept.

    `there` are the bytes of wanted versions that are ready and need not stay, by ref.
    """

    limit_bytes: int
    used_bytes: int
    reserved_bytes: int = 0
    stays_bytes: int = 0
    there: dict[str, int] = field(default_factory=dict)

    @property
    def free_bytes(self) -> int:
        return max(0, self.limit_bytes - self.used_bytes - self.reserved_bytes)

    def bytes_for_fill(self, needed: Collection[str]) -> int:
        """What a fill could have: not what is leased, pinned or soon read."""
        soon_bytes = sum(self.there.get(ref, 0) for ref in needed)
        return max(0, self.limit_bytes - self.reserved_bytes - self.stays_bytes - soon_bytes)


def load(connection: Connection, wanted: Mapping[int, Wanted], now: float) -> dict[str, Room]:
    """By volume, in as many questions as for one of them. Only of wanted versions, which are by the keys of their rows,
    is it asked which they are.
    """
    volumes = connection.execute(sa.select(t.volume.c.volume_id, t.volume.c.limit_bytes, t.volume.c.used_bytes))
    found = {row.volume_id: Room(limit_bytes=row.limit_bytes, used_bytes=row.used_bytes) for row in volumes}
    reserved = sa.select(t.fill.c.volume_id, sa.func.sum(t.fill.c.reserved_bytes)).group_by(t.fill.c.volume_id)
    for volume_id, reserved_bytes in connection.execute(reserved):
        found[volume_id].reserved_bytes = int(reserved_bytes)
    for volume_id, stays_bytes in connection.execute(_STAYS, {"now": now}):
        found[volume_id].stays_bytes = int(stays_bytes)
    for volume_id, key in connection.execute(_MAY_GO, {"now": now, "keys": sorted(wanted)}):
        found[volume_id].there[wanted[key].ref] = wanted[key].size_bytes
    return found


def _stay() -> ColumnElement[bool]:
    """Whether a replica is leased or kept at the moment `now`."""
    now: sa.BindParameter[float] = sa.bindparam("now")
    leased = (
        sa.select(t.lease.c.lease_id)
        .where(t.lease.c.volume_id == t.replica.c.volume_id, t.lease.c.version_id == t.replica.c.version_id)
        .where(t.lease.c.expires_at > now)
        .exists()
    )
    held = rule_rows.is_held(t.replica.c.volume_id, t.replica.c.version_id, now)
    return sa.or_(leased, cache_rows.pin_in_force(now), held)


def _kept() -> sa.Subquery:
    """The same as what there is to name, each once: that is little beside all replicas."""
    now: sa.BindParameter[float] = sa.bindparam("now")
    leased = sa.select(t.lease.c.volume_id, t.lease.c.version_id).where(t.lease.c.expires_at > now)
    pinned = sa.select(t.replica.c.volume_id, t.replica.c.version_id).where(cache_rows.pin_in_force(now))
    held = sa.select(t.rule_hold.c.volume_id, t.rule_hold.c.version_id).where(rule_rows.is_hold_in_force(now))
    return sa.union(leased, pinned, held).subquery()


_KEPT = _kept()
# Of what is damaged all is missing: room that it kept would be in the way of its own refill.
_READY = t.replica.c.state == ReplicaState.READY.value
# Outer joins, so that SQLite begins with the few that are kept, not with all replicas.
_STAYS = (
    sa.select(_KEPT.c.volume_id, sa.func.coalesce(sa.func.sum(t.version.c.size_bytes), 0))
    .outerjoin(
        t.replica,
        sa.and_(t.replica.c.volume_id == _KEPT.c.volume_id, t.replica.c.version_id == _KEPT.c.version_id, _READY),
    )
    .outerjoin(t.version, t.version.c.version_id == t.replica.c.version_id)
    .group_by(_KEPT.c.volume_id)
)
_MAY_GO = sa.select(t.replica.c.volume_id, t.replica.c.version_id).where(
    _READY, t.replica.c.version_id.in_(sa.bindparam("keys", expanding=True)), ~_stay()
)
