"""Has the queue of runs go on: facts from the database, a pure pass over them (`runs.backlog`), what comes of it back.

Any number of hubs of one database may do it at once. A pass writes only while nobody else has written one since its
facts were read (`pass_count`), each run only if it is still as it was read, and a start only for the agent that the
facts named. There is no lock that somebody could die with; what is not written, the next pass finds again.

It has rules go on, too (`rule_rounds`), and looks after holds: an attempt counts as lost when its hold has run out by
the wall clock and this process has seen nothing of its agent for as long by a clock that nobody sets.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.cache.machine import Terms
from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.hub import agents, downtimes, run_facts, run_purge, run_rows, site_rows, task_rows
from forebay.hub import rows as cache_rows
from forebay.hub.changes import Changes, changes_of, orders_of
from forebay.hub.foreground import MOST_S, Foreground, before_questions
from forebay.hub.rule_rounds import RuleRounds
from forebay.hub.run_facts import Facts
from forebay.hub.run_rows import Kept
from forebay.hub.shared_bytes import SharedBytes
from forebay.hub.sites import want
from forebay.log import Logger
from forebay.runs import backlog, machine
from forebay.runs.plan import Plan, planned
from forebay.runs.world import Weights
from forebay.sites import tasks
from forebay.sites.silence import Silence
from forebay.sites.state import SiteTerms
from forebay.wire.sites import SiteState, TaskKind

TICK_S = 1.0
"""How often a serving hub looks at holds."""

PASS_S = 5.0
"""And at the queue, when nothing has happened that it knows of."""

RETHINK_S = 300.0
"""And whether a run that waits would be better off elsewhere."""

_TASKS_KEPT_S = 7 * 86400.0
_PURGE_S = 3600.0
_PURGES = 25

_log = Logger("scheduler")


class Scheduler:
    """One of a hub. `tick` does all that is due now; `run_forever` ticks in a thread of the caller's until `close`.

    `chores` are what else a serving hub looks at with every tick: each sees by itself whether it is time.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        terms: SiteTerms,
        cache_terms: Terms,
        changes: Changes,
        shared: SharedBytes,
        kept: run_purge.Kept | None = None,
        foreground: Foreground | None = None,
    ) -> None:
        self._engine = engine
        self._shared = shared
        self._clock = clock
        self._terms = terms
        self._cache_terms = cache_terms
        self._changes = changes
        self._kept = kept or run_purge.Kept()
        self._foreground = foreground or Foreground()
        self._rules = RuleRounds(engine, clock, terms, changes)
        self._silence = Silence()
        self._ticked_at = math.inf
        self._busy = threading.Lock()
        self._poked = threading.Event()
        self._closed = threading.Event()
        self._serving = False
        self.chores: list[Callable[[], object]] = []
        self._passed_at = self._rethought_at = self._purged_at = clock.monotonic()

    def poke(self) -> None:
        """Something may begin that could not before: at once, or by the thread that serves."""
        self._poked.set()
        if not self._serving:
            try:
                self._tick_poked()
            except ForebayError as error:
                # Whoever poked has done what it wanted; what is left here, the next tick does.
                _log.warning("tick-failed", kind=error.kind, error=error.message)

    def tick(self, *, rethink: bool = False) -> None:
        """What is due: holds that ran out, states of sites, tasks to try again, and a pass over the queue."""
        with self._busy:
            self._poked.clear()
            self._tend()
            self._pass(rethink=rethink)
        self._tick_poked()

    def run_forever(self) -> None:
        """Until `close`. A tick that fails is told, and the next one comes."""
        self._serving = True
        while not self._closed.is_set():
            try:
                self._serve_once()
            except ForebayError as error:
                _log.warning("tick-failed", kind=error.kind, error=error.message)
            self._poked.wait(TICK_S)

    @contextmanager
    def running(self) -> Iterator[None]:
        """With `run_forever` in a thread of its own, until the end."""
        thread = threading.Thread(target=self.run_forever, name="scheduler")
        thread.start()
        try:
            yield
        finally:
            self.close()
            thread.join()

    def close(self) -> None:
        """End `run_forever` soon."""
        self._closed.set()
        self._poked.set()

    def _tick_poked(self) -> None:
        """Of several pokes at once, one does what all of them want."""
        while self._poked.is_set() and self._busy.acquire(blocking=False):
            try:
                self._poked.clear()
                self._tend()
                self._pass(rethink=False)
            finally:
                self._busy.release()

    def _serve_once(self) -> None:
        now = self._clock.monotonic()
        with self._busy:
            poked = self._poked.is_set()
            self._poked.clear()
            changed = self._tend()
            if poked or changed or now - self._passed_at >= PASS_S:
                rethink = now - self._rethought_at >= RETHINK_S
                if rethink:
                    self._rethought_at = now
                self._pass(rethink=rethink)
        for chore in self.chores:
            chore()

    # Holds, states and tasks

    def _tend(self) -> bool:
        """Whether anything changed."""
        now = self._clock.now()
        self._heed_clock(now)
        with reading(self._engine) as connection:
            heard, uneasy = site_rows.heard(connection), site_rows.uneasy(connection, now, self._terms)
            under_way = run_rows.load(
                connection,
                run_rows.active(),
                t.run.c.run_seq.in_(sa.select(t.attempt.c.run_seq).where(t.attempt.c.ending == "")),
            )
            due = {
                errand.task.site
                for errand in task_rows.opened(connection)
                if tasks.step(errand, tasks.Due(), now) is not errand
            }
        keys: set[str] = set()
        self._silence.look(self._clock.monotonic(), _heard_of(heard, under_way))
        for kept in under_way:
            if self._is_over(kept, now):
                keys |= self._end_hold(kept)
        for site in sorted(due.union(row["name"] for row in uneasy if self._needs_care(row, now))):
            keys |= self._tend_site(site)
        self._purge(now)
        self._changes.tell(*keys)
        return bool(keys)

    def _heed_clock(self, now: float) -> None:
        """At its first tick, and when the clock was set back since the last one."""
        if now < self._ticked_at:
            with writing(self._engine) as connection:
                cache_rows.shorten_leases(connection, now, self._cache_terms.lease_seconds)
        self._ticked_at = now

    def _is_over(self, kept: Kept, now: float) -> bool:
        """Whether time alone changes it: its hold is over, or is so far off that the clock must have been set back."""
        after = machine.step(kept.course, machine.TimePassed(), now, self._terms)
        if after is kept.course or after.under_way is not None:
            return after is not kept.course
        return self._is_silent(("run", kept.seq))

    def _is_silent(self, key: Hashable) -> bool:
        return self._silence.seconds(key, self._clock.monotonic()) >= self._terms.hold_s + self._terms.margin_s

    def _needs_care(self, row: site_rows.Row, now: float) -> bool:
        return (
            site_rows.stands(row, now, self._terms) != site_rows.standing(row)
            or row["seen_at"] > now + self._terms.margin_s
            or self._is_gone(row, now)
            or bool(site_rows.windows_over(row, now))
        )

    def _is_gone(self, row: site_rows.Row, now: float) -> bool:
        over = bool(row["attached"]) and now > row["seen_at"] + self._terms.hold_s + self._terms.margin_s
        return over and self._is_silent(("site", row["name"]))

    def _end_hold(self, kept: Kept) -> set[str]:
        site = kept.course.run.attempts[-1].site
        now = self._clock.now()
        with writing(self._engine) as connection:
            connection.execute(sa.select(t.site.c.name).where(t.site.c.name == site).with_for_update())
            for now_kept in run_rows.load(connection, t.run.c.run_seq == kept.seq, lock=True):
                after = machine.step(now_kept.course, machine.TimePassed(), now, self._terms)
                if after is not now_kept.course and run_rows.save(connection, now_kept, after):
                    site_rows.change_orders(connection, site)
                    return {changes_of(after.run.run_id), orders_of(site)}
        return set()

    def _tend_site(self, site: str) -> set[str]:
        now = self._clock.now()
        with writing(self._engine) as connection:
            connection.execute(sa.select(t.site.c.name).where(t.site.c.name == site).with_for_update())
            row = site_rows.find_if_there(connection, site)
            if row is None:
                return set()
            if self._is_gone(row, now):
                agents.detach(connection, row, now, self._terms)
            else:
                # A clock that was set back: what was heard then was heard by now.
                site_rows.write(connection, row, now, self._terms, seen_at=min(row["seen_at"], now))
            downtimes.forget(connection, site_rows.windows_over(row, now))
            row = site_rows.find(connection, site)
            keys = agents.stop_runs(connection, row, row["reason"], now, self._terms)
            agents.order_due(connection, site, now, self._terms)
        return {orders_of(site), *keys}

    def _purge(self, now: float) -> None:
        if self._clock.monotonic() - self._purged_at >= _PURGE_S:
            self._purged_at = self._clock.monotonic()
            with writing(self._engine) as connection:
                task_rows.purge(connection, now - _TASKS_KEPT_S)
            for _ in range(_PURGES):
                with writing(self._engine) as connection:
                    if not run_purge.purge(connection, self._kept, now):
                        break
            self._rules.purge()

    # The queue

    def _keep(self) -> None:
        """A round over the rules. One that fails holds up no run."""
        try:
            self._rules.go()
        except ForebayError as error:
            _log.warning("rules-failed", kind=error.kind, error=error.message)

    def _pass(self, *, rethink: bool) -> None:
        self._passed_at = self._clock.monotonic()
        self._keep()
        now = self._clock.now()
        # By a request's own thread, where nobody serves, it would wait for itself.
        stand_aside = self._foreground.aside(MOST_S if self._serving else 0.0)
        with reading(self._engine) as connection:
            before_questions(connection, stand_aside)
            number = connection.execute(sa.select(t.pass_count.c.number)).scalar_one()
            facts = run_facts.load(connection, number, now, self._terms, self._cache_terms)
        facts = run_facts.with_shared(facts, self._shared)
        done = backlog.step(facts.queue, facts.world, Weights(), now, rethink=rethink, between=stand_aside)
        for part in planned(facts.before, done, self._terms).parts():
            keys = self._write(facts, part, number)
            if keys is None:
                return
            number += 1
            self._changes.tell(*keys)

    def _write(self, facts: Facts, part: Plan, number: int) -> set[str] | None:
        """One part of what a pass wants, in one transaction; None when somebody else wrote one meanwhile."""
        now, keys = self._clock.now(), set()
        with writing(self._engine) as connection:
            here = sa.and_(t.pass_count.c.pass_count_id == 1, t.pass_count.c.number == number)
            mine = connection.execute(sa.update(t.pass_count).where(here).values(number=number + 1)).rowcount == 1
            if not mine:
                return None
            rows = _locked(connection, part.sites)
            for effect in part.fills:
                if effect.site in rows:
                    reason = f"a run waits for it: {effect.run_id}"
                    by = f"{tasks.RUNS}{effect.run_id}"
                    want(connection, effect.site, TaskKind.FILL, effect.ref, by=by, reason=reason, now=now)
            for errand in part.unwanted:
                withdrawn = tasks.Withdrawn(reason="no run waits for it any more")
                known = task_rows.find(connection, errand.task.task_id)
                if known is not None and known.task.asked_by == errand.task.asked_by:
                    task_rows.save(connection, known, tasks.step(known, withdrawn, now))
            for before, after in part.changes:
                starts = after.under_way is not None
                if starts and not self._may_start(rows.get(after.run.site), facts.agents, now):
                    continue
                if run_rows.save(connection, facts.waiting[before.run.run_id], after):
                    keys.add(changes_of(after.run.run_id))
            for site in rows:
                agents.order_due(connection, site, now, self._terms)
                site_rows.change_orders(connection, site)
        return keys | {orders_of(site) for site in rows}

    def _may_start(self, row: site_rows.Row | None, known: Mapping[str, int], now: float) -> bool:
        """Whether the site is still as the pass saw it."""
        if row is None or not row["attached"] or row["agent_token"] != known.get(row["name"]):
            return False
        return site_rows.stands(row, now, self._terms).state in (SiteState.UP, SiteState.DEGRADED)


def _locked(connection: Connection, sites: Iterable[str]) -> dict[str, site_rows.Row]:
    """Those of the sites that are there, locked by name."""
    wanted = set(sites)
    connection.execute(
        sa.select(t.site.c.name).where(t.site.c.name.in_(sorted(wanted))).order_by(t.site.c.name).with_for_update()
    )
    return {row["name"]: row for row in site_rows.every(connection) if row["name"] in wanted}


def _heard_of(rows: Iterable[site_rows.Row], under_way: Iterable[Kept]) -> dict[Hashable, Hashable]:
    found: dict[Hashable, Hashable] = {("site", row["name"]): (row["agent_token"], row["seen_at"]) for row in rows}
    for kept in under_way:
        found["run", kept.seq] = (kept.course.run.attempts[-1].number, kept.course.hold)
    return found
