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
from forebay.cache.machine import Facts, LeaseRequested, Terms, Verdict, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.retired import retired
from forebay.clock import Clock
from forebay.errors import ConflictError
from forebay.hub import rows
from forebay.hub.drained import require_undrained
from forebay.hub.ledger import Subject, write_use
from forebay.wire.cache import Holder, Lease, ReplicaState
from forebay.wire.catalog import Version

_KEEP_EXPIRED_SECONDS = 7 * 86400.0
_TIDY_SECONDS = 600.0

_INSERT = sa.insert(t.lease)
_DELETE = (
    sa.delete(t.lease)
    .where(t.lease.c.lease_id == sa.bindparam("lease_id"))
    .returning(t.lease.c.volume_id, t.lease.c.version_id)
)
_DELETE_OLD = sa.delete(t.lease).where(
    t.lease.c.volume_id == sa.bindparam("volume_id"), t.lease.c.expires_at < sa.bindparam("before")
)
_FOUND = (
    sa.select(
        t.version.c.version_id,
        t.version.c.retired_at,
        t.dataset.c.team,
        t.replica.c.state,
        t.replica.c.token,
        t.replica.c.fill_bytes,
        t.replica.c.fill_seconds,
        t.replica.c.since,
        t.replica.c.last_used_at,
        t.volume.c.lately_bytes,
        t.volume.c.lately_seconds,
    )
    .select_from(t.version)
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    .join(t.volume, t.volume.c.volume_id == sa.bindparam("volume_id"))
    .outerjoin(
        t.replica,
        sa.and_(t.replica.c.version_id == t.version.c.version_id, t.replica.c.volume_id == t.volume.c.volume_id),
    )
    .where(t.dataset.c.name == sa.bindparam("name"), t.version.c.number == sa.bindparam("number"))
    .where(t.version.c.subset == sa.bindparam("subset"))
    .with_for_update(read=True, key_share=True, of=t.version)
)
"""All that a lease is decided by, in one question; the version is kept from being retired, as `hold_live` does it."""

_NAMED_LEASES = (
    sa.select(t.lease, t.dataset.c.name, t.version.c.number, t.version.c.subset)
    .join(t.version, t.version.c.version_id == t.lease.c.version_id)
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
)
_LEASE = _NAMED_LEASES.where(t.lease.c.lease_id == sa.bindparam("lease_id"))
_RENEW = (
    sa.update(t.lease).where(t.lease.c.lease_id == sa.bindparam("renewed_id")).values(expires_at=sa.bindparam("until"))
)


class LeaseStore:
    """Implements `wire.hub.Leases`."""

    on_granted: Callable[[str, bool], object] = staticmethod(lambda volume_id, is_first: None)
    """Called with the volume of every lease that was granted, and whether it is the replica's first since its fill."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms
        self._tidied_at: dict[str, float] = {}

    def take(self, volume_id: str, version: Version, holder: Holder) -> Lease:
        now = self._clock.now()
        with writing(self._engine) as connection:
            self._hold(connection, volume_id, now)
            found = _found(connection, volume_id, version)
            facts = Facts() if found.state is None else Facts(state=ReplicaState(found.state), token=found.token)
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
                "version_id": found.version_id,
                "token": facts.token,
                "granted_at": now,
                "expires_at": now + self._terms.lease_seconds,
                **rows.holder_values(holder),
            }
            connection.execute(_INSERT, values)
            is_first = _write_use(connection, volume_id, found, version, holder.user, now)
            rows.touch(connection, volume_id, found.version_id, now)
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
            row = connection.execute(_LEASE, {"lease_id": lease_id}).mappings().first()
            if row is None:
                raise lost(lease_id)
            rows.hold_volume(connection, row["volume_id"])
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._terms.hold_seconds)
            same = facts.state in (ReplicaState.READY, ReplicaState.DAMAGED) and facts.token == row["token"]
            if not same:
                raise lost(lease_id)
            until = now + self._terms.lease_seconds
            connection.execute(_RENEW, {"renewed_id": lease_id, "until": until})
            rows.touch(connection, row["volume_id"], row["version_id"], now)
        return rows.lease({**row, "expires_at": until})

    def release(self, lease_id: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(_DELETE, {"lease_id": lease_id}).first()
            if row is not None:
                rows.touch(connection, row.volume_id, row.version_id, now)

    def _hold(self, connection: Connection, volume_id: str, now: float) -> None:
        """Hold a volume for a new lease; now and then lock it, and leases of it that ran out long ago go."""
        if abs(now - self._tidied_at.get(volume_id, 0.0)) <= _TIDY_SECONDS:
            rows.hold_volume(connection, volume_id, Act.OPEN)
            return
        rows.lock_volume(connection, volume_id, Act.OPEN)
        connection.execute(_DELETE_OLD, {"volume_id": volume_id, "before": now - _KEEP_EXPIRED_SECONDS})
        self._tidied_at[volume_id] = now

    def live(self, volume_id: str) -> list[Lease]:
        return self._of(volume_id, t.lease.c.expires_at > self._clock.now())

    def lapsed(self, volume_id: str) -> list[Lease]:
        return self._of(volume_id, t.lease.c.expires_at <= self._clock.now())

    def _of(self, volume_id: str, which: sa.ColumnElement[bool]) -> list[Lease]:
        query = _NAMED_LEASES.where(t.lease.c.volume_id == volume_id, which).order_by(t.lease.c.granted_at)
        with reading(self._engine) as connection:
            return [rows.lease(row) for row in connection.execute(query).mappings()]


def _found(connection: Connection, volume_id: str, version: Version) -> Any:
    """What there is of a version on a locked volume; NotFoundError as `rows.version_id` raises it."""
    given = {"name": version.dataset, "number": version.number, "subset": version.subset}
    found = connection.execute(_FOUND, {"volume_id": volume_id, **given}).first()
    if found is None:
        rows.version_id(connection, version)
    assert found is not None, "a locked volume has a row"
    if found.retired_at:
        raise retired(version.ref)
    return found


def _write_use(connection: Connection, volume_id: str, found: Any, version: Version, user: str, now: float) -> bool:
    """What a download of its own would have taken: at the bandwidth of the version's fill, or of the volume's last.

    Whether nobody used the replica since it came.
    """
    lately = found.lately_bytes / found.lately_seconds if found.lately_seconds > 0 else 0.0
    bytes_s = bandwidth(version.size_bytes, found.fill_bytes, found.fill_seconds, lately)
    subject = Subject(volume_id=volume_id, ref=version.ref, dataset=version.dataset, team=found.team, user=user)
    write_use(connection, subject, now, version.size_bytes, seconds_for(version.size_bytes, bytes_s))
    return bool(found.last_used_at == found.since)


def lost(lease_id: str) -> ConflictError:
    """The error of a lease that is none any more."""
    return ConflictError(
        "lease-lost",
        f"the lease {lease_id} had ended and its replica may be gone",
        todo="Open the version again; files that are open stay readable.",
    )
