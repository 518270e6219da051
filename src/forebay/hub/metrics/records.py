"""The gauges that the records have: how volumes, replicas, leases, fills and runs stand now. A handful of queries.

`site_records.py` has those of sites, of their tasks and of rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub import rows, rule_rows
from forebay.metrics import hub_families as m
from forebay.metrics.family import Sample, sample, states
from forebay.wire.cache import ReplicaState, VolumeState
from forebay.wire.runs import RunState

WAITING = (RunState.QUEUED, RunState.FILLING)
STRUGGLES = 3
_STRUGGLED_SECONDS = 86400.0
_SHOWN = (ReplicaState.FILLING, ReplicaState.READY, ReplicaState.EVICTING, ReplicaState.DAMAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it stands now; `volumes` are all that the hub knows."""

    volumes: list[str]
    samples: list[Sample]


def read(connection: Connection, now: float) -> Standing:
    """All of it, from one snapshot."""
    query = sa.select(t.volume, t.volume_site.c.site).outerjoin(
        t.volume_site, t.volume_site.c.volume_id == t.volume.c.volume_id
    )
    volumes = connection.execute(query.order_by(t.volume.c.volume_id)).mappings().all()
    samples: list[Sample] = []
    for row in volumes:
        volume = row["volume_id"]
        samples.append(sample(m.VOLUME_INFO, 1, volume=volume, path=row["path"], site=row["site"] or ""))
        samples.append(sample(m.VOLUME_LIMIT, row["limit_bytes"], volume=volume))
        samples.append(sample(m.VOLUME_USED, row["used_bytes"], volume=volume))
        bandwidth = row["lately_bytes"] / row["lately_seconds"] if row["lately_seconds"] > 0 else 0.0
        samples.append(sample(m.VOLUME_BANDWIDTH, bandwidth, volume=volume))
        samples += states(m.VOLUME_STATE, VolumeState, row["state"], volume=volume)
    known = [row["volume_id"] for row in volumes]
    for part in (_replicas, _leases, _fills):
        samples += part(connection, known, now)
    samples += _runs(connection, now)
    return Standing(volumes=known, samples=samples)


def _replicas(connection: Connection, known: list[str], now: float) -> Iterator[Sample]:
    c = t.replica.c
    counted = sa.select(c.volume_id, c.state, sa.func.count()).group_by(c.volume_id, c.state)
    found = {(volume, state): count for volume, state, count in connection.execute(counted)}
    by_somebody = rows.pin_in_force(now)
    is_pinned = sa.or_(by_somebody, rule_rows.is_held(c.volume_id, c.version_id, now))
    struggles = sa.and_(
        c.attempts >= STRUGGLES, c.state != ReplicaState.READY.value, c.since > now - _STRUGGLED_SECONDS
    )
    pinned, struggling = _by_volume(connection, t.replica, is_pinned), _by_volume(connection, t.replica, struggles)
    for volume in known:
        for state in _SHOWN:
            yield sample(m.REPLICAS, found.get((volume, state.value), 0), volume=volume, state=state.value)
        yield sample(m.PINNED, pinned.get(volume, 0), volume=volume)
        yield sample(m.STRUGGLING, struggling.get(volume, 0), volume=volume)
    # What recover found was never verified: it counts from when it was found.
    checked = sa.func.min(sa.case((c.verified_at > 0, c.verified_at), else_=c.since))
    oldest = sa.select(c.volume_id, checked).where(c.state == ReplicaState.READY.value).group_by(c.volume_id)
    for volume, at in connection.execute(oldest):
        yield sample(m.OLDEST_CHECK, at, volume=volume)


def _leases(connection: Connection, known: list[str], now: float) -> Iterator[Sample]:
    live = _by_volume(connection, t.lease, t.lease.c.expires_at > now)
    for volume in known:
        yield sample(m.LEASES, live.get(volume, 0), volume=volume)


def _fills(connection: Connection, known: list[str], now: float) -> Iterator[Sample]:
    c = t.fill.c
    held = sa.case((c.expires_at > now, "held"), else_="left")
    query = sa.select(c.volume_id, held, sa.func.count(), sa.func.sum(c.reserved_bytes)).group_by(c.volume_id, held)
    found = {(volume, how): (count, reserved) for volume, how, count, reserved in connection.execute(query)}
    for volume in known:
        counts = {how: found.get((volume, how), (0, 0)) for how in ("held", "left")}
        for how, (count, _) in counts.items():
            yield sample(m.OPEN_FILLS, count, volume=volume, held=how)
        yield sample(m.VOLUME_RESERVED, sum(int(reserved) for _, reserved in counts.values()), volume=volume)


def _runs(connection: Connection, now: float) -> Iterator[Sample]:
    c = t.run.c
    query = sa.select(c.state, sa.func.count()).where(c.is_active.is_(True)).group_by(c.state)
    found = {str(row[0]): int(row[1]) for row in connection.execute(query)}
    for state in (*WAITING, RunState.STARTING, RunState.RUNNING):
        yield sample(m.RUNS, found.get(state.value, 0), state=state.value)
    ended = sa.select(sa.func.max(t.attempt.c.ended_at)).where(t.attempt.c.run_seq == c.run_seq).scalar_subquery()
    last = sa.func.coalesce(ended, 0.0)
    since = sa.func.min(sa.case((last > c.submitted_at, last), else_=c.submitted_at))
    waiting = c.is_active.is_(True) & c.state.in_([state.value for state in WAITING])
    oldest = connection.execute(sa.select(since).where(waiting)).scalar()
    yield sample(m.LONGEST_WAIT, 0.0 if oldest is None else max(0.0, now - oldest))


def _by_volume(connection: Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> dict[str, int]:
    query = sa.select(table.c.volume_id, sa.func.count()).where(where).group_by(table.c.volume_id)
    return {str(row[0]): int(row[1]) for row in connection.execute(query)}
