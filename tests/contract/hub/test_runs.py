"""Runs from submission to their end, on both databases and by both faces, with scripted agents."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from forebay.errors import CapacityError, ConflictError, ForebayError, InputError, NotFoundError
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.runs.machine import LOSSES
from forebay.testing.cached import FakeClock
from forebay.wire.access import DatasetPolicy
from forebay.wire.cache import HealthReport, Sign
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.runs import (
    LOG_PIECE_BYTES,
    Code,
    DataUse,
    NewRun,
    Output,
    Retry,
    Run,
    RunQuery,
    RunState,
    Variable,
)
from forebay.wire.sites import SiteState, TaskKey, TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import GB, RUN, Agent, Behind, attempts_of, pass_by, reading, ready


@pytest.fixture
def hub(hub: Hub, embedded: LocalHub) -> LocalHub:
    """Both faces of it, with the scheduler and the database that are behind them."""
    return cast(LocalHub, Behind(hub, embedded))


@pytest.fixture
def dgx(hub: LocalHub) -> Agent:
    return Agent(hub=hub, site="dgx").attach()


def started(agent: Agent, run: Run) -> None:
    agent.tell(agent.order(TaskKind.RUN), TaskState.UNDER_WAY)
    assert agent.hub.runs.get(run.run_id).state is RunState.RUNNING


def test_a_run_goes_from_queued_over_filling_and_starting_to_its_end(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    run = hub.runs.submit(reading("clicks@latest"))
    assert (run.state, run.site, run.new.data[0].ref) == (RunState.FILLING, "dgx", "clicks@v1")
    assert not [order for order in dgx.orders().values() if order.kind is TaskKind.RUN], "it claims no compute yet"
    dgx.fill(dgx.order(TaskKind.FILL))
    assert hub.runs.get(run.run_id).state is RunState.STARTING
    order = dgx.order(TaskKind.RUN)
    assert order.run is not None
    assert (order.run.run_id, order.run.attempt, order.run.new) == (run.run_id, 1, run.new)
    dgx.tell(order, TaskState.UNDER_WAY)
    assert hub.runs.get(run.run_id).state is RunState.RUNNING
    heard = dgx.tell(order, TaskState.DONE, exit_code=0, made=("model@v1",))
    assert heard == (TaskKey(task_id=order.task_id, token=order.token),)
    done = hub.runs.get(run.run_id)
    assert (done.state, done.made, done.attempts[0].exit_code) == (RunState.SUCCEEDED, ("model@v1",), 0)
    assert dgx.orders() == {}


def test_what_is_damaged_takes_no_room_from_its_own_refill_nor_from_others(hub: LocalHub, dgx: Agent) -> None:
    clicks, other = (new_version(hub, name, 600 * GB) for name in ("clicks", "other"))
    ready(hub, dgx.volume_id, clicks)
    hub.replicas.pin(dgx.volume_id, clicks, "ada", "mine", 0.0)
    (full,) = hub.runs.explain(reading(other.ref)).rows
    assert "only 372.5 GiB can be had" in full.why_not[0]
    hub.replicas.mark_damaged(dgx.volume_id, clicks, "its volume was lost")
    for ref in (clicks.ref, other.ref):
        found = hub.runs.explain(reading(ref))
        assert (found.choice, found.rows[0].missing_bytes) == ("dgx", 600 * GB)


def test_what_a_placed_run_is_going_to_read_makes_no_room_for_others_though_nobody_keeps_it(
    hub: LocalHub, dgx: Agent
) -> None:
    clicks, other = (new_version(hub, name, 600 * GB) for name in ("clicks", "other"))
    ready(hub, dgx.volume_id, clicks)
    (before,) = hub.runs.explain(reading(other.ref)).rows
    assert before.why_not == ()
    hub.runs.submit(replace(RUN, gpus=2))
    waits = hub.runs.submit(replace(reading(clicks.ref), gpus=2))
    assert (waits.state, waits.site) == (RunState.QUEUED, "dgx")
    (after,) = hub.runs.explain(reading(other.ref)).rows
    assert "only 372.5 GiB can be had" in after.why_not[0]


def test_a_run_that_had_ended_well_when_its_agent_fell_silent_does_not_begin_again(
    hub: LocalHub, dgx: Agent, clock: FakeClock
) -> None:
    run = hub.runs.submit(RUN)
    order = dgx.order(TaskKind.RUN)
    dgx.tell(order, TaskState.UNDER_WAY)
    pass_by(hub, clock, 120, step_s=20.0)
    lost = hub.runs.get(run.run_id)
    assert (lost.state, attempts_of(lost)) == (RunState.QUEUED, [("dgx", "lost")])
    dgx.attach(TaskKey(task_id=order.task_id, token=order.token))
    assert "says in a moment how attempt 1 ended" in hub.runs.get(run.run_id).reason
    dgx.tell(order, TaskState.DONE, exit_code=0, made=("model@v1",))
    done = hub.runs.get(run.run_id)
    assert (done.state, done.made, done.site) == (RunState.SUCCEEDED, ("model@v1",), "dgx")
    assert attempts_of(done) == [("dgx", "succeeded")]


def test_one_that_has_begun_again_meanwhile_is_not_ended_by_the_attempt_before(
    hub: LocalHub, dgx: Agent, clock: FakeClock
) -> None:
    run = hub.runs.submit(RUN)
    order = dgx.order(TaskKind.RUN)
    pass_by(hub, clock, 120, step_s=20.0)
    Agent(hub=hub, site="aks").attach()
    assert hub.runs.get(run.run_id).site == "aks"
    dgx.attach(TaskKey(task_id=order.task_id, token=order.token))
    assert dgx.tell(order, TaskState.DONE, exit_code=0) == (TaskKey(task_id=order.task_id, token=order.token),)
    again = hub.runs.get(run.run_id)
    assert (again.state, attempts_of(again)) == (RunState.STARTING, [("dgx", "lost"), ("aks", "under way")])


def test_a_tag_that_moves_changes_no_run(hub: LocalHub, version: Version) -> None:
    hub.catalog.tag("clicks", "prod", 1, "ada")
    run = hub.runs.submit(reading("clicks@prod"))
    new_version(hub, "clicks", 200)
    hub.catalog.tag("clicks", "prod", 2, "ada")
    assert hub.runs.get(run.run_id).new.data == (DataUse(name="data0", ref="clicks@v1"),)


def test_what_is_there_starts_at_once_and_a_second_reader_fills_nothing(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    ready(hub, dgx.volume_id, version)
    runs = [hub.runs.submit(reading("clicks@v1")) for _ in range(2)]
    assert [hub.runs.get(run.run_id).state for run in runs] == [RunState.STARTING] * 2
    assert {order.kind for order in dgx.orders().values()} == {TaskKind.RUN}


def test_two_that_wait_for_one_version_make_one_fill(hub: LocalHub, dgx: Agent, version: Version) -> None:
    for _ in range(3):
        hub.runs.submit(reading("clicks@v1"))
    assert len(dgx.orders()) == 1


def test_a_full_site_has_the_next_one_wait_with_a_reason(hub: LocalHub, dgx: Agent) -> None:
    first = hub.runs.submit(replace(RUN, gpus=2))
    second = hub.runs.submit(replace(RUN, gpus=2))
    assert (second.state, second.reason) == (RunState.QUEUED, "it waits for compute at dgx")
    assert second.unblock == "a run at dgx ends"
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.DONE)
    assert hub.runs.get(first.run_id).state is RunState.SUCCEEDED
    assert hub.runs.get(second.run_id).state is RunState.STARTING


def test_waiting_for_the_same_thing_is_since_one_moment(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    hub.runs.submit(replace(RUN, gpus=2))
    waits = hub.runs.submit(replace(RUN, gpus=2))
    pass_by(hub, clock, 30, dgx)
    later = hub.runs.get(waits.run_id)
    assert (later.since, later.revision) == (waits.since, waits.revision)


def test_without_a_site_it_waits_until_one_attaches(hub: LocalHub) -> None:
    run = hub.runs.submit(RUN)
    assert (run.state, run.reason) == (RunState.QUEUED, "there is no site")
    assert run.unblock
    Agent(hub=hub, site="dgx").attach()
    assert hub.runs.get(run.run_id).state is RunState.STARTING


def test_labels_names_and_residency_choose_the_site(hub: LocalHub, version: Version) -> None:
    Agent(hub=hub, site="dgx", labels="gpu-type=a100").attach()
    Agent(hub=hub, site="aks", labels="cloud=azure").attach()
    assert hub.runs.submit(replace(RUN, where="cloud=azure")).site == "aks"
    assert hub.runs.submit(replace(RUN, where="gpu-type=a100")).site == "dgx"
    assert hub.runs.submit(replace(RUN, site="aks")).site == "aks"
    AccessStore(hub.engine, FakeClock()).set_policy(DatasetPolicy(dataset="clicks", sites=("dgx",)))
    assert hub.runs.submit(reading("clicks@v1")).site == "dgx"
    stuck = hub.runs.submit(reading("clicks@v1", site="aks"))
    assert stuck.site == ""
    assert "clicks may never be here" in stuck.reason


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (replace(RUN, command=()), "bad-run"),
        (replace(RUN, gpus=-1), "bad-run"),
        (replace(RUN, engine="spark"), "bad-run"),
        (replace(RUN, nodes=0), "bad-run"),
        (replace(RUN, estimate_s=float("nan")), "bad-run"),
        (replace(RUN, retry=Retry(attempts=0)), "bad-run"),
        (replace(RUN, data=(DataUse(name="Data", ref="clicks@v1"),)), "bad-run"),
        (replace(RUN, data=(DataUse(name="a", ref="clicks"), DataUse(name="a", ref="clicks"))), "bad-run"),
        (replace(RUN, variables=(Variable(name="A=B", value="x"),)), "bad-run"),
        (replace(RUN, command=("a\0b",)), "bad-run"),
        (replace(RUN, outputs=(Output(name="model", dataset="No Name"),)), "bad-name"),
        (replace(RUN, where="gpu >> 3"), "bad-labels"),
        (replace(RUN, where="never-heard-of=1"), "bad-labels"),
        (replace(RUN, site="nowhere"), "site-not-found"),
        (replace(RUN, code=Code(bundle="0" * 64)), "bundle-not-found"),
        (reading("nothing@v1"), "dataset-not-found"),
        (reading("clicks@v9"), "version-not-found"),
        (reading("clicks@prod"), "tag-not-found"),
    ],
)
def test_what_can_never_run_is_refused_and_leaves_nothing(
    hub: LocalHub, dgx: Agent, version: Version, new: NewRun, kind: str
) -> None:
    with pytest.raises(ForebayError) as caught:
        hub.runs.submit(new)
    assert caught.value.kind in (kind, "bad-number"), "a client sends no infinity"
    assert hub.runs.page(RunQuery()).runs == ()


def test_explain_refuses_what_submit_does(hub: LocalHub, dgx: Agent, version: Version) -> None:
    for new, kind in (
        (replace(RUN, command=()), "bad-run"),
        (replace(RUN, where="never-heard-of=1"), "bad-labels"),
        (reading("nothing@v1"), "dataset-not-found"),
    ):
        with pytest.raises(ForebayError) as caught:
            hub.runs.explain(new)
        assert caught.value.kind in (kind, "bad-number"), "a client sends no infinity"


def test_a_failure_is_tried_again_as_declared_each_time_later(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(replace(RUN, retry=Retry(attempts=3, backoff_s=10.0)))
    for wait_s in (10.0, 20.0):
        order = dgx.order(TaskKind.RUN)
        dgx.tell(order, TaskState.FAILED, exit_code=1, detail="out of memory")
        waits = hub.runs.get(run.run_id)
        assert (waits.state, waits.next_try_at - clock.now()) == (RunState.QUEUED, wait_s)
        assert waits.last_error == "out of memory (exit code 1)"
        assert dgx.orders() == {}
        pass_by(hub, clock, wait_s, dgx)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.FAILED, exit_code=1)
    done = hub.runs.get(run.run_id)
    assert done.state is RunState.FAILED
    assert [attempt.exit_code for attempt in done.attempts] == [1, 1, 1]
    assert [attempt.token for attempt in done.attempts] == [1, 2, 3]


def test_what_another_try_cant_help_fails_at_once(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(replace(RUN, retry=Retry(attempts=3)))
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.FAILED, detail="no such file", retryable=False, todo="Mend it.")
    failed = hub.runs.get(run.run_id)
    assert (failed.state, failed.reason, failed.unblock) == (RunState.FAILED, "no such file", "Mend it.")


def test_late_doubled_and_older_reports_change_nothing(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(replace(RUN, retry=Retry(attempts=2, backoff_s=0.0)))
    first = dgx.order(TaskKind.RUN)
    dgx.tell(first, TaskState.FAILED, exit_code=1)
    hub.scheduler.tick()
    second = dgx.order(TaskKind.RUN)
    assert second.token > first.token
    before = hub.runs.get(run.run_id)
    for state in TaskState:
        heard = dgx.tell(first, state, made=("model@v1",))
        assert bool(heard) is state.is_final, "what comes too late may be forgotten, too"
    assert hub.runs.get(run.run_id) == before
    dgx.tell(second, TaskState.DONE)
    done = hub.runs.get(run.run_id)
    assert done.state is RunState.SUCCEEDED
    dgx.tell(second, TaskState.DONE)
    dgx.tell(second, TaskState.FAILED)
    assert hub.runs.get(run.run_id) == done


def test_another_sites_agent_cant_end_a_run(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    other = Agent(hub=hub, site="aks").attach()
    other.tell(dgx.order(TaskKind.RUN), TaskState.DONE)
    assert hub.runs.get(run.run_id).state is RunState.STARTING


def test_a_run_whose_agent_vanishes_goes_elsewhere_once_its_hold_is_over_and_no_sooner(
    hub: LocalHub, dgx: Agent, clock: FakeClock
) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    aks = Agent(hub=hub, site="aks").attach()
    pass_by(hub, clock, 65, aks)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "under way")]
    pass_by(hub, clock, 20, aks)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "lost"), ("aks", "under way")]
    with pytest.raises(ConflictError) as caught:
        dgx.beat()
    assert caught.value.kind == "fenced"
    old = TaskKey(task_id=f"run-{run.run_id}-1", token=1)
    dgx.attach(old)
    assert dgx.orders() == {}, "it learns that its run is somebody else's"


def test_beats_keep_a_run(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    pass_by(hub, clock, 600, dgx)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "under way")]


def test_a_clock_set_forward_loses_nothing(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    hub.scheduler.tick()
    clock.jump(86400)
    hub.scheduler.tick()
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "under way")]
    dgx.beat()
    pass_by(hub, clock, 100, dgx)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "under way")]


def test_a_clock_set_back_keeps_no_dead_agent_alive(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    clock.jump(-86400)
    pass_by(hub, clock, 150)
    assert hub.runs.get(run.run_id).state is RunState.QUEUED
    assert hub.sites.get("dgx").state is SiteState.DOWN


def test_the_next_agent_of_a_site_goes_on_with_what_it_resumes(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    order = dgx.order(TaskKind.RUN)
    dgx.attach(TaskKey(task_id=order.task_id, token=order.token))
    assert dgx.order(TaskKind.RUN).token == order.token
    pass_by(hub, clock, 200, dgx)
    dgx.tell(order, TaskState.DONE)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "succeeded")]


def test_what_the_next_agent_does_not_know_waits_for_the_old_ones_hold(
    hub: LocalHub, dgx: Agent, clock: FakeClock
) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    dgx.attach()
    assert dgx.orders() == {}, "the one before may still have it"
    pass_by(hub, clock, 60, dgx)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "under way")]
    pass_by(hub, clock, 25, dgx)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "lost"), ("dgx", "under way")]


def test_an_agent_that_leaves_in_good_order_gives_its_runs_back_at_once(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    aks = Agent(hub=hub, site="aks").attach()
    hub.sites.leave("dgx", dgx.token)
    assert hub.runs.get(run.run_id).state is RunState.QUEUED
    assert hub.sites.get("dgx").state is SiteState.DOWN
    assert aks.orders() == {}, "not before its next try is due"


def test_losses_are_bounded_and_each_waits_longer(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(RUN)
    waits = []
    for _ in range(LOSSES):
        dgx.tell(dgx.order(TaskKind.RUN), TaskState.CANCELLED, detail="its node went away")
        lost = hub.runs.get(run.run_id)
        assert lost.state is RunState.QUEUED
        waits.append(lost.next_try_at - clock.now())
        pass_by(hub, clock, waits[-1], dgx)
    assert waits == sorted(set(waits))
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.CANCELLED, detail="its node went away")
    assert hub.runs.get(run.run_id).state is RunState.FAILED


def test_a_waiting_run_is_cancelled_at_once_and_its_fill_is_not_wanted_any_more(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    run = hub.runs.submit(reading("clicks@v1"))
    done = hub.runs.cancel(run.run_id[:8], "a mistake", by="ada")
    assert (done.state, done.cancelled_by, done.reason) == (RunState.CANCELLED, "ada", "cancelled by ada: a mistake")
    assert dgx.order(TaskKind.FILL).stop
    assert hub.runs.cancel(run.run_id) == done


def test_a_fill_that_a_person_wants_too_goes_on(hub: LocalHub, dgx: Agent, version: Version) -> None:
    run = hub.runs.submit(reading("clicks@v1"))
    hub.sites.ask("dgx", TaskKind.FILL, "clicks@v1", "for tomorrow", by="ada")
    hub.runs.cancel(run.run_id)
    assert not dgx.order(TaskKind.FILL).stop


def test_a_running_run_is_cancelled_when_its_agent_says_that_it_has_ended(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    asked = hub.runs.cancel(run.run_id, by="ada")
    assert asked.state is RunState.RUNNING
    order = dgx.order(TaskKind.RUN)
    assert order.stop
    dgx.tell(order, TaskState.CANCELLED, exit_code=-15)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "cancelled")]
    assert hub.runs.get(run.run_id).state is RunState.CANCELLED


def test_a_cancelled_run_whose_agent_vanishes_is_not_started_again(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    hub.runs.cancel(run.run_id)
    aks = Agent(hub=hub, site="aks").attach()
    pass_by(hub, clock, 90, aks)
    assert hub.runs.get(run.run_id).state is RunState.CANCELLED
    assert aks.orders() == {}


def test_what_has_ended_is_not_cancelled_and_only_what_failed_is_retried(
    hub: LocalHub, dgx: Agent, clock: FakeClock
) -> None:
    run = hub.runs.submit(RUN)
    with pytest.raises(ConflictError, match="is starting"):
        hub.runs.retry(run.run_id)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.FAILED, detail="why")
    with pytest.raises(ConflictError) as caught:
        hub.runs.cancel(run.run_id)
    assert caught.value.kind == "run-ended"
    again = hub.runs.retry(run.run_id)
    assert (again.state, again.last_error, len(again.attempts)) == (RunState.STARTING, "", 2)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.DONE)
    with pytest.raises(ConflictError) as caught:
        hub.runs.retry(run.run_id)
    assert caught.value.kind == "run-succeeded"


def test_a_fill_that_fails_is_tried_again_and_its_run_says_so_while_others_go_on(
    hub: LocalHub, dgx: Agent, version: Version, clock: FakeClock
) -> None:
    waits, other = hub.runs.submit(reading("clicks@v1")), hub.runs.submit(RUN)
    dgx.tell(dgx.order(TaskKind.FILL), TaskState.FAILED, detail="the lake is away")
    assert hub.runs.get(other.run_id).state is RunState.STARTING
    told = hub.runs.get(waits.run_id)
    assert told.state is RunState.FILLING
    assert told.reason == "clicks@v1 is not at dgx yet: it failed once: the lake is away"
    (task,) = (task for task in hub.sites.tasks("dgx") if task.kind is TaskKind.FILL)
    assert (task.state, task.last_error, task.next_try_at) == (
        TaskState.WAITING,
        "the lake is away",
        clock.now() + 10,
    )
    pass_by(hub, clock, 10, dgx)
    again = dgx.order(TaskKind.FILL)
    assert again.token == 2
    dgx.fill(again)
    assert hub.runs.get(waits.run_id).state is RunState.STARTING


def test_a_fill_that_can_never_work_fails_the_runs_that_wait_for_it_alone(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    new_version(hub, "users")
    waits, other = hub.runs.submit(reading("clicks@v1")), hub.runs.submit(reading("users@v1"))
    (order,) = (order for order in dgx.orders().values() if order.ref == "clicks@v1")
    dgx.tell(order, TaskState.FAILED, detail="an object has changed", retryable=False, todo="Register it anew.")
    failed = hub.runs.get(waits.run_id)
    assert (failed.state, failed.unblock) == (RunState.FAILED, "Register it anew.")
    assert failed.reason == "clicks@v1 can't be brought to dgx: an object has changed"
    assert hub.runs.get(other.run_id).state is RunState.FILLING


def test_a_fill_is_done_when_the_version_is_there_not_when_it_is_said(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    run = hub.runs.submit(reading("clicks@v1"))
    dgx.tell(dgx.order(TaskKind.FILL), TaskState.DONE)
    told = hub.runs.get(run.run_id)
    assert told.state is RunState.FILLING
    assert "called it done" in told.reason


def test_a_version_that_is_forgotten_fails_the_run_that_waits_for_it(hub: LocalHub, version: Version) -> None:
    run = hub.runs.submit(reading("clicks@v1"))
    hub.catalog.remove_version("clicks", 1)
    hub.scheduler.tick()
    assert hub.runs.get(run.run_id).state is RunState.FAILED


def test_a_draining_site_begins_nothing_and_ends_in_peace(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    hub.sites.set_state("dgx", SiteState.DRAINING, "new disks")
    assert not dgx.order(TaskKind.RUN).stop
    waits = hub.runs.submit(RUN)
    assert (waits.state, waits.site) == (RunState.QUEUED, "")
    assert "the site is draining: new disks" in waits.reason
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.DONE)
    assert hub.runs.get(run.run_id).state is RunState.SUCCEEDED
    hub.sites.set_state("dgx", SiteState.UP, "")
    assert hub.runs.get(waits.run_id).state is RunState.STARTING


def test_a_site_that_goes_down_stops_its_runs_and_they_go_elsewhere(
    hub: LocalHub, dgx: Agent, clock: FakeClock
) -> None:
    run = hub.runs.submit(RUN)
    started(dgx, run)
    aks = Agent(hub=hub, site="aks").attach()
    hub.sites.set_state("dgx", SiteState.DOWN, "a fire")
    assert "a fire" in hub.runs.get(run.run_id).reason
    order = dgx.order(TaskKind.RUN)
    assert order.stop
    dgx.tell(order, TaskState.CANCELLED)
    pass_by(hub, clock, 10, dgx, aks)
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "cancelled"), ("aks", "under way")]


def test_a_lost_volume_sends_what_does_not_run_yet_elsewhere(
    hub: LocalHub, dgx: Agent, version: Version, clock: FakeClock
) -> None:
    running = hub.runs.submit(RUN)
    started(dgx, running)
    starting, filling = hub.runs.submit(RUN), hub.runs.submit(reading("clicks@v1"))
    aks = Agent(hub=hub, site="aks").attach()
    assert filling.site == "dgx"
    hub.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.GONE, reason="it is not mounted"))
    hub.scheduler.tick()
    assert hub.sites.get("dgx").state is SiteState.DOWN
    assert hub.runs.get(filling.run_id).site == "aks"
    stops = {order.run.run_id: order.stop for order in dgx.orders().values() if order.run}
    assert stops == {running.run_id: False, starting.run_id: True}
    (order,) = (order for order in dgx.orders().values() if order.stop and order.run)
    dgx.tell(order, TaskState.CANCELLED)
    pass_by(hub, clock, 10, dgx, aks)
    assert hub.runs.get(starting.run_id).site == "aks"


def test_explain_has_every_site_and_changes_nothing(hub: LocalHub, dgx: Agent, version: Version) -> None:
    aks = Agent(hub=hub, site="aks", gpus=0).attach()
    ready(hub, dgx.volume_id, version)
    found = hub.runs.explain(reading("clicks"))
    assert found.choice == "dgx"
    chosen, refused = found.rows
    assert (chosen.site, chosen.missing_bytes, chosen.start_s) == ("dgx", 0, 0.0)
    assert (refused.site, refused.missing_bytes) == ("aks", 100)
    assert refused.why_not == ("it has 0 gpus, asked for 1",)
    assert refused.unblock
    assert hub.runs.page(RunQuery()).runs == ()
    assert aks.orders() == dgx.orders() == {}


def test_explain_sees_who_is_before_it(hub: LocalHub, dgx: Agent) -> None:
    for _ in range(3):
        hub.runs.submit(replace(RUN, gpus=2, estimate_s=100.0))
    (row,) = hub.runs.explain(replace(RUN, gpus=2, estimate_s=100.0)).rows
    assert row.queue_s == pytest.approx(300.0, rel=0.01)


def test_explain_counts_nobody_whose_turn_comes_after_it(hub: LocalHub, dgx: Agent) -> None:
    asked = replace(RUN, gpus=2, estimate_s=100.0)
    for estimate_s in (100.0, 5000.0):
        hub.runs.submit(replace(asked, estimate_s=estimate_s))
    (row,) = hub.runs.explain(asked).rows
    assert row.queue_s == pytest.approx(100.0, rel=0.01)
    (row,) = hub.runs.explain(replace(asked, estimate_s=9000.0)).rows
    assert row.queue_s == pytest.approx(5100.0, rel=0.01)


def test_explain_counts_nobody_before_it_whom_no_site_is_large_enough_for(hub: LocalHub, dgx: Agent) -> None:
    asked = replace(RUN, gpus=2, estimate_s=100.0)
    hub.runs.submit(asked)
    hub.runs.submit(replace(asked, gpus=64, estimate_s=9000.0))
    (row,) = hub.runs.explain(asked).rows
    assert row.queue_s == pytest.approx(100.0, rel=0.01)


def test_pages_are_newest_first_and_whole_whatever_comes_meanwhile(hub: LocalHub) -> None:
    made = [hub.runs.submit(replace(RUN, team="ads" if at % 2 else "", title=str(at))).run_id for at in range(7)]
    seen, query = [], RunQuery(limit=3)
    while True:
        page = hub.runs.page(query)
        seen += [run.run_id for run in page.runs]
        hub.runs.submit(RUN)
        if not page.next_before:
            break
        query = replace(query, before=page.next_before)
    assert seen == made[::-1]
    ads = hub.runs.page(RunQuery(team="ads")).runs
    assert [run.new.title for run in ads] == ["5", "3", "1"]
    with pytest.raises(InputError):
        hub.runs.page(RunQuery(before="x"))


def test_pages_by_what_runs_are_like(hub: LocalHub, dgx: Agent, version: Version) -> None:
    reads = hub.runs.submit(reading("clicks@v1", submitted_by="bob"))
    other = hub.runs.submit(RUN)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.DONE)

    def found(query: RunQuery) -> list[str]:
        return [run.run_id for run in hub.runs.page(query).runs]

    assert found(RunQuery(dataset="clicks")) == found(RunQuery(user="bob")) == [reads.run_id]
    assert found(RunQuery(active=True)) == found(RunQuery(state=RunState.FILLING)) == [reads.run_id]
    assert found(RunQuery(state=RunState.SUCCEEDED)) == [other.run_id]
    assert found(RunQuery(site="dgx")) == [other.run_id, reads.run_id]
    assert found(RunQuery(site="aks")) == []


@pytest.mark.parametrize(
    "query",
    [
        RunQuery(),
        RunQuery(before="7"),
        RunQuery(active=True),
        RunQuery(state=RunState.FAILED),
        RunQuery(user="ada"),
        RunQuery(team="ads"),
        RunQuery(site="dgx"),
        RunQuery(dataset="clicks"),
    ],
    ids=str,
)
def test_no_list_looks_at_every_run(tmp_path: Path, clock: FakeClock, query: RunQuery) -> None:
    """SQLite says how it finds them: by an index, or in order and only until the page is full."""
    hub = LocalHub.open(tmp_path, f"sqlite:///{tmp_path}/hub.db", clock)
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT run.run_seq"):
            cursor = connection.connection.cursor()
            plans.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    sa.event.listen(hub.engine, "before_cursor_execute", explain)
    hub.runs.page(query)
    hub.close()
    assert plans
    assert not any("TEMP B-TREE FOR ORDER BY" in line for line in plans), plans
    scans = [line for line in plans if line.startswith("SCAN") and "USING INDEX" not in line]
    assert not scans or query == RunQuery(), plans


def test_a_run_is_found_by_the_beginning_of_its_id(hub: LocalHub) -> None:
    run = hub.runs.submit(RUN)
    assert hub.runs.get(run.run_id[:6]) == run
    with pytest.raises(InputError):
        hub.runs.get("")
    for name in ("nothing", "%", run.run_id + "0"):
        with pytest.raises(NotFoundError) as caught:
            hub.runs.get(name)
        assert caught.value.kind == "run-not-found"


def test_whoever_waits_for_a_run_sees_its_next_revision(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    assert hub.runs.get(run.run_id, after=run.revision, wait_s=0.01) == run
    started(dgx, run)
    assert hub.runs.get(run.run_id, after=run.revision, wait_s=30).state is RunState.RUNNING


# Logs


def test_a_log_comes_in_parts_and_twice_and_is_there_once(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    runs = hub.runs
    assert runs.add_log(run.run_id, 1, 1, 0, "epoch 1\n") == 8
    assert runs.add_log(run.run_id, 1, 1, 0, "epoch 1\n") == 8
    assert runs.add_log(run.run_id, 1, 1, 2, "och 1\nepo") == 11
    assert runs.add_log(run.run_id, 1, 1, 20, "too early") == 11
    assert runs.add_log(run.run_id, 1, 1, 11, "ch 2\n") == 16
    piece = runs.log(run.run_id, 0, 0, 1000)
    assert (piece.text, piece.next_offset, piece.is_whole) == ("epoch 1\nepoch 2\n", 16, False)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.DONE)
    assert runs.log(run.run_id, 1, 8, 1000).text == "epoch 2\n"
    assert runs.log(run.run_id, 1, 8, 1000).is_whole


def test_characters_stay_whole_wherever_a_piece_ends(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    text = "aé€😀" * 20
    hub.runs.add_log(run.run_id, 1, 1, 0, text)
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.DONE)
    for limit in range(4, 12):
        seen, offset, whole = "", 0, False
        while not whole:
            piece = hub.runs.log(run.run_id, 1, offset, limit)
            assert piece.next_offset > offset
            seen, offset, whole = seen + piece.text, piece.next_offset, piece.is_whole
        assert seen == text


def test_what_was_dropped_is_counted_and_not_waited_for(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    hub.runs.add_log(run.run_id, 1, 1, 0, "begin")
    assert hub.runs.add_log(run.run_id, 1, 1, 105, "end", dropped_bytes=100) == 108
    piece = hub.runs.log(run.run_id, 1, 0, 1000)
    assert (piece.text, piece.dropped_bytes, piece.next_offset) == ("beginend", 100, 108)


def test_of_a_long_log_the_beginning_and_the_end_stay(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    line, end = "x" * (LOG_PIECE_BYTES - 1) + "\n", 0
    for _ in range(20):
        end = hub.runs.add_log(run.run_id, 1, 1, end, line)
    assert end == 20 * LOG_PIECE_BYTES
    offset, seen, dropped = 0, 0, 0
    while offset < end:
        piece = hub.runs.log(run.run_id, 1, offset, LOG_PIECE_BYTES)
        offset, seen, dropped = piece.next_offset, seen + len(piece.text), dropped + piece.dropped_bytes
    assert seen + dropped == end
    assert seen <= 17 * LOG_PIECE_BYTES
    with pytest.raises(InputError):
        hub.runs.add_log(run.run_id, 1, 1, end, line + "x")


def test_only_the_attempts_own_token_writes_its_log(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    run = hub.runs.submit(replace(RUN, retry=Retry(attempts=2, backoff_s=0.0)))
    dgx.tell(dgx.order(TaskKind.RUN), TaskState.FAILED)
    hub.scheduler.tick()
    assert hub.runs.add_log(run.run_id, 2, 2, 0, "second") == 6
    with pytest.raises(ConflictError) as caught:
        hub.runs.add_log(run.run_id, 2, 1, 6, "first")
    assert caught.value.kind == "fenced"
    with pytest.raises(NotFoundError) as missing:
        hub.runs.log(run.run_id, 3, 0, 10)
    assert missing.value.kind == "attempt-not-found"


# Code


def test_a_bundle_is_kept_by_its_digest(hub: LocalHub, tmp_path: Path) -> None:
    bundle = tmp_path / "code.tar.gz"
    bundle.write_bytes(gzip.compress(b"print()" * 1000))
    digest = hub.runs.store_code(bundle)
    assert hub.runs.store_code(bundle) == digest
    assert hub.runs.code_path(digest).read_bytes() == bundle.read_bytes()
    run = hub.runs.submit(replace(RUN, code=Code(bundle=digest)))
    assert run.new.code.bundle == digest
    for name in ("0" * 64, "../../etc/passwd", ""):
        with pytest.raises(InputError):  # of which "not found" is one: a client sends no such name
            hub.runs.code_path(name)


def test_a_bundle_is_bounded_and_must_be_one(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "code.tar.gz"
    bundle.write_bytes(b"no gzip")
    with pytest.raises(InputError):
        hub.runs.store_code(bundle)
    monkeypatch.setattr("forebay.catalog.archive.BUNDLE_BYTES", 10)
    bundle.write_bytes(gzip.compress(b"print()"))
    with pytest.raises(CapacityError) as caught:
        hub.runs.store_code(bundle)
    assert caught.value.kind == "bundle-too-large"
