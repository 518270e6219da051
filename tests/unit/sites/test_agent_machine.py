"""Single decisions of an agent, each for itself; the random orders are in tests/stateful/test_agent.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.effects import Why
from forebay.sites.agent.machine import HOLD_LOST, step
from forebay.sites.agent.state import Agent, Limits, Phase
from forebay.sites.agent.told import reports
from forebay.wire.cache import VolumeState
from forebay.wire.runs import NewRun, RunOrder
from forebay.wire.sites import Attached, Beaten, Order, Orders, Report, SiteState, TaskKey, TaskKind, TaskState

HOLD_S, BEAT_S = 60.0, 10.0


class Stage:
    """An agent that a test tells what happens; `did` is what it wanted done by that."""

    def __init__(self, **limits: int) -> None:
        self.now = 1000.0
        self.agent = Agent(limits=Limits(**limits))
        self.did: list[do.Effect] = []
        self.revision = 0

    def tell(self, event: seen.Event) -> list[do.Effect]:
        self.agent, effects = step(self.agent, event, self.now)
        self.did = list(effects)
        return self.did

    def wait(self, seconds: float) -> list[do.Effect]:
        self.now += seconds
        return self.tell(seen.TimePassed())

    def attach(self, token: int = 1, protocol: int = 1) -> list[do.Effect]:
        terms = Attached(agent_token=token, hold_s=HOLD_S, beat_s=BEAT_S, protocol=protocol)
        return self.tell(seen.Attached(sent_at=self.now, terms=terms))

    def order(self, *orders: Order, revision: int = 0) -> list[do.Effect]:
        self.revision = revision or self.revision + 1
        told = Orders(revision=self.revision, state=SiteState.UP, orders=orders)
        return self.tell(seen.OrdersCame(agent_token=self.agent.agent_token, orders=told))

    def beat(self, *heard: TaskKey, told: tuple[TaskKey, ...] = (), revision: int = 0) -> list[do.Effect]:
        beaten = Beaten(heard=heard, revision=revision)
        token = self.agent.agent_token
        return self.tell(seen.BeatAnswered(agent_token=token, sent_at=self.now, told=told, beaten=beaten))

    def end(self, order: Order, state: TaskState = TaskState.DONE) -> list[do.Effect]:
        return self.tell(seen.TaskEnded(report=report(order, state)))

    def started(self) -> list[str]:
        return [effect.order.task_id for effect in self.did if isinstance(effect, do.StartTask)]

    def stopped(self) -> list[tuple[str, Why]]:
        return [(effect.order.task_id, effect.why) for effect in self.did if isinstance(effect, do.StopTask)]

    def phase(self, order: Order) -> Phase | None:
        held = self.agent.held.get(key(order))
        return held.phase if held else None

    def reported(self) -> dict[str, Report]:
        """What a beat would say now."""
        return {item.task_id: item for item in reports(self.agent, self.now)}


@pytest.fixture
def stage() -> Stage:
    """Attached, with no orders."""
    made = Stage(fills=2)
    made.wait(0)
    made.attach()
    return made


def fill(name: str, token: int = 1, *, stop: bool = False) -> Order:
    return Order(task_id=name, token=token, kind=TaskKind.FILL, ref="d@v1", stop=stop)


def run(name: str, token: int = 1, *, run_id: str = "") -> Order:
    order = RunOrder(run_id=run_id or name, attempt=token, new=NewRun(command=("x",)), submitted_by="ann")
    return Order(task_id=name, token=token, kind=TaskKind.RUN, run=order)


def key(order: Order) -> TaskKey:
    return TaskKey(task_id=order.task_id, token=order.token)


def report(order: Order, state: TaskState) -> Report:
    return Report(task_id=order.task_id, token=order.token, state=state)


def kinds(effects: Sequence[do.Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def test_an_agent_asks_for_its_site_first_and_once() -> None:
    stage = Stage()
    assert kinds(stage.wait(0)) == [do.Attach]
    assert stage.wait(1) == []


def test_a_site_that_was_got_is_beaten_for_asked_for_orders_and_its_runs_held() -> None:
    stage = Stage()
    stage.wait(0)
    assert kinds(stage.attach()) == [do.RenewHold, do.SendBeat, do.AskOrders]


def test_a_hub_that_is_away_is_asked_again_after_ever_longer_pauses() -> None:
    stage = Stage()
    stage.wait(0)
    pauses = []
    for _ in range(4):
        stage.tell(seen.AttachFailed(kind="hub-away", is_final=False))
        pause = 0.0
        while not stage.wait(0.25):
            pause += 0.25
        pauses.append(pause)
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1]


def test_a_hub_that_will_not_have_it_ends_it() -> None:
    stage = Stage()
    stage.wait(0)
    assert stage.tell(seen.AttachFailed(kind="bad-labels", is_final=True)) == [do.End(kind="bad-labels")]


def test_a_hub_of_a_later_protocol_alone_ends_it() -> None:
    stage = Stage()
    stage.wait(0)
    assert do.End(kind="protocol") in stage.attach(protocol=2)


def test_what_is_begun_is_noted_before(stage: Stage) -> None:
    effects = stage.order(run("r"))
    assert effects.index(do.NoteTask(order=run("r"))) < effects.index(do.StartTask(order=run("r"), resume=False))


def test_a_task_is_begun_once_however_often_it_is_ordered(stage: Stage) -> None:
    stage.order(fill("f"))
    assert stage.started() == ["f"]
    stage.order(fill("f"))
    assert stage.started() == []


def test_fills_wait_for_their_turn_and_nothing_else_waits_for_them(stage: Stage) -> None:
    stage.order(fill("a"), fill("b"), fill("c"), run("r"))
    assert stage.started() == ["a", "b", "r"]
    assert stage.reported()["c"].detail == "2 others are under way"
    stage.end(fill("a"), TaskState.FAILED)
    assert stage.started() == ["c"]


def test_a_newer_attempt_begins_when_the_older_one_has_ended(stage: Stage) -> None:
    stage.order(run("r-1", 1, run_id="r"))
    stage.order(run("r-2", 2, run_id="r"))
    assert stage.stopped() == [("r-1", Why.GIVEN_AWAY)]
    assert stage.started() == []
    stage.end(run("r-1", 1, run_id="r"), TaskState.CANCELLED)
    assert stage.started() == ["r-2"]


def test_orders_that_come_late_begin_nothing(stage: Stage) -> None:
    stage.order(fill("f"), revision=5)
    stage.end(fill("f"))
    stage.beat(key(fill("f")), told=(key(fill("f")),), revision=6)
    stage.order(fill("f"), revision=4)
    stage.order(fill("f"), revision=6)
    assert stage.started() == []
    assert stage.phase(fill("f")) is Phase.HEARD
    stage.order(revision=7)
    assert stage.phase(fill("f")) is None


def test_a_hub_that_forgot_what_it_had_heard_is_told_again(stage: Stage) -> None:
    stage.order(fill("f"), revision=5)
    stage.end(fill("f"))
    stage.beat(key(fill("f")), told=(key(fill("f")),), revision=6)
    stage.order(fill("f"), revision=7)
    assert stage.started() == []
    assert stage.reported()["f"].state is TaskState.DONE


def test_an_end_is_told_at_once_and_until_it_is_heard(stage: Stage) -> None:
    stage.beat()
    stage.order(fill("f"))
    assert do.SendBeat in kinds(stage.end(fill("f")))
    stage.beat(told=(key(fill("f")),))
    assert stage.reported()["f"].state is TaskState.DONE
    stage.beat(key(fill("f")), revision=9)
    assert do.ForgetTask(order=fill("f")) in stage.did
    assert stage.reported() == {}


def test_news_during_a_beat_is_told_right_after_it(stage: Stage) -> None:
    stage.order(fill("f"))
    stage.now += 1
    stage.end(fill("f"))
    assert do.SendBeat not in kinds(stage.did), "one is under way"
    stage.agent, effects = step(
        stage.agent,
        seen.BeatAnswered(agent_token=1, sent_at=1000.0, told=(), beaten=Beaten(revision=0)),
        stage.now,
    )
    assert do.SendBeat in kinds(effects)


def test_what_somebody_stops_before_it_began_was_cancelled(stage: Stage) -> None:
    stage.order(fill("f", stop=True))
    assert stage.started() == []
    assert stage.reported()["f"].state is TaskState.CANCELLED


def test_what_somebody_stops_is_stopped_once(stage: Stage) -> None:
    stage.order(fill("f"))
    stage.order(fill("f", stop=True))
    assert stage.stopped() == [("f", Why.ASKED)]
    stage.order(fill("f", stop=True))
    assert stage.stopped() == []


def test_a_kind_of_a_later_release_is_reported_as_failed(stage: Stage) -> None:
    stage.order(Order(task_id="x", token=1, kind=TaskKind.UNKNOWN), fill("f"))
    assert stage.started() == ["f"]
    told = stage.reported()["x"]
    assert (told.state, told.kind, told.retryable) == (TaskState.FAILED, "unknown-task", False)


def test_a_run_is_not_under_way_before_it_says_so(stage: Stage) -> None:
    stage.order(run("r"), fill("f"))
    told = stage.reported()
    assert told["r"].state is TaskState.ORDERED
    assert told["f"].state is TaskState.UNDER_WAY


def test_runs_end_before_their_hold_does_and_fills_go_on(stage: Stage) -> None:
    stage.order(run("r"), fill("f"))
    stage.wait(HOLD_S - 20)
    assert stage.stopped() == []
    stage.wait(10)
    assert stage.stopped() == [("r", Why.HOLD_RAN_OUT)]
    stage.end(run("r"), TaskState.CANCELLED)
    stage.beat()
    told = stage.reported()["r"]
    assert (told.state, told.kind) == (TaskState.FAILED, HOLD_LOST)


def test_a_hold_counts_from_when_the_beat_was_sent(stage: Stage) -> None:
    stage.order(run("r"))
    stage.now += 45
    answer = seen.BeatAnswered(agent_token=1, sent_at=1000.0, told=(), beaten=Beaten())
    assert do.RenewHold not in kinds(stage.tell(answer))
    stage.wait(5)
    assert stage.stopped() == [("r", Why.HOLD_RAN_OUT)]


def test_no_run_begins_out_of_hold(stage: Stage) -> None:
    stage.now += HOLD_S
    stage.order(run("r"), fill("f"))
    assert stage.started() == ["f"]
    stage.beat()
    assert stage.started() == ["r"]


def test_an_agent_that_was_replaced_ends_all_and_itself(stage: Stage) -> None:
    stage.order(run("r"), fill("f"))
    stage.tell(seen.HubRefused(agent_token=1, is_fenced=True))
    assert stage.stopped() == [("r", Why.FENCED), ("f", Why.FENCED)]
    stage.end(run("r"), TaskState.CANCELLED)
    assert do.End(kind="fenced") not in stage.did
    stage.end(fill("f"), TaskState.CANCELLED)
    assert stage.did[-1] == do.End(kind="fenced")


def test_an_agent_that_was_given_up_attaches_again(stage: Stage) -> None:
    stage.order(run("r"))
    assert stage.tell(seen.HubRefused(agent_token=1, is_fenced=False)) == [
        do.Attach(sent_at=stage.now, resumes=(key(run("r")),))
    ]
    stage.attach(token=3)
    assert stage.agent.agent_token == 3


@pytest.mark.parametrize(
    ("state", "started"),
    [(VolumeState.NORMAL, ["r", "f"]), (VolumeState.UNSTABLE, ["r"]), (VolumeState.DOWN, [])],
)
def test_a_volume_in_doubt_is_left_in_peace(stage: Stage, state: VolumeState, started: list[str]) -> None:
    stage.tell(seen.VolumeSeen(state=state, reason="its disk fails"))
    stage.order(run("r"), fill("f"))
    assert stage.started() == started
    if "f" not in started:
        assert stage.reported()["f"].detail == f"the volume is {state}: its disk fails"
    stage.tell(seen.VolumeSeen(state=VolumeState.NORMAL))
    assert set(stage.started()) == {"r", "f"} - set(started)


def test_a_draining_agent_ends_when_its_runs_have_and_were_heard(stage: Stage) -> None:
    stage.order(run("r"))
    stage.tell(seen.ToldToDrain())
    stage.order(run("r"), run("later"))
    assert stage.started() == []
    stage.end(run("r"))
    assert do.Leave(agent_token=1) not in stage.did
    stage.beat(key(run("r")), revision=9)
    assert stage.did[-1] == do.Leave(agent_token=1)
    assert stage.tell(seen.Left(agent_token=1)) == [do.End()]


def test_a_paused_agent_leaves_its_runs_alone_and_says_nothing(stage: Stage) -> None:
    stage.order(run("r"), fill("f"))
    effects = stage.tell(seen.ToldToPause())
    assert effects == [do.LetGo(key=key(run("r"))), do.LetGo(key=key(fill("f"))), do.End()]


def test_a_paused_agent_without_runs_says_goodbye(stage: Stage) -> None:
    stage.order(fill("f"))
    assert stage.tell(seen.ToldToPause()) == [do.LetGo(key=key(fill("f"))), do.Leave(agent_token=1)]


def test_a_stopped_agent_tells_of_its_runs_and_ends(stage: Stage) -> None:
    stage.order(run("r"), fill("f"))
    stage.tell(seen.ToldToStop())
    assert stage.stopped() == [("r", Why.AGENT_ENDS), ("f", Why.AGENT_ENDS)]
    stage.end(fill("f"), TaskState.CANCELLED)
    stage.end(run("r"), TaskState.CANCELLED)
    stage.beat()
    told = stage.reported()
    assert (told["r"].state, told["r"].kind) == (TaskState.FAILED, HOLD_LOST)
    assert "f" not in told, "the next one fills it"
    stage.beat(key(run("r")), revision=9)
    assert stage.did[-1] == do.Leave(agent_token=1)


def test_a_stopped_agent_does_not_wait_for_a_hub_that_is_away(stage: Stage) -> None:
    stage.order(run("r"))
    stage.tell(seen.ToldToStop())
    stage.end(run("r"), TaskState.CANCELLED)
    stage.wait(4)
    stage.wait(4)
    assert stage.did == [do.End()]


def test_news_of_another_token_is_no_news(stage: Stage) -> None:
    before = stage.agent
    for event in (
        seen.OrdersCame(agent_token=7, orders=Orders(revision=99, state=SiteState.UP, orders=(fill("f"),))),
        seen.BeatAnswered(agent_token=7, sent_at=2000.0, told=(), beaten=Beaten()),
        seen.HubRefused(agent_token=7, is_fenced=True),
        seen.TaskEnded(report=replace(report(fill("f"), TaskState.DONE), token=4)),
    ):
        stage.tell(event)
    assert stage.agent == before


def test_a_hold_that_is_over_ends_the_runs_also_when_the_hub_answers_at_last(stage: Stage) -> None:
    stage.attach()
    stage.order(run("r"))
    stage.now += HOLD_S
    stage.beat()
    assert stage.stopped() == [("r", Why.HOLD_RAN_OUT)]


def test_what_an_earlier_attachment_was_told_to_begin_waits_for_new_orders() -> None:
    stage = Stage(fills=1)
    stage.attach()
    stage.order(fill("f"), fill("g"))
    stage.attach(token=2)
    stage.end(fill("f"))
    assert stage.started() == []
    stage.order(fill("g"))
    assert stage.started() == ["g"]
