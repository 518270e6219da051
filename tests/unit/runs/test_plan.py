"""What a pass means for each run and each fill: nothing but values."""

from __future__ import annotations

from dataclasses import replace

from forebay.runs import backlog, machine
from forebay.runs.backlog import FillVersion, StartRun, Step
from forebay.runs.machine import Course
from forebay.runs.plan import Plan, Waiting, planned
from forebay.sites import tasks
from forebay.sites.state import SiteTerms
from forebay.wire.runs import DataUse, NewRun, RunState
from forebay.wire.sites import Report, TaskKind, TaskState

NOW = 1_800_000_000.0
TERMS = SiteTerms()
NOTHING = Step(effects=(), waiting=())
NEW = NewRun(command=("true",), data=(DataUse(name="data", ref="clicks@v1"),), submitted_by="ada")


def _at(site: str, run_id: str = "r1") -> Course:
    course = machine.begin(run_id, NEW, NOW - 10)
    return machine.step(course, machine.Placed(site=site), NOW - 5, TERMS)


def _fill(site: str, by: str) -> tasks.Errand:
    return tasks.begin("t1", site, TaskKind.FILL, "clicks@v1", by=by, reason="wanted", now=NOW - 5)


def _plan(waiting: Waiting, *effects: backlog.Effect, waits: tuple[backlog.Waiting, ...] = ()) -> Plan:
    return planned(waiting, Step(effects=effects, waiting=waits), TERMS)


def test_a_start_is_for_the_agent_that_was_seen_and_one_change() -> None:
    before = _at("dgx")
    waiting = Waiting(now=NOW, courses={"r1": before}, agents={"dgx": 7})
    plan = _plan(waiting, StartRun(run_id="r1", site="dgx"))
    ((known, after),) = plan.changes
    assert known is before
    assert after.hold is not None
    assert after.hold.agent_token == 7
    assert after.run.state is RunState.STARTING
    assert after.run.revision == before.run.revision + 1
    assert plan.sites == {"dgx"}
    assert _plan(replace(waiting, agents={}), StartRun(run_id="r1", site="dgx")).changes == ()


def test_runs_that_lost_their_data_or_their_right_end_and_say_why() -> None:
    courses = {name: _at("dgx", name) for name in ("r1", "r2")}
    plan = _plan(Waiting(now=NOW, courses=courses, gone={"r1": "clicks@v1"}, refused={"r2": "ada may not"}))
    reasons = {after.run.run_id: (after.run.state, after.run.last_error) for _, after in plan.changes}
    assert reasons == {
        "r1": (RunState.FAILED, "there is no version clicks@v1 any more"),
        "r2": (RunState.FAILED, "ada may not"),
    }
    assert all(after.run.unblock for _, after in plan.changes)


def test_a_fill_that_no_run_waits_for_is_not_wanted_any_more_unless_somebody_asked() -> None:
    runs, mine = _fill("aks", f"{tasks.RUNS}r1"), _fill("aks", "ada")
    moved = Waiting(now=NOW, courses={"r1": _at("dgx")}, fills={("aks", "clicks@v1"): runs})
    assert _plan(moved).unwanted == (runs,)
    assert _plan(replace(moved, courses={"r1": _at("aks")})).unwanted == ()
    assert _plan(replace(moved, fills={("aks", "clicks@v1"): mine})).unwanted == ()
    refused = replace(moved, courses={"r1": _at("aks")}, refused={"r1": "ada may not"})
    assert _plan(refused).unwanted == (runs,), "one that ended needs nothing"


def test_a_run_that_waits_for_a_failing_fill_says_what_fails() -> None:
    ordered = tasks.step(_fill("dgx", "ada"), tasks.Due(), NOW)
    told = Report(task_id="t1", token=1, state=TaskState.FAILED, detail="EIO")
    fails = tasks.step(ordered, tasks.Told(report=told), NOW)
    waiting = Waiting(now=NOW, courses={"r1": _at("dgx")}, fills={("dgx", "clicks@v1"): fails})
    waits = backlog.Waiting(run_id="r1", site="dgx", reason="it waits", unblock="it ends", refs=("clicks@v1",))
    ((_, after),) = _plan(waiting, waits=(waits,)).changes
    assert after.run.state is RunState.FILLING
    assert "EIO" in after.run.reason


def test_a_plan_is_written_in_small_parts_with_nothing_left_out() -> None:
    courses = {f"r{number}": _at("", f"r{number}") for number in range(450)}
    wanted = FillVersion(run_id="r1", site="dgx", ref="clicks@v1", source="lake", missing_bytes=1)
    waits = tuple(
        backlog.Waiting(run_id=name, site=None, reason="there is no site", unblock="one comes") for name in courses
    )
    plan = _plan(Waiting(now=NOW, courses=courses), wanted, waits=waits)
    parts = list(plan.parts())
    assert [len(part.changes) for part in parts] == [0, 200, 200, 50]
    assert sum((part.changes for part in parts), ()) == plan.changes
    assert parts[0].fills == (wanted,)
    assert list(planned(Waiting(now=NOW), NOTHING, TERMS).parts()) == []
