"""Volumes, their accounts and history, and the ledger: `wire.hub.Volumes` on the database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.health import Health, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import NotFoundError
from forebay.hub import rows
from forebay.wire.cache import CacheEvent, HealthReport, Savings, Volume, VolumeState


class VolumeStore:
    """Implements `wire.hub.Volumes`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, volume_id: str, path: str, limit_bytes: int) -> Volume:
        with reading(self._engine) as connection:
            known = _volume(connection, volume_id)
        if known is not None and (known.path, known.limit_bytes) == (path, limit_bytes):
            return known
        with writing(self._engine) as connection:
            here = t.volume.c.volume_id == volume_id
            values = {"path": path, "limit_bytes": limit_bytes}
            fresh = {"volume_id": volume_id, "used_bytes": 0, "last_token": 0, "created_at": self._clock.now()}
            fresh |= _health_values(Health(since=self._clock.now()))
            if not insert_if_absent(connection, t.volume, {**values, **fresh}):
                connection.execute(sa.update(t.volume).where(here).values(values))
        return self.get(volume_id)

    def get(self, volume_id: str) -> Volume:
        with reading(self._engine) as connection:
            volume = _volume(connection, volume_id)
        if volume is None:
            raise NotFoundError("volume-not-found", f"no volume {volume_id}")
        return volume

    def at(self, path: str) -> Volume | None:
        newest_first = t.volume.c.created_at.desc()
        query = sa.select(t.volume.c.volume_id).where(t.volume.c.path == path).order_by(newest_first).limit(1)
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
            return None if found is None else _volume(connection, found)

    def set_used_bytes(self, volume_id: str, used_bytes: int) -> None:
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            here = t.volume.c.volume_id == volume_id
            connection.execute(sa.update(t.volume).where(here).values(used_bytes=used_bytes))

    def free_bytes(self, volume_id: str, freed_bytes: int) -> None:
        with writing(self._engine) as connection:
            rows.free_bytes(connection, volume_id, freed_bytes)

    def report_health(self, volume_id: str, report: HealthReport) -> Volume:
        now = self._clock.now()
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            here = t.volume.c.volume_id == volume_id
            row = connection.execute(sa.select(t.volume).where(here)).mappings().one()
            before = _health(row)
            after = step(before, report, now)
            connection.execute(sa.update(t.volume).where(here).values(_health_values(after)))
            if after.state is not before.state:
                rows.record(connection, volume_id, "", f"volume-{after.state}", after.reason, 0, now)
        return self.get(volume_id)

    def record(self, volume_id: str, ref: str, event: str, reason: str, size_bytes: int) -> None:
        with writing(self._engine) as connection:
            rows.record(connection, volume_id, ref, event, reason, size_bytes, self._clock.now())

    def events(self, volume_id: str, limit: int) -> list[CacheEvent]:
        newest_first = t.event.c.event_id.desc()
        query = sa.select(t.event).where(t.event.c.volume_id == volume_id).order_by(newest_first).limit(limit)
        with reading(self._engine) as connection:
            return [rows.cache_event(row) for row in connection.execute(query).mappings()]

    def savings(self, volume_id: str) -> list[Savings]:
        query = (
            sa.select(
                t.use.c.ref,
                sa.func.sum(sa.case((t.use.c.moved_bytes > 0, 0), else_=1)).label("uses"),
                sa.func.sum(t.use.c.size_bytes).label("conventional_bytes"),
                sa.func.sum(t.use.c.moved_bytes).label("moved_bytes"),
            )
            .where(t.use.c.volume_id == volume_id)
            .group_by(t.use.c.ref)
            .order_by(t.use.c.ref)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).all()
        return [
            Savings(
                ref=row.ref,
                uses=int(row.uses),
                conventional_bytes=int(row.conventional_bytes),
                moved_bytes=int(row.moved_bytes),
            )
            for row in found
        ]


def _health(row: Any) -> Health:
    return Health(
        state=VolumeState(row["state"]),
        reason=row["state_reason"],
        since=row["state_since"],
        in_a_row=row["signs_in_a_row"],
    )


def _health_values(health: Health) -> dict[str, Any]:
    return {
        "state": health.state.value,
        "state_reason": health.reason,
        "state_since": health.since,
        "signs_in_a_row": health.in_a_row,
    }


def _volume(connection: Connection, volume_id: str) -> Volume | None:
    row = connection.execute(sa.select(t.volume).where(t.volume.c.volume_id == volume_id)).mappings().first()
    if row is None:
        return None
    reserved = sa.select(sa.func.coalesce(sa.func.sum(t.fill.c.reserved_bytes), 0))
    return Volume(
        volume_id=row["volume_id"],
        path=row["path"],
        limit_bytes=row["limit_bytes"],
        used_bytes=row["used_bytes"],
        state=VolumeState(row["state"]),
        state_reason=row["state_reason"],
        state_since=row["state_since"],
        reserved_bytes=int(connection.execute(reserved.where(t.fill.c.volume_id == volume_id)).scalar_one()),
    )
