"""The hub: its database, which outlives it, and what it forgets when it is killed. Decided by the very machines.

What an answer says of orders, runs and tasks is put together here as `hub.agents` and `hub.scheduler` do it on tables.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

from forebay.cache.health import Health
from forebay.cache.machine import Terms
from forebay.errors import ConflictError, ForebayError
from forebay.hub.run_rows import Kept
from forebay.runs import backlog, machine
from forebay.runs.machine import Course
from forebay.runs.plan import planned
from forebay.runs.world import Weights
from forebay.sites import tasks
from forebay.sites.silence import Silence
from forebay.sites.state import Seen, SiteTerms, Standing, stand, stops
from forebay.sites.tasks import Errand
from forebay.testing.sim.facts import facts_of
from forebay.testing.sim.keeper import Keeper
from forebay.testing.sim.network import Answer
from forebay.testing.sim.simulator import Simulator
from forebay.testing.sim.volume import Dataset
from forebay.wire.cache import ReplicaState, VolumeState
from forebay.wire.runs import NewRun, RunOrder, RunState
from forebay.wire.sites import Attached, Beaten, Order, Orders, Report, SiteState, TaskKey, TaskKind

TERMS = SiteTerms(hold_s=12.0, beat_s=2.5, margin_s=2.0)
CACHE_TERMS = Terms(hold_seconds=5.0, lease_seconds=24.0)
_RUN = "run-"
_RETHINK_EVERY = 20
_PASS_EVERY = 3
"""Ticks. A tick after news passes at once."""


@dataclass(slots=True)
class SiteRow:
    """What the database has of a site."""

    name: str
    agent_token: int = 0
    attached: bool = False
    seen_at: float = 0.0
    revision: int = 0
    wanted: SiteState = SiteState.UP
    standing: Standing | None = None


@dataclass(slots=True)
class _Waiter:
    site: str
    agent_token: int
    after: int
    answer: Answer[Orders]


@dataclass(slots=True)
class SimHub:
    """Each method is one transaction. `offset_s` is how wrong its wall clock is, `changed` what runs became.

    Whoever looks at `changed` empties it. `news` counts what may let something begin that could not before.
    """

    sim: Simulator
    datasets: dict[str, Dataset]
    keeper: Keeper
    sites: dict[str, SiteRow]
    cpus: int
    offset_s: float = 1e6
    runs: dict[str, Kept] = field(default_factory=dict)
    errands: dict[str, Errand] = field(default_factory=dict)
    silence: Silence = field(default_factory=Silence)
    waiters: list[_Waiter] = field(default_factory=list)
    changed: list[Course] = field(default_factory=list)
    ticks: int = 0
    made: int = 0
    news: int = 0
    passed: tuple[int, int, int] = (0, 0, 0)
    rethought: int = 0

    @property
    def now(self) -> float:
        return self.sim.now + self.offset_s

    def set_clock(self, jump_s: float) -> None:
        self.offset_s += jump_s
        self.keeper.clock_set_at = self.sim.now

    def restart(self) -> None:
        """What was only in its memory is gone."""
        self.silence = Silence()
        self.waiters.clear()

    # What agents say.

    def attach(self, site: str, resumes: Iterable[TaskKey]) -> Attached:
        row = self.sites[site]
        row.agent_token += 1
        resumed = set(resumes)
        for kept in list(self.runs.values()):
            attempt = kept.course.newest
            if attempt is None or attempt.site != site:
                continue
            if TaskKey(task_id=task_id(kept.course), token=attempt.token) in resumed:
                self._step_run(kept, machine.Resumed(token=attempt.token, agent_token=row.agent_token))
        for errand in self._errands_at(site):
            if TaskKey(task_id=errand.task.task_id, token=errand.task.token) not in resumed:
                self._step_errand(errand, tasks.AgentGone(reason="its agent was replaced"))
        row.attached, row.seen_at = True, self.now
        self._order_due(site)
        self._changed(site)
        return Attached(agent_token=row.agent_token, hold_s=TERMS.hold_s, beat_s=TERMS.beat_s)

    def beat(self, site: str, agent_token: int, reports: Iterable[Report]) -> Beaten:
        row = self._held_by(site, agent_token)
        row.seen_at = self.now
        for kept in self.under_way_at(site):
            self._step_run(kept, machine.Heard(agent_token=agent_token))
        heard, changed = [], False
        for report in reports:
            changed |= self._hear_of_run(site, report) if report.task_id.startswith(_RUN) else self._hear(site, report)
            if report.state.is_final:
                heard.append(TaskKey(task_id=report.task_id, token=report.token))
        if changed:
            self._order_due(site)
            self._changed(site)
        return Beaten(heard=tuple(heard), revision=row.revision)

    def orders(self, site: str, agent_token: int, after: int, answer: Answer[Orders], wait_s: float) -> None:
        """Answers when there is something else than `after`, or when the time is over."""
        row = self._held_by(site, agent_token)
        if row.revision != after:
            answer(self._orders(row))
            return
        waiter = _Waiter(site, agent_token, after, answer)
        self.waiters.append(waiter)
        self.sim.after(wait_s, f"hub: {site} has waited for orders", lambda: self._answer(waiter))

    def leave(self, site: str, agent_token: int) -> None:
        row = self._held_by(site, agent_token)
        for kept in self.under_way_at(site):
            self._step_run(kept, machine.AgentLeft(agent_token=agent_token))
        self._detach(row)

    def has_given_up(self, site: str, agent_token: int) -> bool:
        """Whether it gave that agent up, rather than the site to another one."""
        row = self.sites[site]
        return self.standing(row).state is SiteState.DOWN and row.agent_token <= agent_token + 1

    # What people want.

    def submit(self, new: NewRun) -> str:
        self.made += 1
        run_id = f"r{self.made}"
        kept = self.runs[run_id] = Kept(seq=self.made, course=machine.begin(run_id, new, self.now))
        self.changed.append(kept.course)
        self.news += 1
        return run_id

    def tell_run(self, run_id: str, event: machine.CancelAsked | machine.RetryAsked) -> None:
        kept = self.runs[run_id]
        self._step_run(kept, event)
        if kept.course.under_way is not None:
            self._changed(kept.course.under_way.site)

    def set_state(self, site: str, wanted: SiteState) -> None:
        self.sites[site].wanted = wanted
        self._stop_runs(site)
        self._changed(site)

    def want(self, site: str, kind: TaskKind, ref: str, by: str) -> None:
        for errand in self._errands_at(site):
            if (errand.task.kind, errand.task.ref) == (kind, ref):
                self._step_errand(errand, tasks.Wanted(by=by, reason="once more"))
                return
        self.made += 1
        name = f"t{self.made}"
        self.errands[name] = tasks.begin(name, site, kind, ref, by=by, reason="wanted", now=self.now)

    # What it does by itself.

    def tick(self) -> None:
        """Holds, states, tasks that are due, and a pass over the queue."""
        self.ticks += 1
        self.keeper.shorten_leases(self.now)
        self._tend()
        if self._is_time_to_pass() and (
            any(kept.course.is_waiting for kept in self.runs.values()) or self.open_errands()
        ):
            self._pass()
            self.passed = self.ticks, self.news, self.keeper.changes

    def _is_time_to_pass(self) -> bool:
        """After news, and now and then, as `hub.scheduler` does."""
        ticks, news, changes = self.passed
        return (news, changes) != (self.news, self.keeper.changes) or self.ticks >= ticks + _PASS_EVERY

    def _pass(self) -> None:
        rethink = self.ticks >= self.rethought + _RETHINK_EVERY
        if rethink:
            self.rethought = self.ticks
        facts = facts_of(self)
        done = backlog.step(facts.queue, facts.world, Weights(), self.now, rethink=rethink)
        plan = planned(facts.before, done, TERMS)
        for effect in plan.fills:
            self.want(effect.site, TaskKind.FILL, effect.ref, f"{tasks.RUNS}{effect.run_id}")
        for errand in plan.unwanted:
            self._step_errand(errand, tasks.Withdrawn(reason="no run waits for it any more"))
        for before, after in plan.changes:
            self._keep(facts.waiting[before.run.run_id], after)
        for site in sorted(plan.sites):
            self._order_due(site)
            self._changed(site)

    def _tend(self) -> None:
        seen: dict[Hashable, Hashable] = {}
        for row in self.sites.values():
            seen["site", row.name] = (row.agent_token, row.seen_at)
        for kept in self.runs.values():
            if kept.course.under_way is not None:
                seen["run", kept.seq] = (kept.course.under_way.number, kept.course.hold)
        self.silence.look(self.sim.now, seen)
        for kept in list(self.runs.values()):
            attempt = kept.course.under_way
            if attempt is None:
                continue
            after = machine.step(kept.course, machine.TimePassed(), self.now, TERMS)
            if after is not kept.course and (after.under_way is not None or self._is_silent(("run", kept.seq))):
                self._keep(kept, after)
                self._changed(attempt.site)
        for row in self.sites.values():
            over = row.attached and self.now > row.seen_at + TERMS.hold_s + TERMS.margin_s
            if over and self._is_silent(("site", row.name)):
                self._detach(row)
            row.seen_at = min(row.seen_at, self.now)
            self._stop_runs(row.name)
            before = row.standing
            is_news = before is None or before.state is not self.standing(row).state
            if is_news or self._order_due(row.name):
                self._changed(row.name)

    def _is_silent(self, key: Hashable) -> bool:
        return self.silence.seconds(key, self.sim.now) >= TERMS.hold_s + TERMS.margin_s

    def standing(self, row: SiteRow) -> Standing:
        """How the site stands now."""
        row.standing = stand(row.standing, self._seen(row), self.now, TERMS)
        return row.standing

    def _seen(self, row: SiteRow) -> Seen:
        health = self.keeper.health.get(row.name, Health())
        return Seen(
            wanted=row.wanted,
            wanted_reason="",
            attached=row.attached,
            seen_at=row.seen_at,
            volume=health.state,
            volume_reason=health.reason,
        )

    def _detach(self, row: SiteRow) -> None:
        for errand in self._errands_at(row.name):
            self._step_errand(errand, tasks.AgentGone(reason="its agent is gone"))
        row.attached = False
        row.agent_token += 1
        self._changed(row.name)

    def _stop_runs(self, site: str) -> None:
        for kept in self.under_way_at(site):
            if self._must_stop(site, TaskKind.RUN, has_started=kept.course.run.state is RunState.RUNNING):
                self._step_run(kept, machine.StopAsked(reason="its site can't have it"))

    def _must_stop(self, site: str, kind: TaskKind, *, has_started: bool) -> bool:
        volume = self.keeper.health.get(site, Health()).state
        return stops(kind, wanted=self.sites[site].wanted, volume=volume, has_started=has_started)

    def _order_due(self, site: str) -> bool:
        row = self.sites[site]
        standing = self.standing(row)
        volume = self.keeper.health.get(site, Health()).state
        if not row.attached or volume is not VolumeState.NORMAL or standing.state is SiteState.DOWN:
            return False
        changed = [self._step_errand(errand, tasks.Due()) for errand in self._errands_at(site)]
        return any(changed)

    # Rows

    def under_way_at(self, site: str) -> list[Kept]:
        return [
            kept
            for kept in self.runs.values()
            if kept.course.under_way is not None and kept.course.under_way.site == site
        ]

    def open_errands(self) -> list[Errand]:
        return [errand for errand in self.errands.values() if not errand.task.state.is_final]

    def _errands_at(self, site: str) -> list[Errand]:
        return [errand for errand in self.open_errands() if errand.task.site == site]

    def _held_by(self, site: str, agent_token: int) -> SiteRow:
        row = self.sites[site]
        if not row.attached or row.agent_token != agent_token:
            raise ConflictError("fenced", f"{site} is not this agent's any more")
        return row

    def _hear_of_run(self, site: str, report: Report) -> bool:
        kept = self.runs[report.task_id.removeprefix(_RUN).rpartition("-")[0]]
        attempt = kept.course.newest
        if attempt is None or attempt.site != site or task_id(kept.course) != report.task_id:
            return False
        return self._step_run(kept, machine.Reported(report=report)).under_way is None

    def _hear(self, site: str, report: Report) -> bool:
        errand = self.errands[report.task_id]
        if errand.task.site != site:
            return False
        doubt = ""
        if errand.task.kind is TaskKind.FILL and report.state.is_final:
            ready = self.keeper.of((site, errand.task.ref), self.now).state is ReplicaState.READY
            doubt = "" if ready else "it is not ready"
        return self._step_errand(errand, tasks.Told(report=report, doubt=doubt))

    def _step_run(self, kept: Kept, event: machine.Event) -> Course:
        return self._keep(kept, machine.step(kept.course, event, self.now, TERMS))

    def _keep(self, kept: Kept, after: Course) -> Course:
        if after is not kept.course:
            self.news += 1
            self.runs[after.run.run_id] = replace(kept, course=after)
            self.changed.append(after)
        return after

    def _step_errand(self, errand: Errand, event: tasks.Event) -> bool:
        after = tasks.step(errand, event, self.now)
        self.errands[errand.task.task_id] = after
        self.news += after is not errand
        return after is not errand

    # Orders

    def _orders(self, row: SiteRow) -> Orders:
        found = []
        for errand in self._errands_at(row.name):
            task = errand.task
            if errand.is_ordered:
                stop = bool(errand.stopping) or self._must_stop(row.name, task.kind, has_started=False)
                found.append(Order(task_id=task.task_id, token=task.token, kind=task.kind, ref=task.ref, stop=stop))
        for kept in self.under_way_at(row.name):
            hold = kept.course.hold
            if hold is not None and hold.agent_token == row.agent_token:
                found.append(self._order_of_run(row.name, kept.course))
        state = row.standing.state if row.standing else SiteState.UP
        return Orders(revision=row.revision, state=state, orders=tuple(found))

    def _order_of_run(self, site: str, course: Course) -> Order:
        run, attempt = course.run, course.run.attempts[-1]
        stop = self._must_stop(site, TaskKind.RUN, has_started=run.state is RunState.RUNNING)
        return Order(
            task_id=task_id(course),
            token=attempt.token,
            kind=TaskKind.RUN,
            stop=bool(run.cancelled_by or course.stopping) or stop,
            run=RunOrder(run_id=run.run_id, attempt=attempt.number, new=run.new, submitted_by=""),
        )

    def _changed(self, site: str) -> None:
        row = self.sites[site]
        row.revision += 1
        self.news += 1
        for waiter in [item for item in self.waiters if item.site == site]:
            self._answer(waiter)

    def _answer(self, waiter: _Waiter) -> None:
        if waiter not in self.waiters:
            return
        self.waiters.remove(waiter)
        try:
            waiter.answer(self._orders(self._held_by(waiter.site, waiter.agent_token)))
        except ForebayError as error:
            waiter.answer(error)


def task_id(course: Course) -> str:
    """The task that the newest attempt at a run is."""
    return f"{_RUN}{course.run.run_id}-{course.run.attempts[-1].number}"
