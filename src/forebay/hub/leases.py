"""Who uses a replica now: `wire.hub.Leases` on the database. Every use is written to the ledger.

A lease that expired is not removed at once: a holder that slept may renew it as long as its replica is still the same.
"""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.health import Act
from forebay.cache.machine import LeaseRequested, Terms, Verdict, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.clock import Clock
from forebay.errors import ConflictError
from forebay.hub import rows
from forebay.wire.cache import Holder, Lease, ReplicaState
from forebay.wire.catalog import Version

_KEEP_EXPIRED_SECONDS = 3600.0


class LeaseStore:
    """Implements `wire.hub.Leases`."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms

    def take(self, volume_id: str, version: Version, holder: Holder) -> Lease:
        now = self._clock.now()
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id, Act.OPEN)
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, now, self._terms.hold_seconds)
            _, verdict = step(facts, LeaseRequested())
            if verdict is not Verdict.DONE:
                raise ConflictError(
                    "not-ready", f"{version.ref} is {facts.state} here, not ready", todo="Warm it first."
                )
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
            connection.execute(sa.insert(t.lease).values(values))
            _touch(connection, volume_id, key, now)
            rows.write_use(connection, volume_id, version.ref, holder.user, now, size_bytes=version.size_bytes)
            # Of this volume alone: only its row is locked.
            old = sa.and_(t.lease.c.volume_id == volume_id, t.lease.c.expires_at < now - _KEEP_EXPIRED_SECONDS)
            connection.execute(sa.delete(t.lease).where(old))
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
                raise _lost(lease_id)
            rows.lock_volume(connection, row["volume_id"])
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._terms.hold_seconds)
            same = facts.state in (ReplicaState.READY, ReplicaState.DAMAGED) and facts.token == row["token"]
            if not same:
                raise _lost(lease_id)
            until = now + self._terms.lease_seconds
            connection.execute(sa.update(t.lease).where(t.lease.c.lease_id == lease_id).values(expires_at=until))
            _touch(connection, row["volume_id"], row["version_id"], now)
        return rows.lease({**row, "expires_at": until})

    def release(self, lease_id: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(t.lease).where(t.lease.c.lease_id == lease_id)).mappings().first()
            if row is not None:
                connection.execute(sa.delete(t.lease).where(t.lease.c.lease_id == lease_id))
                _touch(connection, row["volume_id"], row["version_id"], now)

    def live(self, volume_id: str) -> list[Lease]:
        query = _leases().where(t.lease.c.volume_id == volume_id, t.lease.c.expires_at > self._clock.now())
        with reading(self._engine) as connection:
            return [rows.lease(row) for row in connection.execute(query.order_by(t.lease.c.granted_at)).mappings()]


def _leases() -> sa.Select[Any]:
    return (
        sa.select(t.lease, t.dataset.c.name, t.version.c.number, t.version.c.subset)
        .join(t.version, t.version.c.version_id == t.lease.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    )


def _touch(connection: Connection, volume_id: str, key: int, now: float) -> None:
    here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == key)
    connection.execute(sa.update(t.replica).where(here).values(last_used_at=now))


def _lost(lease_id: str) -> ConflictError:
    return ConflictError(
        "lease-lost",
        f"the lease {lease_id} had ended and its replica may be gone",
        todo="Open the version again; files that are open stay readable.",
    )
