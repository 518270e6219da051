"""An agent: the very machine that decides, and a shell that carries out what it wants, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from forebay.errors import ConflictError, ForebayError
from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.machine import step
from forebay.sites.agent.state import Held, Limits, Phase, recovered
from forebay.testing.sim.computer import Machine
from forebay.testing.sim.hub import SimHub
from forebay.testing.sim.network import Answer, Network
from forebay.testing.sim.process import Process
from forebay.testing.sim.simulator import Simulator
from forebay.wire.sites import Attached, Beaten, Order, Orders, Report, TaskKey

LIMITS = Limits(fills=2, answer_s=6.0, retry_s=0.5, retry_most_s=4.0, orders_wait_s=10.0, late_s=2.0, farewell_s=2.0)
_TICK_S = 1.25

T = TypeVar("T")


class Work(Protocol):
    """What is done for one order."""

    def begin(self) -> object: ...

    def stop(self, why: do.Why) -> object: ...


class SimAgent:
    """One agent's life on one machine."""

    def __init__(
        self,
        sim: Simulator,
        network: Network,
        hub: SimHub,
        machine: Machine,
        name: str,
        work_for: Callable[[SimAgent, Order], Work],
    ) -> None:
        self.sim = sim
        self.network = network
        self.hub = hub
        self.machine = machine
        self.site = machine.site
        self.process = Process(sim, name)
        self.runs_until = float("-inf")
        self._work_for = work_for
        self._works: dict[TaskKey, Work] = {}
        self.agent = recovered(self._noted(), LIMITS)
        self.has_ended = False

    def begin(self) -> None:
        self.feed(seen.TimePassed())
        self._tick()

    def feed(self, event: seen.Event) -> None:
        self.agent, effects = step(self.agent, event, self.sim.now)
        for effect in effects:
            self._carry_out(effect)

    def progressed(self, report: Report) -> None:
        self.process.after(
            0.0, f"{report.task_id} is {report.state}", lambda: self.feed(seen.TaskProgressed(report=report))
        )

    def ended(self, report: Report) -> None:
        """From a work, once nothing of it goes on."""
        self._works.pop(TaskKey(task_id=report.task_id, token=report.token), None)
        self.process.after(0.0, f"{report.task_id} {report.state}", lambda: self.feed(seen.TaskEnded(report=report)))

    def ask(self, what: str, serve: Callable[[], T], answer: Answer[T]) -> None:
        """A question that the hub answers at once."""
        self.network.ask(self.process, self.site, what, lambda reply: reply(serve()), answer)

    def _noted(self) -> dict[TaskKey, Held]:
        return {
            key: Held(
                order=order,
                phase=Phase.WAITING if report is None else Phase.ENDED,
                begun=True,
                report=report,
                is_wanted=False,
            )
            for key, (order, report) in self.machine.notes.items()
        }

    def _tick(self) -> None:
        self.process.after(_TICK_S, "time passes", self._time_passes)

    def _time_passes(self) -> None:
        self.feed(seen.TimePassed())
        self._tick()

    def _carry_out(self, effect: do.Effect) -> None:
        match effect:
            case do.NoteTask(order=order, report=report):
                self.machine.notes[key_of(order)] = order, report
            case do.ForgetTask(order=order):
                self.machine.notes.pop(key_of(order), None)
                self.machine.jobs.pop(key_of(order), None)
            case do.StartTask(order=order):
                self._start(order).begin()
            case do.StopTask(order=order, why=why):
                self._stop(order, why)
            case do.LetGo(key=key):
                self._works.pop(key, None)
            case do.RenewHold(until=until, grace_s=grace_s):
                self.runs_until = until + grace_s
                self.machine.renew(self.runs_until)
            case do.End():
                self.has_ended = True
                self.process.kill()
            case do.Attach():
                self._attach(effect)
            case do.SendBeat():
                self._beat(effect)
            case do.AskOrders():
                self._orders(effect)
            case do.Leave(agent_token=token):
                self.ask(
                    "leave", lambda: self.hub.leave(self.site, token), lambda _: self.feed(seen.Left(agent_token=token))
                )

    def _stop(self, order: Order, why: do.Why) -> None:
        """What an earlier agent had begun has no work here yet, and gets one that ends it."""
        work = self._works.get(key_of(order))
        if work is not None:
            work.stop(why)
            return
        work = self._start(order)
        work.stop(why)
        work.begin()

    def _start(self, order: Order) -> Work:
        work = self._works[key_of(order)] = self._work_for(self, order)
        return work

    def _attach(self, effect: do.Attach) -> None:
        def answered(found: Attached | ForebayError) -> None:
            if isinstance(found, ForebayError):
                self.feed(seen.AttachFailed(kind=found.kind, is_final=False))
            else:
                self.feed(seen.Attached(sent_at=effect.sent_at, terms=found))

        self.ask("attach", lambda: self.hub.attach(self.site, effect.resumes), answered)

    def _beat(self, effect: do.SendBeat) -> None:
        token = effect.agent_token
        told = tuple(TaskKey(task_id=item.task_id, token=item.token) for item in effect.reports if item.state.is_final)

        def answered(found: Beaten | ForebayError) -> None:
            if isinstance(found, ConflictError):
                self._refused(token, seen.BeatFailed(agent_token=token))
            elif isinstance(found, ForebayError):
                self.feed(seen.BeatFailed(agent_token=token))
            else:
                beaten = seen.BeatAnswered(agent_token=token, sent_at=effect.sent_at, told=told, beaten=found)
                self.feed(beaten)

        self.ask("beat", lambda: self.hub.beat(self.site, token, effect.reports), answered)

    def _orders(self, effect: do.AskOrders) -> None:
        token = effect.agent_token

        def answered(found: Orders | ForebayError) -> None:
            if isinstance(found, ConflictError):
                self._refused(token, seen.OrdersFailed(agent_token=token))
            elif isinstance(found, ForebayError):
                self.feed(seen.OrdersFailed(agent_token=token))
            else:
                self.feed(seen.OrdersCame(agent_token=token, orders=found))

        patience_s = effect.wait_s + LIMITS.answer_s
        self.network.ask(
            self.process,
            self.site,
            "orders",
            lambda reply: self.hub.orders(self.site, token, effect.after, reply, effect.wait_s),
            answered,
            patience_s,
        )

    def _refused(self, token: int, otherwise: seen.Event) -> None:
        """Whether another agent has the site, or the hub only gave this one up; `otherwise` when that can't be told."""

        def answered(found: bool | ForebayError) -> None:
            if isinstance(found, ForebayError):
                self.feed(otherwise)
            else:
                self.feed(seen.HubRefused(agent_token=token, is_fenced=not found))

        self.ask("whose site it is", lambda: self.hub.has_given_up(self.site, token), answered)


def key_of(order: Order) -> TaskKey:
    """What its reports are known by."""
    return TaskKey(task_id=order.task_id, token=order.token)
