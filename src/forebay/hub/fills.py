"""Who may fill, and the room for it: `wire.hub.Fills` on the database, decided by the pure machine and account.

A fill's row stays from the first grant until the replica is ready: its id names the folder under incoming/, its
reservation counts against the volume, also while nobody holds it (leftovers wait for the next try).
"""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache import account
from forebay.cache.health import Act
from forebay.cache.machine import FillFailed, FillFinished, FillRenewed, FillRequested, Terms, Verdict, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.clock import Clock
from forebay.errors import ConflictError, InternalError
from forebay.hub import rows
from forebay.wire.cache import (
    Claim,
    FillDone,
    Granted,
    Holder,
    NoRoom,
    OpenFill,
    Progress,
    Ready,
    Replica,
    ReplicaState,
    Reserved,
    Waiting,
)
from forebay.wire.catalog import Version, ref_of


class FillStore:
    """Implements `wire.hub.Fills`."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._hold_seconds = terms.hold_seconds

    def claim(self, volume_id: str, version: Version, holder: Holder) -> Claim:
        now = self._clock.now()
        with writing(self._engine) as connection:
            token = rows.lock_volume(connection, volume_id, Act.FILL) + 1
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            after, verdict = step(facts, FillRequested(now=now, hold_seconds=self._hold_seconds, next_token=token))
            if verdict in (Verdict.READY, Verdict.WAIT):
                return self._look(connection, volume_id, key, now)
            rows.save_token(connection, volume_id, token)
            if verdict is Verdict.TAKEN_OVER:
                row = self._fill_of(connection, volume_id, key)
                if row is not None:
                    _write_moved(connection, volume_id, version.ref, row, row["moved_bytes"], now)
            fill_id = self._hold(connection, volume_id, key, token, holder, now, after.held_until)
            reason = f"being filled by {holder}"
            rows.set_state(connection, volume_id, key, ReplicaState.FILLING, reason, now, token=token)
            _count_attempt(connection, volume_id, key)
            replica = rows.replicas(connection, volume_id, now, key)[0]
        return Granted(replica=replica, fill_id=fill_id, token=token, takeover=verdict is Verdict.TAKEN_OVER)

    def look(self, volume_id: str, version: Version) -> Claim | None:
        now = self._clock.now()
        with reading(self._engine) as connection:
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            waits = facts.state in (ReplicaState.FILLING, ReplicaState.EVICTING) and facts.held_until > now
            if facts.state is not ReplicaState.READY and not waits:
                return None
            return self._look(connection, volume_id, key, now)

    def reserve(self, fill_id: str, token: int, need_bytes: int, free_bytes: int) -> Reserved | NoRoom:
        with writing(self._engine) as connection:
            row = self._locked(connection, fill_id, token)
            now = self._clock.now()
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._hold_seconds)
            _, verdict = step(facts, FillRenewed(now=now, hold_seconds=self._hold_seconds, token=token))
            _refuse_fenced(verdict, fill_id)
            volume = (
                connection.execute(sa.select(t.volume).where(t.volume.c.volume_id == row["volume_id"])).mappings().one()
            )
            others = connection.execute(
                sa.select(t.fill.c.reserved_bytes, t.fill.c.moved_bytes).where(
                    t.fill.c.volume_id == row["volume_id"], t.fill.c.fill_id != fill_id
                )
            ).all()
            answer = account.reserve(
                limit_bytes=volume["limit_bytes"],
                used_bytes=volume["used_bytes"],
                reserved_bytes=sum(other.reserved_bytes for other in others),
                unwritten_bytes=sum(max(0, other.reserved_bytes - other.moved_bytes) for other in others),
                free_bytes=free_bytes,
                need_bytes=need_bytes,
            )
            if isinstance(answer, Reserved):
                self._update(connection, fill_id, reserved_bytes=need_bytes)
        return answer

    def renew(self, fill_id: str, token: int, progress: Progress) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = self._locked(connection, fill_id, token)
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._hold_seconds)
            event = FillRenewed(now=now, hold_seconds=self._hold_seconds, token=token)
            after, verdict = step(facts, event)
            _refuse_fenced(verdict, fill_id)
            self._update(connection, fill_id, expires_at=after.held_until, **_progress_values(progress))

    def finish(self, fill_id: str, token: int, done: FillDone) -> Replica:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = self._locked(connection, fill_id, token)
            volume_id, key = row["volume_id"], row["version_id"]
            _, verdict = step(
                rows.facts(connection, volume_id, key, now, self._hold_seconds), FillFinished(token=token)
            )
            _refuse_fenced(verdict, fill_id)
            reason = f"filled in {done.seconds:.1f} s"
            values = {"fill_seconds": done.seconds, "last_used_at": now, "lake_confirmed_at": now, "attempts": 0}
            values["verified_at"] = now
            rows.set_state(connection, volume_id, key, ReplicaState.READY, reason, now, **values)
            connection.execute(
                sa.update(t.volume)
                .where(t.volume.c.volume_id == volume_id)
                .values(used_bytes=t.volume.c.used_bytes + done.added_bytes)
            )
            connection.execute(sa.delete(t.fill).where(t.fill.c.fill_id == fill_id))
            replica = rows.replicas(connection, volume_id, now, key)[0]
            _write_moved(connection, volume_id, replica.ref, row, done.moved_bytes, now)
            told = _filled_with(done)
            rows.record(connection, volume_id, replica.ref, "filled", told, done.added_bytes, now)
        return replica

    def fail(self, fill_id: str, token: int, reason: str, kept_bytes: int, *, damaged: bool = False) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = self._locked(connection, fill_id, token)
            volume_id, key = row["volume_id"], row["version_id"]
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            after, verdict = step(facts, FillFailed(token=token, damaged=damaged))
            _refuse_fenced(verdict, fill_id)
            rows.set_state(connection, volume_id, key, after.state, f"the last fill failed: {reason}", now)
            if kept_bytes:
                self._update(connection, fill_id, expires_at=0.0, reserved_bytes=kept_bytes)
            else:
                connection.execute(sa.delete(t.fill).where(t.fill.c.fill_id == fill_id))
            ref = rows.replicas(connection, volume_id, now, key)[0].ref
            _write_moved(connection, volume_id, ref, row, row["moved_bytes"], now)
            rows.record(connection, volume_id, ref, "fill-failed", reason, 0, now)

    def open_fills(self, volume_id: str) -> list[OpenFill]:
        now = self._clock.now()
        query = (
            sa.select(t.fill, t.dataset.c.name, t.version.c.number, t.version.c.subset)
            .join(t.version, t.version.c.version_id == t.fill.c.version_id)
            .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
            .where(t.fill.c.volume_id == volume_id)
            .order_by(t.fill.c.started_at)
        )
        with reading(self._engine) as connection:
            found = connection.execute(query).mappings().all()
        return [_open_fill(row, now) for row in found]

    def abandon(self, fill_id: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(t.fill).where(t.fill.c.fill_id == fill_id)).mappings().first()
            if row is None:
                return
            rows.lock_volume(connection, row["volume_id"])
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._hold_seconds)
            if facts.state is ReplicaState.FILLING:
                if facts.held_until > now:
                    raise ConflictError("in-use", f"the fill {fill_id} is under way", todo="Wait for it to end.")
                why = "the fill was abandoned"
                rows.set_state(connection, row["volume_id"], row["version_id"], ReplicaState.ABSENT, why, now)
            connection.execute(sa.delete(t.fill).where(t.fill.c.fill_id == fill_id))

    def _look(self, connection: Connection, volume_id: str, key: int, now: float) -> Ready | Waiting:
        replica = rows.replicas(connection, volume_id, now, key)[0]
        if replica.state is ReplicaState.READY:
            return Ready(replica=replica)
        row = self._fill_of(connection, volume_id, key)
        if replica.state is ReplicaState.FILLING and row is not None:
            return Waiting(replica=replica, holder=str(rows.holder(row)), progress=rows.progress(row))
        return Waiting(replica=replica, holder=replica.reason, progress=Progress())

    def _hold(
        self, connection: Connection, volume_id: str, key: int, token: int, holder: Holder, now: float, until: float
    ) -> str:
        values = {"token": token, "expires_at": until, "moved_bytes": 0, **rows.holder_values(holder)}
        row = self._fill_of(connection, volume_id, key)
        if row is not None:
            self._update(connection, row["fill_id"], **values)
            return str(row["fill_id"])
        fill_id = uuid.uuid4().hex
        fresh = {**_progress_values(Progress()), "started_at": now, "reserved_bytes": 0}
        where = {"fill_id": fill_id, "volume_id": volume_id, "version_id": key}
        connection.execute(sa.insert(t.fill).values({**fresh, **values, **where}))
        return fill_id

    def _fill_of(self, connection: Connection, volume_id: str, key: int) -> Any:
        here = sa.and_(t.fill.c.volume_id == volume_id, t.fill.c.version_id == key)
        return connection.execute(sa.select(t.fill).where(here)).mappings().first()

    def _locked(self, connection: Connection, fill_id: str, token: int) -> Any:
        """The fill's row, its volume locked; `fenced` when it is gone or another token holds it."""
        query = sa.select(t.fill).where(t.fill.c.fill_id == fill_id)
        row = connection.execute(query).mappings().first()
        if row is None:
            raise _fenced(fill_id)
        rows.lock_volume(connection, row["volume_id"])
        row = connection.execute(query).mappings().first()
        if row is None or row["token"] != token:
            raise _fenced(fill_id)
        return row

    def _update(self, connection: Connection, fill_id: str, **values: Any) -> None:
        changed = connection.execute(sa.update(t.fill).where(t.fill.c.fill_id == fill_id).values(values))
        if changed.rowcount != 1:
            raise InternalError("fill-row", f"the fill {fill_id} has {changed.rowcount} rows")


def _write_moved(connection: Connection, volume_id: str, ref: str, row: Any, moved_bytes: int, now: float) -> None:
    """Bytes that came from the lake, whether or not the fill came to its end."""
    if moved_bytes > 0:
        rows.write_use(connection, volume_id, ref, row["holder_user"], now, moved_bytes=moved_bytes)


def _filled_with(done: FillDone) -> str:
    from humanize import naturalsize

    there = f", {naturalsize(done.present_bytes, binary=True)} were there" if done.present_bytes else ""
    return f"moved {naturalsize(done.moved_bytes, binary=True)}{there}"


def _refuse_fenced(verdict: Verdict, fill_id: str) -> None:
    if verdict is Verdict.FENCED:
        raise _fenced(fill_id)


def _fenced(fill_id: str) -> ConflictError:
    return ConflictError(
        "fenced",
        f"another process has taken over the fill {fill_id}",
        todo="Nothing is lost: ask again and wait for the other one.",
    )


def _count_attempt(connection: Connection, volume_id: str, key: int) -> None:
    here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == key)
    connection.execute(sa.update(t.replica).where(here).values(attempts=t.replica.c.attempts + 1))


def _progress_values(progress: Progress) -> dict[str, int]:
    return {
        "total_files": progress.total_files,
        "total_bytes": progress.total_bytes,
        "present_files": progress.present_files,
        "present_bytes": progress.present_bytes,
        "moved_files": progress.moved_files,
        "moved_bytes": progress.moved_bytes,
    }


def _open_fill(row: Any, now: float) -> OpenFill:
    return OpenFill(
        fill_id=row["fill_id"],
        ref=ref_of(row["name"], row["number"], row["subset"]),
        token=row["token"],
        holder=str(rows.holder(row)),
        live=row["expires_at"] > now,
        reserved_bytes=row["reserved_bytes"],
        progress=rows.progress(row),
    )
