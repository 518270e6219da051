"""Runs, wanted and watched: `wire.runs.Runs` on the database. What becomes of them, the scheduler and agents decide."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.machine import Terms
from forebay.catalog import schema as t
from forebay.catalog.archive import Archive
from forebay.catalog.engine import once, reading, writing
from forebay.catalog.names import parse_ref
from forebay.catalog.records import find_version, storable
from forebay.catalog.retired import hold_refs, retired
from forebay.clock import Clock
from forebay.errors import ConflictError, InputError, NotFoundError
from forebay.hub import keepsakes, run_facts, run_logs, run_rows, site_rows, task_rows
from forebay.hub.changes import Changes, changes_of, orders_of
from forebay.hub.run_rows import Kept
from forebay.hub.shared_bytes import SharedBytes
from forebay.runs import backlog, machine, request
from forebay.runs.backlog import Queued
from forebay.runs.explain import site_row
from forebay.runs.world import Weights
from forebay.sites.labels import parse_labels
from forebay.sites.state import SiteTerms
from forebay.wire.runs import Explanation, Keepsake, LogPiece, NewRun, Run, RunPage, RunQuery, RunState

_MOST_ON_A_PAGE = 1000
_REASON_LENGTH = 1000


class RunStore:
    """Implements `wire.runs.Runs`. `poke` is told when something may begin that could not before."""

    def __init__(
        self,
        engine: Engine,
        archive: Archive,
        clock: Clock,
        terms: SiteTerms,
        cache_terms: Terms,
        changes: Changes,
        shared: SharedBytes,
        poke: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._archive = archive
        self._shared = shared
        self._clock = clock
        self._terms = terms
        self._cache_terms = cache_terms
        self._changes = changes
        self._poke = poke

    def submit(self, new: NewRun) -> Run:
        request.check(new)
        if new.code.bundle:
            self._archive.verify_bundle(new.code.bundle)
        run_id = uuid.uuid4().hex
        with writing(self._engine) as connection:
            resolved = _resolved(connection, new)
            hold_refs(connection, [use.ref for use in resolved.data])
            run_rows.insert(connection, machine.begin(run_id, resolved, self._clock.now()))
        self._poke()
        return self.get(run_id)

    def explain(self, new: NewRun) -> Explanation:
        request.check(new)
        now = self._clock.now()
        with reading(self._engine) as connection:
            resolved = _resolved(connection, new)
            facts = run_facts.load(connection, 0, now, self._terms, self._cache_terms, resolved)
        facts = run_facts.with_shared(facts, self._shared)
        asked = request.request_of("", resolved, now, facts.versions)
        queued = Queued(request=asked, weights=request.weights_of(resolved))
        placement = backlog.forecast(queued, facts.queue, facts.world, Weights(), now)
        choice = placement.choice.site if placement.choice else ""
        return Explanation(choice=choice, rows=tuple(site_row(row) for row in placement.rows))

    def get(self, run_id: str, after: int = 0, wait_s: float = 0.0) -> Run:
        with reading(self._engine) as connection:
            run = _find(connection, run_id).course.run
        if run.revision > after or wait_s <= 0:
            return run

        def look() -> Run | None:
            with reading(self._engine) as connection:
                found = _find(connection, run.run_id).course.run
            return found if found.revision > after else None

        return self._changes.wait(changes_of(run.run_id), look, wait_s) or self.get(run.run_id)

    def page(self, query: RunQuery) -> RunPage:
        limit = max(1, min(query.limit, _MOST_ON_A_PAGE))
        asked = sa.select(t.run).where(*_conditions(query)).order_by(t.run.c.run_seq.desc()).limit(limit + 1)
        with reading(self._engine) as connection:
            found = run_rows.read(connection, asked)
        more = len(found) > limit
        shown = found[:limit]
        return RunPage(runs=tuple(item.course.run for item in shown), next_before=str(shown[-1].seq) if more else "")

    def cancel(self, run_id: str, reason: str = "", by: str = "") -> Run:
        said = storable(reason, _REASON_LENGTH)
        event = machine.CancelAsked(by=storable(by, t.NAME_LENGTH), reason=said)
        with writing(self._engine) as connection:
            kept = _find(connection, run_id)
            if kept.course.under_way is not None:
                site = kept.course.under_way.site
                connection.execute(sa.select(t.site.c.name).where(t.site.c.name == site).with_for_update())
            kept = _find(connection, kept.course.run.run_id, lock=True)
            run = kept.course.run
            if run.state in (RunState.SUCCEEDED, RunState.FAILED):
                raise ConflictError("run-ended", f"The run {run.run_id} has {run.state} already.")
            after = machine.step(kept.course, event, self._clock.now(), self._terms)
            run_rows.save(connection, kept, after)
            sites = [after.under_way.site] if after.under_way is not None else []
            for site in sites:
                site_rows.change_orders(connection, site)
        self._changes.tell(changes_of(run.run_id), *(orders_of(site) for site in sites))
        self._poke()
        return self.get(run.run_id)

    def retry(self, run_id: str) -> Run:
        with writing(self._engine) as connection:
            kept = _find(connection, run_id, lock=True)
            run = kept.course.run
            if run.state is RunState.SUCCEEDED:
                raise ConflictError(
                    "run-succeeded", f"The run {run.run_id} has succeeded.", todo="Submit it anew to have it again."
                )
            if not run.state.is_final:
                raise ConflictError(
                    "run-not-ended", f"The run {run.run_id} is {run.state}.", todo="Cancel it first, or wait."
                )
            hold_refs(connection, [use.ref for use in run.new.data])
            after = machine.step(kept.course, machine.RetryAsked(), self._clock.now(), self._terms)
            run_rows.save(connection, kept, after)
            task_rows.forget_failed(connection, {use.ref for use in run.new.data})
        self._changes.tell(changes_of(run.run_id))
        self._poke()
        return self.get(run.run_id)

    def log(self, run_id: str, attempt: int, offset: int, limit: int) -> LogPiece:
        with reading(self._engine) as connection:
            seq = _find(connection, run_id).seq
            row = _attempt(connection, seq, run_id, attempt)
            return run_logs.piece(connection, seq, row.number, row.log_bytes, offset, limit, ended=bool(row.ending))

    def add_log(self, run_id: str, attempt: int, token: int, offset: int, text: str, dropped_bytes: int = 0) -> int:
        with writing(self._engine) as connection:
            seq = _find(connection, run_id).seq
            row = _own_attempt(connection, seq, run_id, attempt, token)
            return run_logs.add(connection, seq, row.number, row.log_bytes, offset, text, dropped_bytes)

    def keep(self, run_id: str, attempt: int, token: int, name: str, data: bytes) -> Keepsake:
        keepsakes.check(name, data)
        with writing(self._engine) as connection:
            seq = _find(connection, run_id).seq
            row = _own_attempt(connection, seq, run_id, attempt, token)
            return keepsakes.keep(connection, seq, row.number, name, data, self._clock.now())

    def keepsakes(self, run_id: str) -> tuple[Keepsake, ...]:
        with reading(self._engine) as connection:
            return tuple(keepsakes.of_run(connection, _find(connection, run_id).seq))

    def keepsake(self, run_id: str, attempt: int, name: str) -> bytes:
        with reading(self._engine) as connection:
            found = keepsakes.read(connection, _find(connection, run_id).seq, attempt, name)
        if found is None:
            told = f"Attempt {attempt} at the run {run_id} left no {name[:120]!r}."
            raise NotFoundError("keepsake-not-found", told, todo="Its page lists what it left.")
        return found

    def store_code(self, bundle: Path) -> str:
        return self._archive.add_bundle(bundle)

    def code_path(self, digest: str) -> Path:
        return self._archive.verify_bundle(digest)


def _resolved(connection: Connection, new: NewRun) -> NewRun:
    """With its refs as versions' own names; NotFoundError, InputError `bad-labels`."""
    if new.site:
        site_rows.find(connection, new.site)
    if new.where:
        known = {request.SITE} if new.site else set()
        for row in site_rows.every(connection):
            known |= parse_labels(row["labels"]).keys() | {request.SITE}
        request.expression_of(new, known)
    versions = [find_version(connection, parse_ref(use.ref)) for use in new.data]
    for version in versions:
        if version.is_retired:
            raise retired(version.ref)
    data = tuple(replace(use, ref=version.ref) for use, version in zip(new.data, versions, strict=True))
    return replace(new, data=data)


def _find(connection: Connection, run_id: str, *, lock: bool = False) -> Kept:
    """The run of an id, or of a unique beginning of one; NotFoundError `run-not-found`."""
    if not run_id or not run_id.isascii() or not run_id.isalnum():
        raise no_run(run_id)
    matches = run_rows.ids_beginning(connection, run_id)
    if len(matches) > 1 and run_id not in matches:
        raise ambiguous_run(run_id)
    if not matches:
        raise no_run(run_id)
    exact = run_id if run_id in matches else matches[0]
    if lock:
        return run_rows.load(connection, t.run.c.run_id == exact, lock=True)[0]
    return once(connection, ("run", exact), lambda: run_rows.load(connection, t.run.c.run_id == exact)[0])


def ambiguous_run(run_id: str) -> InputError:
    """The error of a beginning that several ids have."""
    told = f"Several runs have an id that begins with {run_id}."
    return InputError("ambiguous-run", told, todo="Give more of it.")


def no_run(run_id: str) -> NotFoundError:
    """The error of a run that is not there."""
    return NotFoundError("run-not-found", f"There is no run {run_id!r}.", todo="forebay runs ls shows them.")


def _attempt(connection: Connection, seq: int, run_id: str, number: int, *, lock: bool = False) -> Any:
    row = run_rows.attempt_row(connection, seq, number, lock=lock)
    if row is None:
        which = f"attempt {number} at" if number else "attempt yet at"
        raise NotFoundError(
            "attempt-not-found", f"There is no {which} the run {run_id}.", todo="forebay runs show ID lists them."
        )
    return row


def _own_attempt(connection: Connection, seq: int, run_id: str, number: int, token: int) -> Any:
    """Locked; ConflictError `fenced` where the token is not its own."""
    row = _attempt(connection, seq, run_id, number, lock=True)
    if row.token != token:
        raise ConflictError("fenced", f"Attempt {number} at the run {run_id} is another agent's.")
    return row


def _conditions(query: RunQuery) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if query.state is not None:
        found.append(t.run.c.state == query.state.value)
    if query.active:
        found.append(run_rows.active())
    for column, wanted in ((t.run.c.submitted_by, query.user), (t.run.c.team, query.team), (t.run.c.site, query.site)):
        if wanted:
            found.append(column == wanted)
    if query.dataset:
        found.append(t.run.c.run_seq.in_(sa.select(t.run_data.c.run_seq).where(t.run_data.c.dataset == query.dataset)))
    if query.before:
        if not query.before.isdecimal() or len(query.before) > 9:
            raise InputError("bad-cursor", f"{query.before[:40]!r} is no cursor.", todo="Begin with the first page.")
        found.append(t.run.c.run_seq < int(query.before))
    return found
