"""Volumes, their accounts and history, and the ledger: `wire.hub.Volumes` on the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.health import Health, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.names import check_team_name
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import InputError, NotFoundError
from forebay.hub import ledger, rows
from forebay.wire.cache import CacheEvent, HealthReport, LedgerKey, Quota, Savings, Sign, Use, Volume, VolumeState


class VolumeStore:
    """Implements `wire.hub.Volumes`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def add(self, volume_id: str, path: str, limit_bytes: int, host: str = "") -> Volume:
        place = {"volume_id": volume_id, "host": host, "path": path}
        with reading(self._engine) as connection:
            known = _volume(connection, volume_id)
            if known is not None and known.limit_bytes == limit_bytes and _is_known(connection, place):
                return known
        with writing(self._engine) as connection:
            here = t.volume.c.volume_id == volume_id
            nothing = dict.fromkeys(("used_bytes", "last_token", "lately_bytes", "lately_seconds", "lately_at"), 0)
            values = {"volume_id": volume_id, "path": path, "limit_bytes": limit_bytes}
            fresh = {"created_at": self._clock.now(), **nothing}
            fresh |= _health_values(Health(since=self._clock.now()))
            if not insert_if_absent(connection, t.volume, {**values, **fresh}):
                connection.execute(sa.update(t.volume).where(here).values(limit_bytes=limit_bytes))
            insert_if_absent(connection, t.volume_path, place)
        return self.get(volume_id)

    def get(self, volume_id: str) -> Volume:
        with reading(self._engine) as connection:
            volume = _volume(connection, volume_id)
        if volume is None:
            raise NotFoundError("volume-not-found", f"no volume {volume_id}")
        return volume

    def at(self, path: str, host: str = "") -> Volume | None:
        newest_first = t.volume.c.created_at.desc()
        query = (
            sa.select(t.volume.c.volume_id)
            .join(t.volume_path, t.volume_path.c.volume_id == t.volume.c.volume_id)
            .where(t.volume_path.c.path == path, t.volume_path.c.host == host)
            .order_by(newest_first)
            .limit(1)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
            return None if found is None else _volume(connection, found)

    def set_used_bytes(self, volume_id: str, used_bytes: int, added_bytes: int | None = None) -> None:
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            here = t.volume.c.volume_id == volume_id
            if added_bytes is not None:
                added = connection.execute(sa.select(t.volume.c.added_bytes).where(here)).scalar_one()
                used_bytes += max(0, added - added_bytes)
            counted = {"used_bytes": used_bytes, "counts": t.volume.c.counts + 1}
            connection.execute(sa.update(t.volume).where(here).values(counted))

    def free_bytes(self, volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            if freed_bytes < 0:
                rows.add_bytes(connection, volume_id, -freed_bytes)
            else:
                rows.free_bytes(connection, volume_id, freed_bytes, counts)

    def report_health(self, volume_id: str, report: HealthReport) -> Volume:
        now = self._clock.now()
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            here = t.volume.c.volume_id == volume_id
            row = connection.execute(sa.select(t.volume).where(here)).mappings().one()
            before = _health(row)
            after = step(before, report, now)
            values = _health_values(after)
            if report.sign is Sign.GOOD:
                values["good_at"] = now
            connection.execute(sa.update(t.volume).where(here).values(values))
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

    def savings(self, volume_id: str, by: LedgerKey = LedgerKey.VERSION) -> list[Savings]:
        with reading(self._engine) as connection:
            return ledger.savings(connection, volume_id, by)

    def uses(self, volume_id: str, since: float = 0.0) -> list[Use]:
        with reading(self._engine) as connection:
            return ledger.uses(connection, volume_id, since)

    def quotas(self, volume_id: str) -> list[Quota]:
        query = sa.select(t.quota).where(t.quota.c.volume_id == volume_id).order_by(t.quota.c.team)
        with reading(self._engine) as connection:
            return [Quota(**row) for row in connection.execute(query).mappings()]

    def set_quota(self, volume_id: str, team: str, limit_bytes: int) -> Quota:
        check_team_name(team)
        if limit_bytes < 0:
            raise InputError("bad-quota", f"{limit_bytes} bytes are no quota.")
        key = {"volume_id": volume_id, "team": team}
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            if not insert_if_absent(connection, t.quota, {**key, "limit_bytes": limit_bytes}):
                connection.execute(sa.update(t.quota).where(_quota(key)).values(limit_bytes=limit_bytes))
        return Quota(volume_id=volume_id, team=team, limit_bytes=limit_bytes)

    def remove_quota(self, volume_id: str, team: str) -> None:
        with writing(self._engine) as connection:
            key = {"volume_id": volume_id, "team": team}
            if connection.execute(sa.delete(t.quota).where(_quota(key))).rowcount == 0:
                raise NotFoundError(
                    "quota-not-found", f"the team {team!r} has no quota here", todo="See: forebay cache quota ls"
                )


def _quota(key: Mapping[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(t.quota.c.volume_id == key["volume_id"], t.quota.c.team == key["team"])


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


def _is_known(connection: Connection, place: dict[str, str]) -> bool:
    found = sa.select(t.volume_path.c.path).where(*(t.volume_path.c[name] == value for name, value in place.items()))
    return connection.execute(found).first() is not None


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
        bandwidth_bytes_s=rows.lately(connection, volume_id).bytes_s,
        added_bytes=row["added_bytes"],
        counts=row["counts"],
    )
