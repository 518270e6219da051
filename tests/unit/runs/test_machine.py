"""The life of a run, by thousands of random histories: whatever comes in whatever order, its promises hold."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.runs import machine
from forebay.runs.machine import LONGEST_BACKOFF_S, LOSSES, Course, Event, begin, step
from forebay.sites.state import SiteTerms
from forebay.wire.runs import Ending, NewRun, Retry, RunState
from forebay.wire.sites import Report, TaskState

TERMS = SiteTerms(hold_s=60.0, beat_s=10.0, margin_s=10.0)
NOW = 1_800_000_000.0
NEW = NewRun(command=("true",), retry=Retry(attempts=3, backoff_s=10.0))

tokens = st.sampled_from((0, 0, 0, 1, 2, 3))
"""0 stands for the newest attempt's."""
agents = st.sampled_from((0, 0, 1, 2))
"""0 stands for the one that has the attempt."""
texts = st.sampled_from(("", "why"))
reports = st.builds(
    Report,
    task_id=st.just("run-x-1"),
    token=tokens,
    state=st.sampled_from(TaskState),
    detail=texts,
    exit_code=st.sampled_from((None, 0, 1)),
    kind=st.sampled_from(("", machine.HOLD_LOST)),
    retryable=st.booleans(),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(machine.Placed, site=st.sampled_from(("a", "a", "b", "")), because=st.sampled_from(("", "", "denied"))),
    st.builds(machine.Waited, reason=st.sampled_from(("room", "data")), unblock=st.just("it"), filling=st.booleans()),
    *(st.builds(machine.Ordered, agent_token=st.sampled_from((1, 2))) for _ in range(3)),
    st.builds(machine.Heard, agent_token=agents),
    st.builds(machine.Resumed, token=tokens, agent_token=agents),
    st.builds(machine.AgentLeft, agent_token=agents),
    st.builds(machine.Reported, report=reports),
    st.builds(machine.Reported, report=reports),
    *(st.just(machine.TimePassed()) for _ in range(2)),
    st.builds(machine.StopAsked, reason=st.just("the site goes down")),
    st.builds(machine.CancelAsked, by=st.just("ada"), reason=texts),
    st.just(machine.RetryAsked()),
    st.builds(machine.DataFailed, reason=st.just("gone"), unblock=st.just("register it")),
    st.builds(machine.RightLost, reason=st.just("ada may not")),
)
later = st.sampled_from((0.0, 1.0, 6.0, 20.0, 45.0, 65.0, 75.0, 4000.0, -300.0))
histories = st.lists(st.tuples(events, later), max_size=40)


def meant(event: Event, course: Course) -> Event:
    """The event with what 0 stands for."""
    token = course.run.attempts[-1].token if course.run.attempts else 0
    agent_token = course.hold.agent_token if course.hold else 0
    match event:
        case machine.Reported() if not event.report.token:
            return machine.Reported(report=replace(event.report, token=token))
        case machine.Resumed():
            return replace(event, token=event.token or token, agent_token=event.agent_token or agent_token)
        case machine.Heard() | machine.AgentLeft() if not event.agent_token:
            return replace(event, agent_token=agent_token)
        case _:
            return event


def _given_up(course: Course) -> int | None:
    """The token of the newest attempt, where it was lost and no other has begun."""
    newest = course.newest
    return newest.token if newest is not None and newest.ending is Ending.LOST and course.is_waiting else None


@dataclass
class Witness:
    """What an agent may still have under way: an attempt that it was given, until its hold is over for the agent."""

    may_run_until: dict[int, float] = field(default_factory=dict)
    holders: dict[int, int] = field(default_factory=dict)
    real: float = 0.0

    def see(self, before: Course, event: Event, after: Course) -> None:
        attempt = after.under_way
        if attempt is not None and (before.under_way is None or before.under_way.token != attempt.token):
            for token, until in self.may_run_until.items():
                assert self.real >= until, f"attempt {attempt.token} begins while {token} may still run"
        if attempt is None or after.hold is None:
            ended = before.under_way
            if ended is not None and after.run.attempts[-1].ending is not Ending.LOST:
                self.may_run_until.pop(ended.token, None)
            if isinstance(event, machine.AgentLeft | machine.Reported) and ended is not None:
                self.may_run_until.pop(ended.token, None)
            return
        begun = before.under_way is None or before.under_way.token != attempt.token
        heard = isinstance(event, machine.Heard) and event.agent_token == after.hold.agent_token
        resumed = isinstance(event, machine.Resumed) and event.token == attempt.token
        if begun or heard or resumed:
            self.may_run_until[attempt.token] = self.real + TERMS.hold_s


def check(before: Course, event: Event, after: Course) -> None:
    run = after.run
    assert run.reason
    if not run.state.is_final:
        assert run.unblock, run
    assert (after.hold is not None) == (after.under_way is not None)
    assert all(attempt.ending is not None for attempt in run.attempts[:-1])
    assert [attempt.number for attempt in run.attempts] == list(range(1, len(run.attempts) + 1))
    granted = [attempt.token for attempt in run.attempts]
    assert granted == sorted(set(granted)), "tokens grow"
    assert (after.under_way is not None) == (run.state in (RunState.STARTING, RunState.RUNNING))
    if before.run.state.is_final and not isinstance(event, machine.RetryAsked):
        assert after is before, "final states stay"
    assert (run.revision > before.run.revision) == (run != before.run)
    if run.state is before.run.state and run.next_try_at <= before.run.next_try_at:
        assert run.since == before.run.since, "it moves with the state, and when a wait begins anew"
    newest = before.under_way.token if before.under_way else None
    holder = before.hold.agent_token if before.hold else None
    match event:
        case machine.Reported() if event.report.token != newest:
            ended_well = event.report.state is TaskState.DONE and run.state is RunState.SUCCEEDED
            told = "another token than the newest attempt's changes nothing"
            assert after is before or (ended_well and event.report.token == _given_up(before)), told
        case machine.Resumed() if event.token != newest:
            assert after is before or (after.is_waiting and event.token == _given_up(before))
        case machine.Heard() | machine.AgentLeft() if event.agent_token != holder:
            assert after is before, "only the agent that has it extends its hold"
        case _:
            pass


@settings(max_examples=1500)
@given(history=histories)
def test_whatever_happens_its_promises_hold(history: list[tuple[Event, float]]) -> None:
    now, course, witness = NOW, begin("x", NEW, NOW), Witness()
    for event, later_s in history:
        now += later_s
        # A clock that is set back makes real time no less.
        witness.real += max(0.0, later_s)
        event = meant(event, course)
        after = step(course, event, now, TERMS)
        check(course, event, after)
        assert step(after, event, now, TERMS) == after, "the same event twice does what it does once"
        witness.see(course, event, after)
        course = after


@pytest.mark.parametrize("seed", range(4))
def test_no_attempt_begins_while_an_earlier_one_may_still_run(seed: int) -> None:
    """Agents come, go, fall silent and come back; none ever has an attempt under way beside a newer one."""
    chance, begun = random.Random(seed), 0
    for _ in range(1500):
        now, witness = NOW, Witness()
        course = step(begin("x", NEW, NOW), machine.Placed(site="a"), NOW, TERMS)
        for _ in range(30):
            later_s = chance.choice((0.0, 6.0, 6.0, 20.0, 45.0, 65.0, 75.0))
            now, witness.real = now + later_s, witness.real + later_s
            event = meant(_parting(chance), course)
            after = step(course, event, now, TERMS)
            check(course, event, after)
            witness.see(course, event, after)
            course = after
        begun += len(course.run.attempts)
    assert begun > 3000


def _parting(chance: random.Random) -> Event:
    """Something that agents and the hub may see of each other, or not."""
    agent, token = chance.choice((0, 0, 1, 2)), chance.choice((0, 0, 1, 2))
    makes: list[Event] = [
        machine.Placed(site="a"),
        machine.Ordered(agent_token=1),
        machine.Ordered(agent_token=2),
        machine.Heard(agent_token=agent),
        machine.Resumed(token=token, agent_token=agent),
        machine.AgentLeft(agent_token=agent),
        machine.TimePassed(),
        machine.TimePassed(),
        machine.RetryAsked(),
    ]
    return chance.choice(makes)


@settings(max_examples=300)
@given(history=histories)
def test_every_run_comes_to_an_end_when_its_agents_only_lose_and_fail_it(
    history: list[tuple[Event, float]],
) -> None:
    """Each attempt is lost or fails: after LOSSES and the declared tries it is over, whatever came before."""
    now, course = NOW, begin("x", NEW, NOW)
    for event, later_s in history:
        now += max(0.0, later_s)
        course = step(course, meant(event, course), now, TERMS)
    tries = 0
    while not course.run.state.is_final:
        now = max(now, course.run.next_try_at) + TERMS.hold_s + TERMS.margin_s
        for event in (machine.Placed(site="a"), machine.Ordered(agent_token=1)):
            course = step(course, event, now, TERMS)
        attempt = course.under_way
        assert attempt is not None
        failed = Report(task_id="run-x-1", token=attempt.token, state=TaskState.FAILED)
        event = machine.TimePassed() if tries % 2 else machine.Reported(report=failed)
        now += TERMS.hold_s + TERMS.margin_s
        course = step(course, event, now, TERMS)
        tries += 1
    assert tries <= NEW.retry.attempts + LOSSES + 1


def _running(new: NewRun = NEW) -> Course:
    course = begin("x", new, NOW)
    told = Report(task_id="run-x-1", token=1, state=TaskState.UNDER_WAY)
    for event in (machine.Placed(site="a"), machine.Ordered(agent_token=1), machine.Reported(report=told)):
        course = step(course, event, NOW, TERMS)
    assert course.run.state is RunState.RUNNING
    return course


def test_a_hold_runs_out_only_after_its_margin() -> None:
    course = _running()
    over = NOW + TERMS.hold_s + TERMS.margin_s
    assert step(course, machine.TimePassed(), over - 0.1, TERMS) is course
    lost = step(course, machine.TimePassed(), over, TERMS)
    assert lost.run.attempts[-1].ending is Ending.LOST
    assert lost.run.state is RunState.QUEUED


def test_a_success_that_comes_after_a_cancellation_is_a_success() -> None:
    course = step(_running(), machine.CancelAsked(by="ada"), NOW, TERMS)
    done = Report(task_id="run-x-1", token=1, state=TaskState.DONE, made=("model@v1",))
    assert step(course, machine.Reported(report=done), NOW, TERMS).run.state is RunState.SUCCEEDED


def test_hubs_whose_clocks_differ_a_little_leave_each_others_holds_alone() -> None:
    course = _running()
    assert step(course, machine.TimePassed(), NOW - TERMS.margin_s, TERMS) is course


def test_a_clock_set_back_starts_the_hold_anew() -> None:
    course = step(_running(), machine.TimePassed(), NOW - 86400, TERMS)
    assert course.hold is not None
    assert course.hold.until == NOW - 86400 + TERMS.hold_s


@pytest.mark.parametrize("kind", [machine.HOLD_LOST, "bad-command"])
def test_an_agent_that_had_to_end_it_itself_is_no_failure_of_the_runs(kind: str) -> None:
    report = Report(task_id="run-x-1", token=1, state=TaskState.FAILED, kind=kind, retryable=False)
    after = step(_running(), machine.Reported(report=report), NOW, TERMS)
    assert after.run.state is (RunState.QUEUED if kind == machine.HOLD_LOST else RunState.FAILED)


def test_a_retry_that_somebody_asks_for_begins_to_count_anew() -> None:
    course = _running(replace(NEW, retry=Retry(attempts=1)))
    failed = machine.Reported(report=Report(task_id="run-x-1", token=1, state=TaskState.FAILED))
    course = step(course, failed, NOW, TERMS)
    assert course.run.state is RunState.FAILED
    course = step(course, machine.RetryAsked(), NOW, TERMS)
    assert (course.run.state, course.run.next_try_at, course.forgiven) == (RunState.QUEUED, NOW, 1)


def _waiting() -> Course:
    """After a failure, for its next try."""
    failed = Report(task_id="run-x-1", token=1, state=TaskState.FAILED)
    course = step(_running(), machine.Reported(report=failed), NOW, TERMS)
    assert course.run.next_try_at > NOW
    return course


def test_a_clock_set_back_does_not_put_the_next_try_off() -> None:
    back, ordered = NOW - 1800.0, machine.Ordered(agent_token=1)
    assert step(_waiting(), ordered, NOW, TERMS).under_way is None
    assert step(_waiting(), ordered, back, TERMS).under_way is not None


def test_hubs_whose_clocks_differ_a_little_wait_for_the_next_try() -> None:
    assert step(_waiting(), machine.Ordered(agent_token=1), NOW - 1.0, TERMS).under_way is None


def _lost() -> tuple[Course, float]:
    course = begin("x", NEW, NOW)
    for event in (machine.Placed(site="a"), machine.Ordered(agent_token=1)):
        course = step(course, event, NOW, TERMS)
    over = NOW + TERMS.hold_s + TERMS.margin_s
    return step(course, machine.TimePassed(), over, TERMS), over


def _done(token: int, state: TaskState = TaskState.DONE) -> machine.Reported:
    report = Report(task_id="run-x-1", token=token, state=state, exit_code=0, made=("out@v1",), detail="it ended")
    return machine.Reported(report=report)


def test_an_attempt_that_had_ended_well_counts_although_it_was_given_up() -> None:
    lost, over = _lost()
    for site in ("", "b"):
        waits = step(lost, machine.Placed(site=site), over, TERMS)
        done = step(waits, _done(1), over + 1, TERMS)
        assert done.run.state is RunState.SUCCEEDED
        assert (done.run.made, done.run.site, done.run.next_try_at, done.run.last_error) == (("out@v1",), "a", 0.0, "")
        assert [item.ending for item in done.run.attempts] == [Ending.SUCCEEDED]
        assert step(done, _done(1), over + 2, TERMS) is done


@pytest.mark.parametrize("state", [state for state in TaskState if state is not TaskState.DONE])
def test_nothing_else_that_is_told_late_of_it_is_believed(state: TaskState) -> None:
    lost, over = _lost()
    assert step(lost, _done(1, state), over, TERMS) is lost


def test_an_agent_that_is_back_has_a_moment_to_say_so_in_which_no_other_attempt_begins() -> None:
    lost, over = _lost()
    later = over + LONGEST_BACKOFF_S
    back = step(lost, machine.Resumed(token=1, agent_token=2), later, TERMS)
    assert "says in a moment how attempt 1 ended" in back.run.reason
    placed = step(back, machine.Placed(site="a"), later, TERMS)
    early = step(placed, machine.Ordered(agent_token=2), later, TERMS)
    assert early.under_way is None
    assert step(early, _done(1), later + 1, TERMS).run.state is RunState.SUCCEEDED
    silent = step(placed, machine.Ordered(agent_token=2), later + 2 * TERMS.beat_s, TERMS)
    assert silent.under_way is not None
    set_back = step(placed, machine.Ordered(agent_token=2), later - LONGEST_BACKOFF_S + 3 * TERMS.beat_s, TERMS)
    assert set_back.under_way is not None, "a clock that went back means no wait of an hour"
    assert step(lost, machine.Resumed(token=2, agent_token=2), later, TERMS) is lost, "another attempt's token"


def test_once_another_attempt_has_begun_the_one_before_is_fenced() -> None:
    lost, over = _lost()
    later = over + LONGEST_BACKOFF_S
    again = lost
    for event in (machine.Placed(site="b"), machine.Ordered(agent_token=2)):
        again = step(again, event, later, TERMS)
    assert again.under_way is not None
    assert step(again, _done(1), later, TERMS) is again
    failed = step(again, _done(2, TaskState.CANCELLED), later, TERMS)
    assert step(failed, _done(2), later, TERMS) is failed, "one that was given back had not ended well"


def test_what_somebody_has_cancelled_stays_so() -> None:
    lost, over = _lost()
    cancelled = step(lost, machine.CancelAsked(by="ada"), over, TERMS)
    assert step(cancelled, _done(1), over, TERMS) is cancelled
