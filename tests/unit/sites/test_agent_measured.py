"""What an agent counts of itself: each end once, beats by what became of them, and whether it is ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.metrics.agent_families import AGENT
from forebay.sites.agent import events as seen
from forebay.sites.agent.events import Event
from forebay.sites.agent.machine import step
from forebay.sites.agent.measured import samples
from forebay.sites.agent.state import Agent, recovered
from forebay.sites.agent.watched import Watched, unready, watch
from forebay.wire.runs import NewRun, RunOrder
from forebay.wire.sites import Attached, Beaten, Order, Orders, Report, SiteState, TaskKey, TaskKind, TaskState

HOLD_S, BEAT_S = 60.0, 10.0


class Stage:
    """An agent and what is seen of it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.agent = Agent()
        self.watched = Watched()
        self.revision = 0

    def tell(self, event: Event) -> None:
        before = self.agent
        self.agent, _ = step(before, event, self.now)
        self.watched = watch(self.watched, before, event, self.agent)

    def attach(self, token: int = 1) -> None:
        terms = Attached(agent_token=token, hold_s=HOLD_S, beat_s=BEAT_S)
        self.tell(seen.Attached(sent_at=self.now, terms=terms))

    def order(self, *orders: Order) -> None:
        self.revision += 1
        told = Orders(revision=self.revision, state=SiteState.UP, orders=orders)
        self.tell(seen.OrdersCame(agent_token=self.agent.agent_token, orders=told))

    def beat(self, *heard: TaskKey, token: int = 1) -> None:
        beaten = Beaten(heard=heard, revision=self.revision)
        self.tell(seen.BeatAnswered(agent_token=token, sent_at=self.now, told=(), beaten=beaten))

    def end(self, order: Order, state: TaskState = TaskState.DONE) -> None:
        self.tell(seen.TaskEnded(report=Report(task_id=order.task_id, token=order.token, state=state)))

    def told(self) -> dict[str, float]:
        """By the end of the name, and the labels but the site's."""
        found = samples("dgx", "1.0", self.agent, self.watched, self.now)
        return {
            " ".join([item.family.name.removeprefix("forebay_agent_"), *item.labels[1:]]): item.value for item in found
        }

    @property
    def ready(self) -> bool:
        return self.told()["ready"] == 1


@pytest.fixture
def stage() -> Stage:
    made = Stage()
    made.attach()
    return made


def order(name: str, kind: TaskKind = TaskKind.FILL) -> Order:
    run = RunOrder(run_id=name, attempt=1, new=NewRun(command=("x",)), submitted_by="ann")
    return Order(task_id=name, token=1, kind=kind, ref="d@v1", run=run if kind is TaskKind.RUN else None)


def key(of: Order) -> TaskKey:
    return TaskKey(task_id=of.task_id, token=of.token)


def test_before_anything_happened_all_but_the_age_is_there() -> None:
    told = Stage().told()
    assert (told["info 1.0"], told["ready"], told["beats_failed_total"]) == (1, 0, 0)
    assert "beat_age_seconds" not in told
    assert {name for name in told if name.startswith("tasks ")} == {f"tasks {kind}" for kind in _known()}
    ended = {f"tasks_ended_total {kind} {how}" for kind in _known() for how in ("done", "failed", "cancelled")}
    assert {name for name, value in told.items() if name.startswith("tasks_ended") and value == 0} == ended


def test_every_family_is_told(stage: Stage) -> None:
    found = samples("dgx", "1.0", stage.agent, stage.watched, stage.now)
    assert {item.family for item in found} == set(AGENT)


def test_an_end_counts_once_however_often_it_is_told(stage: Stage) -> None:
    one, other, job = order("one"), order("other"), order("job", TaskKind.RUN)
    stage.order(one, other, job)
    assert (stage.told()["tasks fill"], stage.told()["tasks run"]) == (2, 1)
    for _ in range(2):
        stage.end(one)
        stage.end(other, TaskState.FAILED)
    told = stage.told()
    assert (told["tasks fill"], told["tasks run"]) == (0, 1)
    assert (told["tasks_ended_total fill done"], told["tasks_ended_total fill failed"]) == (1, 1)
    stage.beat(key(one), key(other))
    stage.order(one, job)
    stage.order(one, job)
    assert stage.told()["tasks_ended_total fill done"] == 1, "the hub forgot that it had heard, and hears it again"


def test_what_the_hub_gave_away_and_what_nobody_knows_end_too(stage: Stage) -> None:
    given, strange = order("given"), order("strange", TaskKind.UNKNOWN)
    stage.order(given, strange)
    assert stage.told()["tasks_ended_total unknown failed"] == 1, "refused before it was begun"
    stage.order()
    assert stage.told()["tasks fill"] == 1, "told to stop, and not yet over"
    stage.end(given, TaskState.CANCELLED)
    told = stage.told()
    assert (told["tasks fill"], told["tasks_ended_total fill cancelled"]) == (0, 1)


def test_ends_of_an_earlier_life_are_not_this_processs(stage: Stage) -> None:
    done = order("done")
    stage.order(done)
    stage.end(done)
    after = Stage()
    after.agent = recovered(stage.agent.held, stage.agent.limits)
    after.attach(2)
    assert after.told()["tasks_ended_total fill done"] == 0


def test_the_age_is_that_of_the_last_beat_which_the_hub_took(stage: Stage) -> None:
    stage.now += 7
    assert stage.told()["beat_age_seconds"] == 7, "attaching is one"
    stage.beat()
    stage.now += 3
    stage.tell(seen.BeatFailed(agent_token=1))
    stage.beat(token=9)
    told = stage.told()
    assert (told["beat_age_seconds"], told["beats_failed_total"]) == (3, 1), "an answer to another agent is none"


def test_it_is_ready_within_its_hold_and_while_the_site_is_its_own(stage: Stage) -> None:
    assert not Stage().ready
    assert stage.ready
    stage.now += HOLD_S - 1
    assert stage.ready
    stage.now += 1
    assert "no beat for 60 s" in unready(stage.agent, stage.watched, stage.now)
    stage.beat()
    assert stage.ready
    stage.tell(seen.HubRefused(agent_token=1, is_fenced=False))
    assert "not attached" in unready(stage.agent, stage.watched, stage.now)
    stage.attach(2)
    assert stage.ready
    assert unready(replace(stage.agent, has_ended=True), stage.watched, stage.now) == "it has ended"
    busy = order("busy")
    stage.order(busy)
    stage.tell(seen.HubRefused(agent_token=2, is_fenced=True))
    assert "another agent" in unready(stage.agent, stage.watched, stage.now)


def _known() -> list[str]:
    return [kind.value for kind in TaskKind if kind is not TaskKind.UNKNOWN]
