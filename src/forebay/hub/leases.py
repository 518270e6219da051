"""Who uses a replica now: `wire.hub.Leases` on the database. Every use is written to the ledger.

A lease that expired is not removed at once: a holder that slept may renew it as long as its replica is still the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.bandwidth import bandwidth, seconds_for
from forebay.cache.health import Act
from forebay.cache.machine import LeaseRequested, Terms, Verdict, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.retired import hold_live
from forebay.clock import Clock
from forebay.errors import ConflictError
from forebay.hub import rows
from forebay.hub.drained import require_undrained
from forebay.hub.ledger import Subject, write_use
from forebay.wire.cache import Holder, Lease, ReplicaState
from forebay.wire.catalog import Version

_KEEP_EXPIRED_SECONDS = 7 * 86400.0

_INSERT = sa.insert(t.lease)
_LEASE = sa.select(t.lease).where(t.lease.c.lease_id == sa.bindparam("lease_id"))
_DELETE = sa.delete(t.lease).where(t.lease.c.lease_id == sa.bindparam("lease_id"))
_DELETE_OLD = sa.delete(t.lease).where(
    t.lease.c.volume_id == sa.bindparam("volume_id"), t.lease.c.expires_at < sa.bindparam("before")
)
_MEASURED = (
    sa.select(
        t.dataset.c.team,
        t.replica.c.fill_bytes,
        t.replica.c.fill_seconds,
        t.replica.c.since,
        t.replica.c.last_used_at,
        t.volume.c.lately_bytes,
        t.volume.c.lately_seconds,
    )
    .select_from(t.replica)
    .join(t.version, t.version.c.version_id == t.replica.c.version_id)
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    .join(t.volume, t.volume.c.volume_id == t.replica.c.volume_id)
    .where(t.replica.c.volume_id == sa.bindparam("volume_id"), t.replica.c.version_id == sa.bindparam("version_id"))
)


class LeaseStore:
    """Implements `wire.hub.Leases`."""

    on_granted: Callable[[str, bool], object] = staticmethod(lambda volume_id, is_first: None)
    """Called with the volume of every lease that was granted, and whether it is the replica's first since its fill."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms

    def take(self, volume_id: str, version: Version, holder: Holder) -> Lease:
        now = self._clock.now()
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id, Act.OPEN)
            key = rows.version_id(connection, version)
            hold_live(connection, key)
            facts = rows.facts(connection, volume_id, key, now, self._terms.hold_seconds)
            _, verdict = step(facts, LeaseRequested())
            if verdict is not Verdict.DONE:
                raise ConflictError(
                    "not-ready", f"{version.ref} is {facts.state} here, not ready", todo="Warm it first."
                )
            require_undrained(connection, volume_id, version, "lease", now)
            lease_id = uuid.uuid4().hex
            values = {
                "lease_id": lease_id,
                "volume_id": volume_id,
                "version_id": key,
                "token": facts.token,
                "granted_at": now,
                "expires_at": now + self._terms.lease_seconds,
                **rows.holder_values(holder),
            }
            connection.execute(_INSERT, values)
            is_first = _write_use(connection, volume_id, key, version, holder.user, now)
            rows.touch(connection, volume_id, key, now)
            # Of this volume alone: only its row is locked.
            old = {"volume_id": volume_id, "before": now - _KEEP_EXPIRED_SECONDS}
            connection.execute(_DELETE_OLD, old)
        self.on_granted(volume_id, is_first)
        return Lease(
            lease_id=lease_id,
            volume_id=volume_id,
            dataset=version.dataset,
            number=version.number,
            holder=holder,
            token=facts.token,
            granted_at=now,
            expires_at=now + self._terms.lease_seconds,
            subset=version.subset,
        )

    def renew(self, lease_id: str) -> Lease:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(_leases().where(t.lease.c.lease_id == lease_id)).mappings().first()
            if row is None:
                raise lost(lease_id)
            rows.lock_volume(connection, row["volume_id"])
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._terms.hold_seconds)
            same = facts.state in (ReplicaState.READY, ReplicaState.DAMAGED) and facts.token == row["token"]
            if not same:
                raise lost(lease_id)
            until = now + self._terms.lease_seconds
            connection.execute(sa.update(t.lease).where(t.lease.c.lease_id == lease_id).values(expires_at=until))
            rows.touch(connection, row["volume_id"], row["version_id"], now)
        return rows.lease({**row, "expires_at": until})

    def release(self, lease_id: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(_LEASE, {"lease_id": lease_id}).mappings().first()
            if row is not None:
                connection.execute(_DELETE, {"lease_id": lease_id})
                rows.touch(connection, row["volume_id"], row["version_id"], now)

    def live(self, volume_id: str) -> list[Lease]:
        return self._of(volume_id, t.lease.c.expires_at > self._clock.now())

    def lapsed(self, volume_id: str) -> list[Lease]:
        return self._of(volume_id, t.lease.c.expires_at <= self._clock.now())

    def _of(self, volume_id: str, which: sa.ColumnElement[bool]) -> list[Lease]:
        query = _leases().where(t.lease.c.volume_id == volume_id, which).order_by(t.lease.c.granted_at)
        with reading(self._engine) as connection:
            return [rows.lease(row) for row in connection.execute(query).mappings()]


def _leases() -> sa.Select[Any]:
    return (
        sa.select(t.lease, t.dataset.c.name, t.version.c.number, t.version.c.subset)
        .join(t.version, t.version.c.version_id == t.lease.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    )


def _write_use(connection: Connection, volume_id: str, key: int, version: Version, user: str, now: float) -> bool:
    """What a download of its own would have taken: at the bandwidth of the version's fill, or of the volume's last.

    Whether nobody used the replica since it came.
    """
    row = connection.execute(_MEASURED, {"volume_id": volume_id, "version_id": key}).one()
    lately = row.lately_bytes / row.lately_seconds if row.lately_seconds > 0 else 0.0
    bytes_s = bandwidth(version.size_bytes, row.fill_bytes, row.fill_seconds, lately)
    subject = Subject(volume_id=volume_id, ref=version.ref, dataset=version.dataset, team=row.team, user=user)
    write_use(connection, subject, now, version.size_bytes, seconds_for(version.size_bytes, bytes_s))
    return bool(row.last_used_at == row.since)


def lost(lease_id: str) -> ConflictError:
    """The error of a lease that is none any more."""
    return ConflictError(
        "lease-lost",
        f"the lease {lease_id} had ended and its replica may be gone",
        todo="Open the version again; files that are open stay readable.",
    )
