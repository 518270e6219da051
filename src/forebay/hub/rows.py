"""Reads and writes the rows that describe replicas, as wire values and as the pure machine's facts.

On PostgreSQL, whoever decides about a volume locks its row first (`lock_volume`), so decisions come one after another;
leases, which decide nothing for one another, only hold it (`hold_volume`). On SQLite the write transaction itself is
that lock. The statements that every opening runs are made once, here: making one anew takes longer than running it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.cache.bandwidth import Lately, fade_in
from forebay.cache.health import Act, require
from forebay.cache.machine import Facts, latest_lease_end
from forebay.catalog import records
from forebay.catalog import schema as t
from forebay.errors import NotFoundError
from forebay.hub import rule_rows
from forebay.sites import rules
from forebay.sites.tasks import RULES
from forebay.wire.cache import CacheEvent, Holder, Lease, Progress, Replica, ReplicaState, VolumeState
from forebay.wire.catalog import Version

_ARGUMENTS: dict[str, sa.BindParameter[Any]] = {name: sa.bindparam(name) for name in ("volume_id", "version_id")}
_NOW: sa.BindParameter[float] = sa.bindparam("now")
_TOUCH_SECONDS = 1.0


def _given(table: sa.Table) -> sa.ColumnElement[bool]:
    """The row of `volume_id` and `version_id`."""
    return sa.and_(*(table.c[name] == argument for name, argument in _ARGUMENTS.items()))


def _held() -> sa.Subquery:
    """What rules keep on `volume_id`: of several rules, the one with the least id speaks."""
    first = (
        sa.select(t.rule_hold.c.version_id, sa.func.min(t.rule_hold.c.rule_id).label("rule_id"))
        .join(t.rule, t.rule.c.rule_id == t.rule_hold.c.rule_id)
        .where(t.rule_hold.c.volume_id == _ARGUMENTS["volume_id"], rule_rows.is_in_force(_NOW))
        .group_by(t.rule_hold.c.version_id)
        .subquery()
    )
    return (
        sa.select(first.c.version_id, *(column.label(f"rule_{column.name}") for column in t.rule.c))
        .join(first, first.c.rule_id == t.rule.c.rule_id)
        .subquery()
    )


def _replicas() -> sa.Select[Any]:
    held = _held()
    leases = (
        sa.select(t.lease.c.version_id, sa.func.count().label("leases"))
        .where(t.lease.c.volume_id == _ARGUMENTS["volume_id"], t.lease.c.expires_at > _NOW)
        .group_by(t.lease.c.version_id)
        .subquery()
    )
    return (
        sa.select(
            t.replica,
            t.dataset.c.name,
            t.dataset.c.access_group,
            t.dataset.c.team,
            t.dataset.c.stale_after_s,
            t.version.c.number,
            t.version.c.subset,
            t.version.c.selection,
            t.version.c.manifest_digest,
            t.version.c.files,
            t.version.c.size_bytes,
            t.version.c.release_at,
            sa.func.coalesce(leases.c.leases, 0).label("leases"),
            *(column for column in held.c if column.name != "version_id"),
        )
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .outerjoin(leases, leases.c.version_id == t.replica.c.version_id)
        .outerjoin(held, held.c.version_id == t.replica.c.version_id)
        .where(t.replica.c.volume_id == _ARGUMENTS["volume_id"])
        .order_by(t.dataset.c.name, t.version.c.number, t.version.c.subset)
    )


_ALL_REPLICAS = _replicas()
_ONE_REPLICA = _replicas().where(t.replica.c.version_id == _ARGUMENTS["version_id"])
_REPLICA = sa.select(
    t.replica, rule_rows.is_held(t.replica.c.volume_id, t.replica.c.version_id, _NOW).label("held")
).where(_given(t.replica))
_HELD_UNTIL = sa.select(t.fill.c.expires_at).where(_given(t.fill))
_COUNT_LEASES = sa.select(sa.func.count()).select_from(t.lease).where(_given(t.lease), t.lease.c.expires_at > _NOW)
_VOLUME = sa.select(t.volume.c.path, t.volume.c.last_token, t.volume.c.state, t.volume.c.state_reason).where(
    t.volume.c.volume_id == _ARGUMENTS["volume_id"]
)
_LOCK = _VOLUME.with_for_update()
_HOLD = _VOLUME.with_for_update(read=True)
_LOCK_IF_THERE = sa.select(t.volume.c.volume_id).where(t.volume.c.volume_id == _ARGUMENTS["volume_id"])
_LATELY = sa.select(t.volume.c.lately_bytes, t.volume.c.lately_seconds, t.volume.c.lately_at).where(
    t.volume.c.volume_id == _ARGUMENTS["volume_id"]
)
_VERSION_ID = (
    sa.select(t.version.c.version_id)
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    .where(t.dataset.c.name == sa.bindparam("name"), t.version.c.number == sa.bindparam("number"))
    .where(t.version.c.subset == sa.bindparam("subset"))
)
# An update names its row's arguments apart from the columns that it sets.
_TOUCH = (
    sa.update(t.replica)
    .where(t.replica.c.volume_id == sa.bindparam("at_volume"), t.replica.c.version_id == sa.bindparam("at_version"))
    .where(
        sa.or_(
            t.replica.c.last_used_at <= _NOW - _TOUCH_SECONDS,
            t.replica.c.last_used_at > _NOW,
            t.replica.c.last_used_at == t.replica.c.since,
        )
    )
    .values(last_used_at=_NOW)
)


def touch(connection: Connection, volume_id: str, version_key: int, now: float) -> None:
    """The replica is used now, or was within the second: those who use it at once need not wait for one another."""
    connection.execute(_TOUCH, {"at_volume": volume_id, "at_version": version_key, "now": now})


def shorten_leases(connection: Connection, now: float, lease_seconds: float, *, volume_id: str | None = None) -> None:
    """Leases from before the clock was set back last as long as those that are given now; their holders renew them."""
    which = t.lease.c.expires_at > latest_lease_end(now, lease_seconds)
    if volume_id is not None:
        which = sa.and_(which, t.lease.c.volume_id == volume_id)
    connection.execute(sa.update(t.lease).where(which).values(expires_at=now + lease_seconds))


def lock_volume(connection: Connection, volume_id: str, act: Act | None = None) -> int:
    """Serialise decisions on this volume until the transaction ends; returns the last token granted there.

    UnavailableError when the volume's health does not allow `act`.
    """
    return _locked(connection, _LOCK, volume_id, act)


def hold_volume(connection: Connection, volume_id: str, act: Act | None = None) -> None:
    """Let nothing be decided on this volume until the transaction ends, except by others who only hold it."""
    _locked(connection, _HOLD, volume_id, act)


def lock_if_there(connection: Connection, volume_id: str) -> None:
    """The same lock, for what needs no volume."""
    connection.execute(_LOCK_IF_THERE.with_for_update(), {"volume_id": volume_id})


def save_token(connection: Connection, volume_id: str, token: int) -> None:
    """Remember the last token granted on this volume."""
    connection.execute(sa.update(t.volume).where(t.volume.c.volume_id == volume_id).values(last_token=token))


def lately(connection: Connection, volume_id: str) -> Lately:
    """What the volume's latest fills moved, and in what time."""
    row = connection.execute(_LATELY, {"volume_id": volume_id}).one()
    return Lately(moved_bytes=row.lately_bytes, seconds=row.lately_seconds, at=row.lately_at)


def fade_in_fill(connection: Connection, volume_id: str, moved_bytes: int, seconds: float, now: float) -> None:
    """Remember how fast a fill was."""
    after = fade_in(lately(connection, volume_id), moved_bytes, seconds, now)
    values = {"lately_bytes": after.moved_bytes, "lately_seconds": after.seconds, "lately_at": after.at}
    connection.execute(sa.update(t.volume).where(t.volume.c.volume_id == volume_id).values(values))


def add_bytes(connection: Connection, volume_id: str, added_bytes: int) -> None:
    """So much more counts from now on; a count that has begun already learns of it, too."""
    grown = {"used_bytes": t.volume.c.used_bytes + added_bytes, "added_bytes": t.volume.c.added_bytes + added_bytes}
    connection.execute(sa.update(t.volume).where(t.volume.c.volume_id == volume_id).values(grown))


def free_bytes(connection: Connection, volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
    """Take freed bytes off the account, which never falls below nothing; only if it was counted `counts` times."""
    here = t.volume.c.volume_id == volume_id
    if counts is not None:
        here = sa.and_(here, t.volume.c.counts == counts)
    used = t.volume.c.used_bytes - freed_bytes
    connection.execute(sa.update(t.volume).where(here).values(used_bytes=sa.case((used < 0, 0), else_=used)))


def version_id(connection: Connection, version: Version) -> int:
    """The row of a version; NotFoundError `dataset-not-found`, `version-not-found`, `subset-not-found`."""
    given = {"name": version.dataset, "number": version.number, "subset": version.subset}
    found = connection.execute(_VERSION_ID, given).scalar()
    if found is None:
        # In two steps, which can say what is missing.
        return records.version_id(connection, version.dataset, version.number, version.subset)
    return int(found)


def facts(connection: Connection, volume_id: str, version_key: int, now: float, hold_seconds: float) -> Facts:
    """The machine's view of one replica, at `now`. An eviction's heartbeat is kept in `since`."""
    key = {"volume_id": volume_id, "version_id": version_key}
    row = connection.execute(_REPLICA, {**key, "now": now}).mappings().first()
    if row is None:
        return Facts()
    held_until = 0.0
    if row["state"] == ReplicaState.FILLING:
        held_until = float(connection.execute(_HELD_UNTIL, key).scalar() or 0.0)
    elif row["state"] == ReplicaState.EVICTING:
        held_until = row["since"] + hold_seconds
    return Facts(
        state=ReplicaState(row["state"]),
        token=row["token"],
        held_until=held_until,
        live_leases=count_leases(connection, volume_id, version_key, now),
        pinned=is_pinned(row, now) or row["held"],
    )


def count_leases(connection: Connection, volume_id: str, version_key: int, now: float) -> int:
    """How many leases of a replica have not expired."""
    given = {"volume_id": volume_id, "version_id": version_key, "now": now}
    return int(connection.execute(_COUNT_LEASES, given).scalar_one())


def is_pinned(row: Any, now: float) -> bool:
    """Whether somebody has pinned a replica row, at `now`."""
    return bool(row["pinned_by"]) and (row["pin_until"] == 0 or row["pin_until"] > now)


def pin_in_force(now: sa.ColumnElement[float] | float) -> sa.ColumnElement[bool]:
    """The same of a row of `replica` in a query."""
    return sa.and_(t.replica.c.pinned_by != "", sa.or_(t.replica.c.pin_until == 0, t.replica.c.pin_until > now))


def set_state(
    connection: Connection, volume_id: str, version_key: int, state: ReplicaState, reason: str, now: float, **more: Any
) -> None:
    """Write the replica's state, making its row when it has none; `since` moves only when the state changes."""
    here = _here(t.replica, volume_id, version_key)
    row = connection.execute(sa.select(t.replica.c.state).where(here)).first()
    values = {"state": state.value, "reason": reason, **more}
    if row is None:
        blank = {
            "token": 0,
            "fill_seconds": 0.0,
            "fill_bytes": 0,
            "last_used_at": now,
            "lake_confirmed_at": 0.0,
            "attempts": 0,
            "pinned_by": "",
            "pin_reason": "",
            "pin_until": 0.0,
            "verified_at": 0.0,
        }
        key = {"volume_id": volume_id, "version_id": version_key}
        connection.execute(sa.insert(t.replica).values({**blank, **values, **key, "since": now}))
    else:
        if row[0] != state.value:
            values["since"] = now
        connection.execute(sa.update(t.replica).where(here).values(values))


def clear(connection: Connection, volume_id: str, version_key: int) -> None:
    """The replica is absent: its row and leases go; the history and the ledger stay."""
    connection.execute(sa.delete(t.lease).where(_here(t.lease, volume_id, version_key)))
    connection.execute(sa.delete(t.replica).where(_here(t.replica, volume_id, version_key)))


def replicas(connection: Connection, volume_id: str, now: float, version_key: int | None = None) -> list[Replica]:
    """The replicas on a volume (or the one of `version_key`), by dataset and number."""
    given: dict[str, Any] = {"volume_id": volume_id, "now": now}
    if version_key is None:
        return [_replica(row, now) for row in connection.execute(_ALL_REPLICAS, given).mappings()]
    return [
        _replica(row, now) for row in connection.execute(_ONE_REPLICA, {**given, "version_id": version_key}).mappings()
    ]


def _pin(row: Any, now: float) -> tuple[str, str, float]:
    """Who keeps it, why, and until when: a person's pin, or else a rule."""
    if is_pinned(row, now):
        return row["pinned_by"], row["pin_reason"], row["pin_until"]
    if row["rule_rule_id"] is None:
        return "", "", 0.0
    what = rules.told(row["rule_ref"], newest=row["rule_newest"], at=row["rule_expression"], owner=row["rule_owner"])
    return f"{RULES}{row['rule_rule_id']}", what, row["rule_until"]


def _replica(row: Any, now: float) -> Replica:
    pinned_by, pin_reason, pin_until = _pin(row, now)
    return Replica(
        volume_id=row["volume_id"],
        dataset=row["name"],
        number=row["number"],
        group=row["access_group"],
        manifest_digest=row["manifest_digest"],
        state=ReplicaState(row["state"]),
        reason=row["reason"],
        since=row["since"],
        token=row["token"],
        files=row["files"],
        size_bytes=row["size_bytes"],
        fill_seconds=row["fill_seconds"],
        last_used_at=row["last_used_at"],
        lake_confirmed_at=row["lake_confirmed_at"],
        attempts=row["attempts"],
        leases=row["leases"],
        pinned_by=pinned_by,
        pin_reason=pin_reason,
        pin_until=pin_until,
        verified_at=row["verified_at"],
        subset=row["subset"],
        selection=row["selection"],
        fill_bytes=row["fill_bytes"],
        team=row["team"],
        stale_after_s=row["stale_after_s"],
        release_at=row["release_at"],
    )


def holder(row: Any) -> Holder:
    """The holder named in a fill or lease row."""
    return Holder(
        user=row["holder_user"],
        host=row["holder_host"],
        pid=row["holder_pid"],
        purpose=row["holder_purpose"],
        process=row["holder_process"],
    )


def holder_values(value: Holder) -> dict[str, Any]:
    """A holder as a row's columns."""
    return {
        "holder_user": value.user,
        "holder_host": value.host,
        "holder_pid": value.pid,
        "holder_purpose": value.purpose,
        "holder_process": value.process,
    }


def progress(row: Any) -> Progress:
    """The progress in a fill row."""
    return Progress(**{field.name: row[field.name] for field in dataclasses.fields(Progress)})


def lease(row: Any) -> Lease:
    """A lease row with its dataset and number as a wire value."""
    return Lease(
        lease_id=row["lease_id"],
        volume_id=row["volume_id"],
        dataset=row["name"],
        number=row["number"],
        holder=holder(row),
        token=row["token"],
        granted_at=row["granted_at"],
        expires_at=row["expires_at"],
        subset=row["subset"],
    )


def record(
    connection: Connection, volume_id: str, ref: str, event: str, reason: str, size_bytes: int, now: float
) -> None:
    """Add a line to a volume's history."""
    values = {"at": now, "volume_id": volume_id, "ref": ref, "event": event, "reason": reason, "size_bytes": size_bytes}
    connection.execute(sa.insert(t.event).values(values))


def cache_event(row: Any) -> CacheEvent:
    """A line of a volume's history as a wire value."""
    return CacheEvent(
        at=row["at"],
        volume_id=row["volume_id"],
        ref=row["ref"],
        event=row["event"],
        reason=row["reason"],
        size_bytes=row["size_bytes"],
    )


def _locked(connection: Connection, lock: sa.Select[Any], volume_id: str, act: Act | None) -> int:
    row = connection.execute(lock, {"volume_id": volume_id}).mappings().first()
    if row is None:
        raise NotFoundError("volume-not-found", f"no volume {volume_id}")
    if act is not None:
        require(act, VolumeState(row["state"]), row["state_reason"], row["path"])
    return int(row["last_token"])


def _here(table: sa.Table, volume_id: str, version_key: int) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.volume_id == volume_id, table.c.version_id == version_key)
