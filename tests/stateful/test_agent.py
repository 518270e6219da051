"""The agent's machine beside a small hub, in thousands of random orders. The invariants have the names of machine.py.

Messages are lost, late, doubled and out of order; agents are killed, stopped and replaced.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.machine import step
from forebay.sites.agent.state import Agent, Held, Limits, Mood, Phase, grace_s, recovered
from forebay.wire import sites
from forebay.wire.cache import VolumeState
from forebay.wire.runs import NewRun, RunOrder
from forebay.wire.sites import Beaten, Order, Orders, Report, SiteState, TaskKey, TaskKind, TaskState

HOLD_S, BEAT_S = 30.0, 8.0
LIMITS = Limits(fills=2)


@dataclass
class Wanted:
    """A task as the hub has it. `here`: it is this site's; `held_by`: that agent's, until then as the hub counts."""

    task_id: str
    kind: TaskKind
    token: int
    stop: bool = False
    here: bool = True
    held_by: int = 0
    held_until: float = math.inf
    final: Report | None = None

    @property
    def key(self) -> TaskKey:
        return TaskKey(task_id=self.task_id, token=self.token)

    def order(self) -> Order:
        run = RunOrder(run_id=self.task_id, attempt=self.token, new=NewRun(command=("x",)), submitted_by="ann")
        return Order(
            task_id=self.task_id,
            token=self.token,
            kind=self.kind,
            stop=self.stop,
            run=run if self.kind is TaskKind.RUN else None,
        )


@dataclass
class Job:
    """What an executor has: it ends when it is told, or some time after its deadline, whoever looks after it."""

    until: float
    ended_at: float | None = None

    def is_alive(self, now: float) -> bool:
        """At the latest `grace` after the deadline the supervisor has killed it."""
        return self.ended_at is None and now < self.until + grace_s(HOLD_S)


@dataclass
class SmallHub:
    """Gives orders to one site; a run whose hold is over goes to another one."""

    agent_token: int = 0
    revision: int = 0
    tasks: dict[str, Wanted] = field(default_factory=dict)
    heard: set[TaskKey] = field(default_factory=set)

    def changed(self) -> None:
        self.revision += 1

    def orders(self) -> Orders:
        listed = tuple(task.order() for task in self.tasks.values() if self.is_ordered(task))
        return Orders(revision=self.revision, state=SiteState.UP, orders=listed)

    def is_ordered(self, task: Wanted) -> bool:
        """A run that an earlier agent was given, and this one does not know, that one may still have."""
        is_its = task.held_by == self.agent_token or task.kind is not TaskKind.RUN
        return task.here and task.final is None and is_its

    def attach(self, resumes: tuple[TaskKey, ...], now: float) -> sites.Attached:
        self.agent_token += 1
        for task in self.tasks.values():
            if task.key in resumes:
                task.held_by = self.agent_token
        self.changed()
        self._extend(now)
        return sites.Attached(agent_token=self.agent_token, hold_s=HOLD_S, beat_s=BEAT_S)

    def beat(self, reports: tuple[Report, ...], now: float) -> Beaten:
        before = self.revision
        heard = []
        for report in reports:
            task = self.tasks.get(report.task_id)
            key = TaskKey(task_id=report.task_id, token=report.token)
            if task is not None and task.here and task.key == key and report.state.is_final:
                if task.final is None:
                    task.final = report
                    self.changed()
                self.heard.add(key)
            if key in self.heard:
                heard.append(key)
        self._extend(now)
        return Beaten(heard=tuple(heard), revision=before)

    def _extend(self, now: float) -> None:
        for task in self.tasks.values():
            if self.is_ordered(task):
                task.held_until = now + HOLD_S


class AgentMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.hub = SmallHub()
        self.agent = Agent(limits=LIMITS)
        self.live: dict[TaskKey, Order] = {}
        self.stopped: set[TaskKey] = set()
        self.jobs: dict[TaskKey, Job] = {}
        self.notes: dict[TaskKey, tuple[Order, Report | None]] = {}
        self.started: Counter[TaskKey] = Counter()
        self.requests: list[do.Effect] = []
        self.answers: list[seen.Event] = []
        self.end: do.End | None = None
        self.is_ours = True
        self.feed(seen.TimePassed())

    # The shell.

    def feed(self, event: seen.Event) -> None:
        self.agent, effects = step(self.agent, event, self.now)
        for effect in effects:
            self.carry_out(effect)

    def carry_out(self, effect: do.Effect) -> None:
        match effect:
            case do.NoteTask():
                self.notes[key_of(effect.order)] = effect.order, effect.report
            case do.ForgetTask():
                key = key_of(effect.order)
                assert key not in self.live, "ONCE: what is under way is not forgotten"
                self.notes.pop(key, None)
                self.jobs.pop(key, None)
            case do.StartTask():
                self.start(effect.order, resume=effect.resume)
            case do.StopTask():
                key = key_of(effect.order)
                self.live[key] = effect.order
                self.stopped.add(key)
            case do.LetGo():
                self.live.pop(effect.key, None)
            case do.RenewHold():
                for key, (order, report) in self.notes.items():
                    if order.kind is TaskKind.RUN and report is None and key in self.jobs:
                        self.jobs[key].until = max(self.jobs[key].until, effect.until)
            case do.End():
                self.end = effect
            case do.Attach() | do.SendBeat() | do.AskOrders() | do.Leave():
                self.requests.append(effect)

    def start(self, order: Order, *, resume: bool) -> None:
        key = key_of(order)
        assert key in self.notes, "TOLD: nothing is begun that a next agent would not know of"
        assert key not in self.live, "ONCE"
        assert resume or order.kind is not TaskKind.RUN or not self.started[key], "ONCE: begun a second time"
        subject = order.run.run_id if order.run else order.task_id
        for other, job in self.jobs.items():
            assert other == key or other.task_id != subject or not job.is_alive(self.now), "ONCE: two attempts"
        assert not any(other.task_id == subject for other in self.live), "ONCE: two attempts"
        self.started[key] += 1
        self.live[key] = order
        if order.kind is TaskKind.RUN and key not in self.jobs:
            assert self.now < self.agent.runs_until, "HELD"
            self.jobs[key] = Job(until=self.agent.runs_until)
        self.feed(seen.TaskProgressed(report=report_of(key, TaskState.UNDER_WAY)))

    def answer(self, request: do.Effect) -> seen.Event:
        """What the hub says to it, whenever it comes there."""
        hub, now = self.hub, self.now
        match request:
            case do.Attach():
                return seen.Attached(sent_at=request.sent_at, terms=hub.attach(request.resumes, now))
            case do.SendBeat() | do.AskOrders() | do.Leave() if request.agent_token != hub.agent_token:
                return seen.HubRefused(agent_token=request.agent_token, is_fenced=True)
            case do.SendBeat():
                told = tuple(
                    TaskKey(task_id=report.task_id, token=report.token)
                    for report in request.reports
                    if report.state.is_final
                )
                return seen.BeatAnswered(
                    agent_token=request.agent_token,
                    sent_at=request.sent_at,
                    told=told,
                    beaten=hub.beat(request.reports, now),
                )
            case do.AskOrders():
                return seen.OrdersCame(agent_token=request.agent_token, orders=hub.orders())
            case do.Leave():
                assert not any(job.is_alive(now) for job in self.jobs.values()), "left with nothing under way"
                return seen.Left(agent_token=request.agent_token)
        raise AssertionError(request)

    def failure(self, request: do.Effect) -> seen.Event:
        match request:
            case do.Attach():
                return seen.AttachFailed(kind="hub-away", is_final=False)
            case do.SendBeat():
                return seen.BeatFailed(agent_token=request.agent_token)
            case do.AskOrders():
                return seen.OrdersFailed(agent_token=request.agent_token)
            case do.Leave():
                return seen.Left(agent_token=request.agent_token)
        raise AssertionError(request)

    # The hub's people.

    @rule(at=st.integers(0, 3), kind=st.sampled_from([TaskKind.RUN, TaskKind.RUN, TaskKind.FILL, TaskKind.UNKNOWN]))
    def somebody_wants(self, at: int, kind: TaskKind) -> None:
        name = f"{kind}-{at}"
        task = self.hub.tasks.get(name)
        if task is None:
            self.hub.tasks[name] = task = Wanted(task_id=name, kind=kind, token=1)
        elif task.final is not None:
            task.token += 1
            task.final, task.stop, task.here = None, False, True
        else:
            return
        task.held_by, task.held_until = self.hub.agent_token, self.now + HOLD_S
        self.hub.changed()

    @rule(at=st.integers(0, 10))
    def somebody_stops(self, at: int) -> None:
        if self.hub.tasks:
            list(self.hub.tasks.values())[at % len(self.hub.tasks)].stop = True
            self.hub.changed()

    @rule(at=st.integers(0, 10))
    def hub_gives_it_away(self, at: int) -> None:
        """Only when the hold is over, as it counts: then nothing of the run may be alive here (HELD)."""
        over = [task for task in self.hub.tasks.values() if task.here and not task.final and self.now > task.held_until]
        if not over:
            return
        task = over[at % len(over)]
        for key, job in self.jobs.items():
            assert key.task_id != task.task_id or not job.is_alive(self.now), "HELD"
        task.token += 1
        task.here = False
        self.hub.changed()

    @rule(at=st.integers(0, 10))
    def it_comes_back(self, at: int) -> None:
        away = [task for task in self.hub.tasks.values() if not task.here]
        if away:
            task = away[at % len(away)]
            task.token += 1
            task.here, task.held_by, task.held_until = True, self.hub.agent_token, self.now + HOLD_S
            self.hub.changed()

    # The network.

    @precondition(lambda self: self.requests)
    @rule(at=st.integers(0, 5), doubled=st.booleans(), lost=st.booleans())
    def request_arrives(self, at: int, doubled: bool, lost: bool) -> None:
        request = self.requests.pop(at % len(self.requests))
        self.answers.append(self.answer(request))
        if doubled and not isinstance(request, do.Leave):
            self.requests.append(request)
        if lost:
            self.answers[-1] = self.failure(request)

    @precondition(lambda self: self.requests)
    @rule(at=st.integers(0, 5), is_seen=st.booleans())
    def request_is_lost(self, at: int, is_seen: bool) -> None:
        request = self.requests.pop(at % len(self.requests))
        if is_seen:
            self.answers.append(self.failure(request))

    @precondition(lambda self: self.answers)
    @rule(at=st.integers(0, 5), doubled=st.booleans())
    def answer_arrives(self, at: int, doubled: bool) -> None:
        event = self.answers.pop(at % len(self.answers))
        if doubled:
            self.answers.append(event)
        self.feed(event)

    @rule()
    def all_goes_well(self) -> None:
        for _ in range(5):
            asked, self.requests = self.requests, []
            for request in asked:
                self.feed(self.answer(request))

    @rule(seconds=st.sampled_from([12.0, 40.0]), answers_come=st.booleans())
    def agent_is_cut_off(self, seconds: float, answers_come: bool) -> None:
        """The hub gives away what it may while nothing reaches it; what it has said still comes, or does not."""
        for _ in range(int(seconds / 2)):
            self.now += 2.0
            self.requests = []
            if answers_come and self.answers:
                self.feed(self.answers.pop(0))
            self.feed(seen.TimePassed())
            self.hub_gives_it_away(0)

    @rule()
    def run_moves_there_and_back(self) -> None:
        self.hub_gives_it_away(0)
        self.it_comes_back(0)
        self.all_goes_well()

    # The site.

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.feed(seen.TimePassed())

    @rule(seconds=st.sampled_from([5.0, 20.0, 60.0]))
    def agent_is_stopped_for(self, seconds: float) -> None:
        """Time passes, and it does not know."""
        self.now += seconds

    @precondition(lambda self: self.live)
    @rule(at=st.integers(0, 5), state=st.sampled_from([TaskState.DONE, TaskState.FAILED]), doubled=st.booleans())
    def task_ends(self, at: int, state: TaskState, doubled: bool) -> None:
        key = list(self.live)[at % len(self.live)]
        event = self.ended(key, state)
        self.feed(event)
        if doubled:
            self.feed(event)

    def ended(self, key: TaskKey, state: TaskState) -> seen.TaskEnded:
        del self.live[key]
        if key in self.jobs:
            self.jobs[key].ended_at = self.now
        if key in self.stopped:
            state = TaskState.CANCELLED
        self.stopped.discard(key)
        return seen.TaskEnded(report=report_of(key, state))

    @rule(state=st.sampled_from(VolumeState))
    def volume_is(self, state: VolumeState) -> None:
        self.feed(seen.VolumeSeen(state=state, reason="seen"))

    @rule(is_same_machine=st.booleans())
    def agent_is_killed(self, is_same_machine: bool) -> None:
        """Another one takes its folder up, or begins without one elsewhere; the old one's jobs go on by themselves."""
        self.live, self.stopped, self.requests, self.answers = {}, set(), [], []
        self.end = None
        if not is_same_machine:
            self.notes = {}
            self.started = Counter()
            self.now += HOLD_S
            self.jobs = {key: job for key, job in self.jobs.items() if job.is_alive(self.now)}
            assert not self.jobs, "HELD"
        self.agent = recovered(self.remembered(), LIMITS)
        self.feed(seen.TimePassed())

    def remembered(self) -> dict[TaskKey, Held]:
        return {
            key: Held(
                order=order,
                phase=Phase.WAITING if report is None else Phase.ENDED,
                begun=True,
                report=report,
                is_wanted=False,
            )
            for key, (order, report) in self.notes.items()
        }

    @rule()
    def another_agent_attaches(self) -> None:
        """It is given nothing before the holds of the first one are over, and goes away again."""
        if self.now % 3 < 1:
            self.hub.agent_token += 1
            self.is_ours = False

    @rule(event=st.sampled_from([seen.ToldToDrain(), seen.ToldToPause(), seen.ToldToStop()]), chance=st.integers(0, 3))
    def told_to_end(self, event: seen.Event, chance: int) -> None:
        if not chance:
            self.feed(event)

    # What always holds.

    @invariant()
    def apart(self) -> None:
        agent = self.agent
        waiting = [held for held in agent.held.values() if held.phase is Phase.WAITING and held.is_wanted]
        if agent.mood is Mood.WORKING and agent.volume is VolumeState.NORMAL and self.now < agent.runs_until:
            for held in waiting:
                full = sum(held.order.kind is order.kind for order in self.live.values()) >= LIMITS.fills
                rival = any(other.subject == held.subject and other is not held for other in agent.held.values())
                assert rival or (full and held.order.kind is TaskKind.FILL), f"APART: {held}"

    @invariant()
    def once(self) -> None:
        subjects = Counter(key.task_id for key in self.live)
        assert all(count == 1 for count in subjects.values()), "ONCE"
        held = {key for key, item in self.agent.held.items() if item.phase in (Phase.GOING, Phase.STOPPING)}
        assert self.end is not None or held == set(self.live), "the machine knows what is under way"

    @invariant()
    def told(self) -> None:
        """What the hub waits for is not forgotten."""
        if self.agent.mood not in (Mood.WORKING, Mood.DRAINING):
            return
        for task in self.hub.tasks.values():
            under_way = task.kind is TaskKind.RUN and self.hub.is_ordered(task) and self.started[task.key]
            if under_way and self.agent.agent_token:
                assert task.key in self.agent.held or self.end is not None, "TOLD"

    def teardown(self) -> None:
        """When all goes well at last, all that is wanted is done, or the agent has ended as it was told to."""
        self.answers.clear()
        self.feed(seen.VolumeSeen(state=VolumeState.NORMAL))
        for _ in range(200):
            if self.end is not None:
                break
            self.now += 2.0
            self.feed(seen.TimePassed())
            for at in range(len(self.hub.tasks)):
                self.hub_gives_it_away(at)
            asked, self.requests = self.requests, []
            for request in asked:
                self.feed(self.answer(request))
            for key in list(self.live):
                self.feed(self.ended(key, TaskState.DONE))
            if all(task.final or not task.here for task in self.hub.tasks.values()) and not self.held_back():
                break
        else:
            raise AssertionError(f"it does not come to rest: {self.agent} {self.hub}")
        if self.end is None or self.end.kind == "fenced":
            assert not self.live

    def held_back(self) -> list[Held]:
        return [held for held in self.agent.held.values() if held.phase is not Phase.HEARD]


def key_of(order: Order) -> TaskKey:
    return TaskKey(task_id=order.task_id, token=order.token)


def report_of(key: TaskKey, state: TaskState) -> Report:
    return Report(task_id=key.task_id, token=key.token, state=state)


TestAgent = AgentMachine.TestCase
TestAgent.settings = settings(max_examples=200, stateful_step_count=60)
