"""Who may fill, and the room for it: `wire.hub.Fills` on the database, decided by the pure machine and account.

A fill's row stays from the first grant until the replica is ready: its id names the folder under incoming/, its
reservation counts against the volume, also while nobody holds it (leftovers wait for the next try).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache import account
from forebay.cache.bandwidth import rate_now, seconds_for
from forebay.cache.health import Act
from forebay.cache.machine import FillFailed, FillFinished, FillRenewed, FillRequested, Terms, Verdict, is_held, step
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.retired import hold_live
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import ConflictError, InternalError
from forebay.hub import rows
from forebay.hub.drained import require_undrained
from forebay.hub.ledger import Subject, write_moved
from forebay.wire.cache import (
    Claim,
    FillDone,
    Granted,
    Holder,
    NoRoom,
    OpenFill,
    Progress,
    Quota,
    Ready,
    Replica,
    ReplicaState,
    Reserved,
    Waiting,
    Wish,
)
from forebay.wire.catalog import Version, ref_of


class FillStore:
    """Implements `wire.hub.Fills`."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._hold_seconds = terms.hold_seconds
        self._lease_seconds = terms.lease_seconds

    def claim(self, volume_id: str, version: Version, holder: Holder, *, dead_token: int = 0) -> Claim:
        now = self._clock.now()
        with writing(self._engine) as connection:
            token = rows.lock_volume(connection, volume_id, Act.FILL) + 1
            key = rows.version_id(connection, version)
            hold_live(connection, key)
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            wish = FillRequested(now=now, hold_seconds=self._hold_seconds, next_token=token, dead_token=dead_token)
            after, verdict = step(facts, wish)
            if verdict in (Verdict.READY, Verdict.WAIT):
                return self._look(connection, volume_id, key, now)
            require_undrained(connection, volume_id, version, "fill", now)
            rows.save_token(connection, volume_id, token)
            if verdict is Verdict.TAKEN_OVER:
                row = self._fill_of(connection, volume_id, key)
                if row is not None:
                    before = rows.replicas(connection, volume_id, now, key)[0]
                    _write_moved(connection, before, row, rows.progress(row), now)
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
            waits = facts.state in (ReplicaState.FILLING, ReplicaState.EVICTING)
            waits &= is_held(facts.held_until, now, self._hold_seconds)
            if facts.state is not ReplicaState.READY and not waits:
                return None
            return self._look(connection, volume_id, key, now)

    def reserve(
        self, fill_id: str, token: int, need_bytes: int, free_bytes: int, team_bytes: int = 0
    ) -> Reserved | NoRoom:
        with writing(self._engine) as connection:
            row = self._locked(connection, fill_id, token)
            now = self._clock.now()
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._hold_seconds)
            _, verdict = step(facts, FillRenewed(now=now, hold_seconds=self._hold_seconds, token=token))
            _refuse_fenced(verdict, fill_id)
            volume = (
                connection.execute(sa.select(t.volume).where(t.volume.c.volume_id == row["volume_id"])).mappings().one()
            )
            others = _others(connection, row["volume_id"], fill_id)
            quota = _quota(connection, row)
            answer = account.within(
                quota, team_bytes + sum(item.reserved_bytes for item in others if quota and item.team == quota.team)
            ) or account.reserve(
                limit_bytes=volume["limit_bytes"],
                used_bytes=volume["used_bytes"],
                reserved_bytes=sum(other.reserved_bytes for other in others),
                unwritten_bytes=sum(max(0, other.reserved_bytes - other.moved_bytes) for other in others),
                free_bytes=free_bytes,
                need_bytes=need_bytes,
            )
            if isinstance(answer, Reserved):
                self._update(connection, fill_id, reserved_bytes=need_bytes)
            else:
                # Room will be sought among what nobody uses.
                rows.shorten_leases(connection, now, self._lease_seconds, volume_id=row["volume_id"])
        return answer

    def renew(self, fill_id: str, token: int, progress: Progress) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = self._locked(connection, fill_id, token)
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._hold_seconds)
            event = FillRenewed(now=now, hold_seconds=self._hold_seconds, token=token)
            after, verdict = step(facts, event)
            _refuse_fenced(verdict, fill_id)
            rate_bytes_s = rate_now(
                row["rate_bytes_s"], progress.moved_bytes - row["moved_bytes"], now - (row["told_at"] or now)
            )
            told = {"rate_bytes_s": rate_bytes_s, "told_at": now, **_progress_values(progress)}
            self._update(connection, fill_id, expires_at=after.held_until, **told)

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
            if done.learned_files:
                reason += f"; digest learned here for {done.learned_files} of its files"
            measured = {"fill_seconds": done.seconds, "fill_bytes": done.moved_bytes}
            values = {**measured, "last_used_at": now, "lake_confirmed_at": now, "attempts": 0}
            values["verified_at"] = now
            rows.set_state(connection, volume_id, key, ReplicaState.READY, reason, now, **values)
            rows.add_bytes(connection, volume_id, done.added_bytes)
            connection.execute(sa.delete(t.fill).where(t.fill.c.fill_id == fill_id))
            replica = rows.replicas(connection, volume_id, now, key)[0]
            brought = Progress(moved_bytes=done.moved_bytes + done.peer_bytes, peer_bytes=done.peer_bytes)
            _write_moved(connection, replica, row, brought, now, seconds=done.seconds)
            rows.fade_in_fill(connection, volume_id, done.moved_bytes, _lake_seconds(done), now)
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
            connection.execute(sa.delete(t.wish).where(t.wish.c.fill_id == fill_id))
            if kept_bytes:
                self._update(connection, fill_id, expires_at=0.0, reserved_bytes=kept_bytes)
            else:
                connection.execute(sa.delete(t.fill).where(t.fill.c.fill_id == fill_id))
            replica = rows.replicas(connection, volume_id, now, key)[0]
            _write_moved(connection, replica, row, rows.progress(row), now)
            rows.record(connection, volume_id, replica.ref, "fill-failed", reason, 0, now)

    def prefer(self, volume_id: str, version: Version, entries: Sequence[int]) -> None:
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, self._clock.now(), self._hold_seconds)
            row = self._fill_of(connection, volume_id, key)
            if facts.state is not ReplicaState.FILLING or row is None:
                return
            for entry in entries:
                insert_if_absent(connection, t.wish, {"fill_id": row["fill_id"], "entry": entry})

    def wishes(self, fill_id: str, token: int, after: int) -> list[Wish]:
        query = (
            sa.select(t.wish.c.wish_id, t.wish.c.entry)
            .join(t.fill, t.fill.c.fill_id == t.wish.c.fill_id)
            .where(t.fill.c.fill_id == fill_id, t.fill.c.token == token, t.wish.c.wish_id > after)
            .order_by(t.wish.c.wish_id)
        )
        with reading(self._engine) as connection:
            return [Wish(number=row.wish_id, entry=row.entry) for row in connection.execute(query)]

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
        return [_open_fill(row, now, self._hold_seconds) for row in found]

    def abandon(self, fill_id: str) -> int:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(t.fill).where(t.fill.c.fill_id == fill_id)).mappings().first()
            if row is None:
                return 0
            rows.lock_volume(connection, row["volume_id"])
            facts = rows.facts(connection, row["volume_id"], row["version_id"], now, self._hold_seconds)
            if facts.state is ReplicaState.FILLING:
                if is_held(facts.held_until, now, self._hold_seconds):
                    raise ConflictError("in-use", f"the fill {fill_id} is under way", todo="Wait for it to end.")
                why = "the fill was abandoned"
                rows.set_state(connection, row["volume_id"], row["version_id"], ReplicaState.ABSENT, why, now)
                replica = rows.replicas(connection, row["volume_id"], now, row["version_id"])[0]
                _write_moved(connection, replica, row, rows.progress(row), now)
            connection.execute(sa.delete(t.fill).where(t.fill.c.fill_id == fill_id))
            left_bytes = int(row["reserved_bytes"])
            rows.add_bytes(connection, row["volume_id"], left_bytes)
        return left_bytes

    def _look(self, connection: Connection, volume_id: str, key: int, now: float) -> Ready | Waiting:
        replica = rows.replicas(connection, volume_id, now, key)[0]
        if replica.state is ReplicaState.READY:
            return Ready(replica=replica)
        row = self._fill_of(connection, volume_id, key)
        if replica.state is ReplicaState.FILLING and row is not None:
            holder = rows.holder(row)
            return Waiting(
                replica=replica,
                holder=str(holder),
                progress=rows.progress(row),
                process=holder.process,
                fill_id=row["fill_id"],
            )
        return Waiting(replica=replica, holder=replica.reason, progress=Progress())

    def _hold(
        self, connection: Connection, volume_id: str, key: int, token: int, holder: Holder, now: float, until: float
    ) -> str:
        nothing = dict.fromkeys(("moved_bytes", "again_bytes", "peer_bytes"), 0)
        begins = {"rate_bytes_s": 0.0, "told_at": now}
        values = {"token": token, "expires_at": until, **nothing, **begins, **rows.holder_values(holder)}
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
            raise fenced(fill_id)
        rows.lock_volume(connection, row["volume_id"])
        row = connection.execute(query).mappings().first()
        if row is None or row["token"] != token:
            raise fenced(fill_id)
        return row

    def _update(self, connection: Connection, fill_id: str, **values: Any) -> None:
        changed = connection.execute(sa.update(t.fill).where(t.fill.c.fill_id == fill_id).values(values))
        if changed.rowcount != 1:
            raise InternalError("fill-row", f"the fill {fill_id} has {changed.rowcount} rows")


def _write_moved(
    connection: Connection, replica: Replica, row: Any, brought: Progress, now: float, *, seconds: float | None = None
) -> None:
    """Bytes that came from the lake or another site, whether or not the fill came to its end.

    A fill that broke off told no time: it is taken to have had the volume's bandwidth.
    """
    subject = Subject(
        volume_id=replica.volume_id,
        ref=replica.ref,
        dataset=replica.dataset,
        team=replica.team,
        user=row["holder_user"],
    )
    if seconds is None:
        bytes_s = rows.lately(connection, replica.volume_id).bytes_s
        seconds = seconds_for(brought.lake_bytes + brought.peer_bytes, bytes_s)
    write_moved(connection, subject, now, brought.lake_bytes, brought.peer_bytes, seconds)


def _others(connection: Connection, volume_id: str, fill_id: str) -> Sequence[Any]:
    """What the volume's other fills set aside, and for which team."""
    query = (
        sa.select(t.fill.c.reserved_bytes, t.fill.c.moved_bytes, t.dataset.c.team)
        .join(t.version, t.version.c.version_id == t.fill.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.fill.c.volume_id == volume_id, t.fill.c.fill_id != fill_id)
    )
    return connection.execute(query).all()


def _quota(connection: Connection, row: Any) -> Quota | None:
    """The quota that a fill's dataset stands under."""
    query = (
        sa.select(t.quota)
        .join(t.dataset, t.dataset.c.team == t.quota.c.team)
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.quota.c.volume_id == row["volume_id"], t.version.c.version_id == row["version_id"])
    )
    found = connection.execute(query).mappings().first()
    return None if found is None else Quota(**found)


def _lake_seconds(done: FillDone) -> float:
    """The part of a fill's time that its bytes from the lake stand for."""
    brought = done.moved_bytes + done.peer_bytes
    return done.seconds * done.moved_bytes / brought if brought else done.seconds


def _filled_with(done: FillDone) -> str:
    from humanize import naturalsize

    there = f", {naturalsize(done.present_bytes, binary=True)} were there" if done.present_bytes else ""
    peers = f", {naturalsize(done.peer_bytes, binary=True)} of another site" if done.peer_bytes else ""
    return f"moved {naturalsize(done.moved_bytes, binary=True)}{peers}{there}"


def _refuse_fenced(verdict: Verdict, fill_id: str) -> None:
    if verdict is Verdict.FENCED:
        raise fenced(fill_id)


def fenced(fill_id: str) -> ConflictError:
    """The error of a fill that another process holds, or that is none."""
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
        "again_bytes": progress.again_bytes,
        "peer_bytes": progress.peer_bytes,
    }


def _open_fill(row: Any, now: float, hold_seconds: float) -> OpenFill:
    return OpenFill(
        fill_id=row["fill_id"],
        ref=ref_of(row["name"], row["number"], row["subset"]),
        token=row["token"],
        holder=str(rows.holder(row)),
        live=is_held(row["expires_at"], now, hold_seconds),
        reserved_bytes=row["reserved_bytes"],
        progress=rows.progress(row),
        process=row["holder_process"],
    )
