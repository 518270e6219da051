"""Retires versions by policy and by hand: `wire.retention.Retention` on the database.

`catalog.retention` decides. What goes is decided again with the versions' rows locked, and marked and written to the
audit in that same transaction: a hub that is killed has retired all of it or nothing, and of several hubs on one
database one does it. Nothing here deletes anything.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, Engine

from forebay.catalog import retention as rules
from forebay.catalog import retired
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.records import WHOLE, dataset_id, load_versions, storable, version_id
from forebay.clock import Clock
from forebay.errors import ConflictError, ForebayError
from forebay.hub import retention_facts as facts
from forebay.hub.access.trail import Deed, Line, Request, write
from forebay.hub.retention_facts import Subject
from forebay.log import Logger
from forebay.wire.access import Outcome
from forebay.wire.catalog import Version, ref_of
from forebay.wire.retention import RetentionPlan, RetentionPolicy, VersionFate

EVERY_S = 3600.0
"""How often each policy is looked at, by some hub."""

LOOK_S = 60.0
"""How often a hub asks whether one is due."""

BY_POLICY = "hub:retention"
"""Who retires by policy. No user can have such a name."""

_log = Logger("retention")


class RetentionStore:
    """Implements `wire.retention.Retention`."""

    def __init__(self, engine: Engine, clock: Clock, grace_s: float = rules.GRACE_S) -> None:
        self._engine = engine
        self._clock = clock
        self._grace_s = grace_s
        self._looked_at: float | None = None

    def policy(self, dataset: str) -> RetentionPolicy:
        with reading(self._engine) as connection:
            return facts.subject(connection, dataset).policy

    def set_policy(self, policy: RetentionPolicy, by: str = "") -> RetentionPolicy:
        rules.check(policy)
        new = replace(policy, set_by=storable(by, t.NAME_LENGTH), set_at=self._clock.now())
        with writing(self._engine) as connection:
            facts.write(connection, dataset_id(connection, policy.dataset, lock=True), new)
        return self.policy(policy.dataset)

    def plan(self, dataset: str, proposed: RetentionPolicy | None = None) -> RetentionPlan:
        with reading(self._engine) as connection:
            found = facts.subject(connection, dataset)
            if proposed is not None:
                found = replace(found, policy=replace(rules.check(proposed), dataset=dataset))
            return self._plan(connection, found, self._clock.now())

    def apply(self, dataset: str, by: str = "") -> RetentionPlan:
        return self._carry_out(dataset, by=by, asked=True)

    def retire(self, dataset: str, number: int, reason: str, by: str = "") -> Version:
        now = self._clock.now()
        with writing(self._engine) as connection:
            owner = dataset_id(connection, dataset, lock=True)
            version_id(connection, dataset, number)
            retired.lock(connection, owner, [number])
            for standing in facts.standings(connection, dataset, owner, now, [number]):
                held = rules.held(standing)
                if held is not None:
                    raise _held(ref_of(dataset, number), held[1])
            self._mark(connection, owner, number, now, by=by, reason=reason or "somebody asked for it")
            return _version(connection, owner, number)

    def restore(self, dataset: str, number: int, by: str = "") -> Version:
        with writing(self._engine) as connection:
            owner = dataset_id(connection, dataset, lock=True)
            version_id(connection, dataset, number)
            retired.clear(connection, owner, number, now=self._clock.now())
            return _version(connection, owner, number)

    # Of itself

    def tend(self, dataset: str) -> None:
        """Do what a dataset's policy says, unless that is very much. What fails is told, and done the next time."""
        try:
            self._tend(dataset)
        except ForebayError as error:
            _log.warning("retention-failed", dataset=dataset, kind=error.kind, error=error.message)

    def tend_due(self) -> None:
        """The same for every dataset that no hub has looked at for an hour; one that fails holds up no other."""
        now = self._clock.monotonic()
        if self._looked_at is not None and 0 <= now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        with reading(self._engine) as connection:
            due = facts.due(connection, self._clock.now(), EVERY_S)
        for dataset in due:
            self.tend(dataset)

    def _tend(self, dataset: str) -> None:
        with reading(self._engine) as connection:
            found = facts.subject(connection, dataset)
        if found.policy.keeps_all:
            return
        plan = self._carry_out(dataset, by="", asked=False)
        if plan.waits:
            _log.warning("retention-waits", dataset=dataset, reason=plan.waits)

    def _carry_out(self, dataset: str, *, by: str, asked: bool) -> RetentionPlan:
        now = self._clock.now()
        with writing(self._engine) as connection:
            found = facts.subject(connection, dataset, lock=True)
            facts.touch(connection, found.dataset_id, now)
            plan = self._plan(connection, found, now)
            if not plan.retiring or (plan.waits and not asked):
                return plan
            numbers = {fate.number for fate in plan.retiring}
            retired.lock(connection, found.dataset_id, numbers)
            # What began before the lock is seen now, and what begins after it sees the marks.
            plan = self._only(self._plan(connection, found, now), numbers)
            for fate in plan.retiring:
                by_whom = by if asked else BY_POLICY
                self._mark(connection, found.dataset_id, fate.number, now, by=by_whom, reason=_told(plan.policy, fate))
                if not asked:
                    _write_audit(connection, dataset, fate, now)
        return plan

    def _plan(self, connection: Connection, found: Subject, now: float) -> RetentionPlan:
        dataset, owner = found.policy.dataset, found.dataset_id
        fates = rules.decide(found.policy, facts.standings(connection, dataset, owner, now), now, self._grace_s)
        going = {fate.number for fate in fates if fate.retires}
        held_bytes = facts.replica_bytes(connection, owner, going) if going else 0
        return RetentionPlan(policy=found.policy, fates=fates, replica_bytes=held_bytes, waits=rules.brake(fates))

    def _only(self, plan: RetentionPlan, numbers: set[int]) -> RetentionPlan:
        """Without those that became due only since: their rows are not locked."""
        return replace(plan, fates=tuple(fate for fate in plan.fates if not fate.retires or fate.number in numbers))

    def _mark(self, connection: Connection, owner: int, number: int, now: float, *, by: str, reason: str) -> None:
        release_at = now + self._grace_s
        retired.mark(connection, owner, number, now=now, release_at=release_at, by=by, reason=reason)


def _version(connection: Connection, owner: int, number: int) -> Version:
    return load_versions(connection, t.version.c.dataset_id == owner, t.version.c.number == number, WHOLE)[0]


def _told(policy: RetentionPolicy, fate: VersionFate) -> str:
    kept = [f"the newest {policy.keep_last}"] if policy.keep_last is not None else []
    kept += [f"{policy.keep_days:g} days"] if policy.keep_days is not None else []
    return f"{fate.reason}; kept are {' and '.join(kept)}"


def _write_audit(connection: Connection, dataset: str, fate: VersionFate, now: float) -> None:
    deed = Deed(
        action="remove", call="retention.apply", dataset=dataset, ref=fate.ref, detail=f"retired: {fate.reason}"
    )
    line = Line(user=BY_POLICY, token_id="", deed=deed, request=Request(), outcome=Outcome.ALLOWED)
    write(connection, line, now)


def _held(ref: str, reason: str) -> ConflictError:
    return ConflictError(
        "version-held", f"{ref} can't be retired: {reason}.", todo="Take that away first, or wait for its end."
    )
