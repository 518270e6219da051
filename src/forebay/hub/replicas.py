"""What is on the volumes: `wire.hub.Replicas` on the database. The pure machine decides on evictions and repairs."""

from __future__ import annotations

from shlex import quote

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.health import Act
from forebay.cache.machine import (
    DamageFound,
    EvictAbandoned,
    EvictCancelled,
    EvictFinished,
    EvictRenewed,
    EvictRequested,
    Facts,
    Terms,
    Verdict,
    is_held,
    step,
)
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.retired import hold_live
from forebay.clock import Clock
from forebay.errors import ConflictError, NotFoundError
from forebay.hub import rows
from forebay.sites.tasks import RULES
from forebay.wire.cache import EvictGrant, Replica, ReplicaState
from forebay.wire.catalog import Version


class ReplicaStore:
    """Implements `wire.hub.Replicas`."""

    def __init__(self, engine: Engine, clock: Clock, terms: Terms) -> None:
        self._engine = engine
        self._clock = clock
        self._hold_seconds = terms.hold_seconds

    def all(self, volume_id: str) -> list[Replica]:
        with reading(self._engine) as connection:
            found = rows.replicas(connection, volume_id, self._clock.now())
        return [replica for replica in found if replica.state is not ReplicaState.ABSENT]

    def get(self, volume_id: str, version: Version) -> Replica | None:
        with reading(self._engine) as connection:
            key = rows.version_id(connection, version)
            found = rows.replicas(connection, volume_id, self._clock.now(), key)
        return found[0] if found and found[0].state is not ReplicaState.ABSENT else None

    def pin(self, volume_id: str, version: Version, by: str, reason: str, until: float) -> Replica:
        return self._change(volume_id, version, of_live=True, pinned_by=by, pin_reason=reason, pin_until=until)

    def unpin(self, volume_id: str, version: Version) -> Replica:
        return self._change(volume_id, version, pinned_by="", pin_reason="", pin_until=0.0)

    def confirm_lake(self, volume_id: str, version: Version) -> None:
        self._change(volume_id, version, lake_confirmed_at=self._clock.now())

    def begin_evict(self, volume_id: str, version: Version, reason: str) -> EvictGrant:
        now = self._clock.now()
        with writing(self._engine) as connection:
            token = rows.lock_volume(connection, volume_id, Act.EVICT) + 1
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            _, verdict = step(facts, EvictRequested(now=now, hold_seconds=self._hold_seconds, next_token=token))
            if verdict is not Verdict.GRANTED:
                (replica,) = rows.replicas(connection, volume_id, now, key) or (None,)
                raise _not_evictable(version.ref, verdict, facts.state, replica.pinned_by if replica else "")
            rows.save_token(connection, volume_id, token)
            # `since` is the holder's clock here, also when an abandoned eviction is taken up again.
            values = {"token": token, "since": now}
            rows.set_state(connection, volume_id, key, ReplicaState.EVICTING, reason, now, **values)
            return EvictGrant(replica=rows.replicas(connection, volume_id, now, key)[0], token=token)

    def renew_evict(self, volume_id: str, version: Version, token: int) -> None:
        now = self._clock.now()
        event = EvictRenewed(now=now, hold_seconds=self._hold_seconds, token=token)
        self._hold_since(volume_id, version, event, now)

    def abandon_evict(self, volume_id: str, version: Version, token: int) -> None:
        self._hold_since(volume_id, version, EvictAbandoned(token=token), self._clock.now() - self._hold_seconds)

    def cancel_evict(self, volume_id: str, version: Version, token: int, reason: str, *, damaged: bool) -> None:
        with writing(self._engine) as connection:
            event = EvictCancelled(token=token, damaged=damaged)
            key, after = self._evict_step(connection, volume_id, version, event)
            rows.set_state(connection, volume_id, key, after.state, reason, self._clock.now())

    def finish_evict(self, volume_id: str, version: Version, token: int, freed_bytes: int) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            key, _ = self._evict_step(connection, volume_id, version, EvictFinished(token=token))
            reason = rows.replicas(connection, volume_id, now, key)[0].reason
            rows.clear(connection, volume_id, key)
            rows.free_bytes(connection, volume_id, freed_bytes)
            rows.record(connection, volume_id, version.ref, "evicted", reason, freed_bytes, now)

    def mark_verified(self, volume_id: str, version: Version, token: int) -> None:
        with writing(self._engine) as connection:
            key = rows.version_id(connection, version)
            here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == key)
            now = self._clock.now()
            connection.execute(sa.update(t.replica).where(here, t.replica.c.token == token).values(verified_at=now))

    def mark_damaged(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> Replica:
        now = self._clock.now()
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            _, verdict = step(facts, DamageFound(token=token))
            if verdict is Verdict.NOT_READY:
                raise ConflictError("not-ready", f"{version.ref} is {facts.state} here, not ready")
            rows.set_state(connection, volume_id, key, ReplicaState.DAMAGED, reason, now)
            rows.record(connection, volume_id, version.ref, "damaged", reason, 0, now)
            return rows.replicas(connection, volume_id, now, key)[0]

    def adopt(self, volume_id: str, version: Version, token: int, fill_seconds: float) -> Replica:
        now = self._clock.now()
        with writing(self._engine) as connection:
            last = rows.lock_volume(connection, volume_id)
            key = rows.version_id(connection, version)
            facts = rows.facts(connection, volume_id, key, now, self._hold_seconds)
            busy = facts.state in (ReplicaState.FILLING, ReplicaState.EVICTING)
            if busy and is_held(facts.held_until, now, self._hold_seconds):
                raise ConflictError("in-use", f"{version.ref} is {facts.state} now", todo="Wait for it to end.")
            rows.save_token(connection, volume_id, max(last, token))
            reason = "found on the volume by recover"
            # What that fill moved is not known any more.
            values = {"token": token, "fill_seconds": fill_seconds, "fill_bytes": 0, "verified_at": 0.0}
            rows.set_state(connection, volume_id, key, ReplicaState.READY, reason, now, **values)
            here = sa.and_(t.fill.c.volume_id == volume_id, t.fill.c.version_id == key)
            # What its reservation covered is the account's from now on; the count that follows knows it better.
            reserved_bytes = connection.execute(sa.select(t.fill.c.reserved_bytes).where(here)).scalar() or 0
            rows.add_bytes(connection, volume_id, reserved_bytes)
            connection.execute(sa.delete(t.fill).where(here))
            rows.record(connection, volume_id, version.ref, "adopted", reason, version.size_bytes, now)
            return rows.replicas(connection, volume_id, now, key)[0]

    def forget(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            key = rows.version_id(connection, version)
            if token and rows.facts(connection, volume_id, key, now, self._hold_seconds).token != token:
                raise ConflictError("not-ready", f"{version.ref} was filled again meanwhile")
            rows.clear(connection, volume_id, key)
            rows.record(connection, volume_id, version.ref, "forgotten", reason, version.size_bytes, now)

    def _change(self, volume_id: str, version: Version, *, of_live: bool = False, **values: str | float) -> Replica:
        with writing(self._engine) as connection:
            rows.lock_volume(connection, volume_id)
            key = rows.version_id(connection, version)
            if of_live:
                hold_live(connection, key)
            here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == key)
            state = connection.execute(sa.select(t.replica.c.state).where(here)).scalar()
            if state == ReplicaState.EVICTING:
                raise ConflictError("not-ready", f"{version.ref} is being evicted", todo="Warm it again afterwards.")
            if state is None or state == ReplicaState.ABSENT:
                raise NotFoundError(
                    "not-cached",
                    f"{version.ref} is not on this volume",
                    todo=f"Bring it there with: forebay cache warm {quote(version.ref)}",
                )
            connection.execute(sa.update(t.replica).where(here).values(values))
            return rows.replicas(connection, volume_id, self._clock.now(), key)[0]

    def _hold_since(self, volume_id: str, version: Version, event: EvictRenewed | EvictAbandoned, since: float) -> None:
        with writing(self._engine) as connection:
            key, _ = self._evict_step(connection, volume_id, version, event)
            here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == key)
            connection.execute(sa.update(t.replica).where(here).values(since=since))

    def _evict_step(
        self,
        connection: Connection,
        volume_id: str,
        version: Version,
        event: EvictRenewed | EvictCancelled | EvictFinished | EvictAbandoned,
    ) -> tuple[int, Facts]:
        """The holder's report on its eviction: the replica's key and what it is then; ConflictError `fenced`."""
        rows.lock_volume(connection, volume_id)
        key = rows.version_id(connection, version)
        facts = rows.facts(connection, volume_id, key, self._clock.now(), self._hold_seconds)
        after, verdict = step(facts, event)
        if verdict is Verdict.FENCED:
            raise ConflictError("fenced", f"another process goes on evicting {version.ref}")
        return key, after


def _not_evictable(ref: str, verdict: Verdict, state: ReplicaState, pinned_by: str) -> ConflictError:
    match verdict:
        case Verdict.IN_USE:
            return ConflictError("in-use", f"{ref} is in use", todo="See who uses it: forebay cache why " + quote(ref))
        case Verdict.PINNED if pinned_by.startswith(RULES):
            rule = pinned_by.removeprefix(RULES)
            todo = f"See: forebay rule show {rule}; forebay rule rm {rule} ends it"
            return ConflictError("pinned", f"{ref} is kept by {pinned_by}", todo=todo)
        case Verdict.PINNED:
            return ConflictError("pinned", f"{ref} is pinned", todo=f"Unpin it first: forebay cache unpin {quote(ref)}")
        case _:
            return ConflictError("not-ready", f"{ref} is {state} here", todo="See: forebay cache why " + quote(ref))
