"""The life of a task, by random histories."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.sites import tasks
from forebay.sites.tasks import BACKOFF_S, LONGEST_BACKOFF_S, Errand, Event, Failure, begin, step
from forebay.wire.sites import Report, TaskKind, TaskState

NOW = 1_800_000_000.0

reports = st.builds(
    Report,
    task_id=st.just("t"),
    token=st.integers(0, 4),
    state=st.sampled_from(TaskState),
    detail=st.sampled_from(("", "why")),
    done_bytes=st.integers(0, 10),
    retryable=st.booleans(),
    todo=st.just("mend it"),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(tasks.Wanted, by=st.sampled_from(("", "ada", "run 1", "rule 1")), reason=st.sampled_from(("", "soon"))),
    st.just(tasks.Due()),
    st.just(tasks.Due()),
    st.builds(tasks.PutOff, reason=st.just("it drains")),
    st.builds(tasks.AgentGone, reason=st.just("gone")),
    st.builds(tasks.Told, report=reports, doubt=st.sampled_from(("", "", "it is not there"))),
    st.builds(tasks.Told, report=reports),
    st.builds(tasks.Withdrawn, reason=st.sampled_from(("", "not wanted"))),
)
histories = st.lists(st.tuples(events, st.sampled_from((0.0, 1.0, 30.0, 700.0))), max_size=40)


def _new() -> Errand:
    return begin("t", "dgx", TaskKind.FILL, "clicks@v1", by="ada", reason="soon", now=NOW)


def _tell(errand: Errand, state: TaskState, now: float = NOW, **facts: object) -> Errand:
    report = Report(task_id="t", token=errand.task.token, state=state, **facts)  # type: ignore[arg-type]
    return step(errand, tasks.Told(report=report), now)


@settings(max_examples=1500)
@given(history=histories)
def test_whatever_happens_its_promises_hold(history: list[tuple[Event, float]]) -> None:
    now, errand = NOW, _new()
    for event, later_s in history:
        now += later_s
        after = step(errand, event, now)
        task = after.task
        if errand.task.state.is_final:
            assert after is errand, "final states stay"
        elif not task.state.is_final:
            assert task.reason
            assert task.unblock
        assert task.token in (errand.task.token, errand.task.token + 1)
        if task.token > errand.task.token:
            assert task.state is TaskState.ORDERED
            assert not errand.is_ordered, "one order at a time"
        if isinstance(event, tasks.Told) and event.report.token != errand.task.token:
            assert after is errand, "an older token changes nothing"
        if task.last_error and errand.task.last_error and not task.state.is_final:
            assert task.since == errand.task.since, "failing over and over is since one moment"
        assert step(after, event, now) == after, "the same event twice does what it does once"
        errand = after


def test_each_failure_waits_longer_up_to_a_bound() -> None:
    errand, now, waits = _new(), NOW, []
    for _ in range(10):
        errand = step(errand, tasks.Due(), now)
        errand = _tell(errand, TaskState.FAILED, now, detail="the lake is away")
        waits.append(errand.task.next_try_at - now)
        assert step(errand, tasks.Due(), now + waits[-1] - 0.1) is errand
        now += waits[-1]
    assert waits[0] == BACKOFF_S
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_BACKOFF_S
    assert "10 times" in errand.task.reason


def test_what_is_withdrawn_while_it_waits_is_cancelled_at_once_and_else_when_its_agent_says_so() -> None:
    assert step(_new(), tasks.Withdrawn(reason="no"), NOW).task.state is TaskState.CANCELLED
    errand = step(step(_new(), tasks.Due(), NOW), tasks.Withdrawn(reason="no"), NOW)
    assert errand.stopping == "no"
    for state in (TaskState.CANCELLED, TaskState.FAILED):
        assert _tell(errand, state).task.state is TaskState.CANCELLED
    assert _tell(errand, TaskState.DONE).task.state is TaskState.DONE, "it was done before"


def test_what_is_wanted_again_while_it_ends_is_ordered_again() -> None:
    errand = step(step(_new(), tasks.Due(), NOW), tasks.Withdrawn(reason="no"), NOW)
    errand = step(errand, tasks.Wanted(by="bob", reason="after all"), NOW)
    errand = _tell(errand, TaskState.CANCELLED)
    assert errand.task.state is TaskState.WAITING
    errand = step(errand, tasks.Due(), NOW + BACKOFF_S)
    assert (errand.task.state, errand.task.token) == (TaskState.ORDERED, 2)


def test_what_a_person_wants_stays_theirs_when_a_run_wants_it_too() -> None:
    errand = step(_new(), tasks.Wanted(by="run 1", reason="a run"), NOW)
    assert errand.task.asked_by == "ada"
    of_run = begin("t", "dgx", TaskKind.FILL, "clicks@v1", by="run 1", reason="a run", now=NOW)
    assert step(of_run, tasks.Wanted(by="bob", reason="mine"), NOW).task.asked_by == "bob"


def test_what_a_rule_wants_outlives_what_a_run_does_and_takes_nothing_from_a_person() -> None:
    whose = ("ada", "", "run 1")
    by = {who: begin("t", "dgx", TaskKind.FILL, "clicks@v1", by=who, reason="so", now=NOW) for who in whose}
    of_rule = tasks.Wanted(by="rule 1", reason="a rule")
    for person in ("ada", ""):
        assert step(by[person], of_rule, NOW).task.asked_by == person
        assert step(by[person], tasks.Wanted(by="run 1", reason="a run"), NOW).task.asked_by == person
    kept = step(by["run 1"], of_rule, NOW)
    assert kept.task.asked_by == "rule 1"
    for who, then in {"run 2": "rule 1", "rule 2": "rule 1", "": "rule 1", "bob": "bob"}.items():
        assert step(kept, tasks.Wanted(by=who, reason="too"), NOW).task.asked_by == then


def test_a_clock_set_back_does_not_put_the_next_try_off() -> None:
    failed = _tell(step(_new(), tasks.Due(), NOW), TaskState.FAILED, retryable=True)
    assert step(failed, tasks.Due(), NOW) is failed
    assert step(failed, tasks.Due(), NOW - 3600.0).task.state is TaskState.ORDERED


def test_what_a_site_is_denied_is_tried_no_more_for_runs_and_on_and_on_for_people() -> None:
    of_run = step(begin("t", "dgx", TaskKind.FILL, "clicks@v1", by="run 1", reason="a run", now=NOW), tasks.Due(), NOW)
    denied = _tell(of_run, TaskState.FAILED, kind="lake-denied", detail="no", todo="Check the credentials.")
    assert (denied.task.state, denied.task.last_error) == (TaskState.FAILED, "no")
    assert denied.task.unblock == "Check the credentials."
    assert _tell(of_run, TaskState.FAILED, kind="lake-away").task.state is TaskState.WAITING
    of_ada = step(_new(), tasks.Due(), NOW)
    assert _tell(of_ada, TaskState.FAILED, kind="lake-denied").task.state is TaskState.WAITING


def test_a_fill_speaks_against_its_site_when_it_failed_for_good_or_twice_and_for_a_while() -> None:
    first = step(_new(), tasks.Due(), NOW)
    final = _tell(first, TaskState.FAILED, retryable=False)
    assert tasks.failure(final, NOW) is Failure.FINAL
    assert tasks.failure(final, NOW + tasks.REMEMBERED_S) is None
    once = _tell(first, TaskState.FAILED)
    assert tasks.failure(once, NOW) is None
    again = step(once, tasks.Due(), NOW + 20)
    twice = _tell(again, TaskState.FAILED, now=NOW + 20)
    later = NOW + 30 * 86400
    assert tasks.failure(twice, later) is Failure.SO_FAR, "it is still being tried"
    assert tasks.failure(step(twice, tasks.Due(), NOW + 60), NOW + 60) is Failure.SO_FAR
    given_up = step(twice, tasks.Withdrawn(reason="no run waits for it any more"), NOW + 20)
    assert tasks.failure(given_up, NOW + 60) is Failure.SO_FAR
    assert tasks.failure(given_up, later) is None
    assert tasks.failure(_tell(again, TaskState.DONE, now=NOW + 20), NOW + 20) is None


def test_what_is_gone_from_an_object_store_is_gone_for_every_site() -> None:
    for kind in ("object-vanished", "object-changed"):
        assert tasks.fails_everywhere(kind, "s3://lake/clicks")
        assert not tasks.fails_everywhere(kind, "file:///lake/clicks"), "each site has its own files"
    assert not tasks.fails_everywhere("lake-denied", "s3://lake/clicks")


def test_a_fill_that_failed_keeps_a_line_for_each_object_and_its_reason_is_one() -> None:
    told = "lake/a is gone\nlake/b is gone"
    ordered = step(_new(), tasks.Due(), NOW)
    waits = _tell(ordered, TaskState.FAILED, detail=told).task
    assert (waits.last_error, waits.reason) == (told, "it failed once: lake/a is gone")
    final = _tell(ordered, TaskState.FAILED, detail=told, retryable=False).task
    assert (final.last_error, final.reason) == (told, "lake/a is gone")
