"""What one order's work is made of. Every step may be the last one before a death, and each is one event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from forebay.errors import ForebayError, UnavailableError
from forebay.sites.agent.effects import Why
from forebay.testing.sim.agent import SimAgent
from forebay.testing.sim.chaos import Chaos, Fault
from forebay.testing.sim.computer import Jobs
from forebay.testing.sim.network import Answer
from forebay.testing.sim.simulator import Act
from forebay.testing.sim.volume import Dataset, Volume
from forebay.wire.sites import Order, Report, TaskState

AGAIN_S = 1.0

T = TypeVar("T")


@dataclass(slots=True)
class Grounds:
    """What the works of all sites stand on. `lost` are versions that the lake lacks now, and since when.

    `pause` stops an agent for a while.
    """

    chaos: Chaos
    datasets: dict[str, Dataset]
    volumes: dict[str, Volume]
    jobs: Jobs
    pause: Callable[[SimAgent], object]
    lost: dict[str, float] = field(default_factory=dict)


class Work:
    """One order's work."""

    def __init__(self, grounds: Grounds, agent: SimAgent, order: Order) -> None:
        self.grounds = grounds
        self.agent = agent
        self.hub = agent.hub
        self.keeper = agent.hub.keeper
        self.order = order
        self.volume = grounds.volumes[agent.site]
        self.why: Why | None = None
        self.is_over = False

    @property
    def place(self) -> tuple[str, str]:
        return self.agent.site, self.order.ref

    @property
    def dataset(self) -> Dataset:
        return self.grounds.datasets[self.order.ref]

    @property
    def now(self) -> float:
        """What the hub goes by in what is asked of it: its own clock, whatever this site's says."""
        return self.hub.now

    def begin(self) -> object:
        raise NotImplementedError

    def stop(self, why: Why) -> None:
        self.why = why

    def later(self, delay_s: float, what: str, act: Act) -> None:
        self.agent.process.after(delay_s, f"{self.order.task_id}: {what}", lambda: self.do(act))

    def irrevocably(self, delay_s: float, what: str, act: Act) -> None:
        """As `later`, of a step that can't be undone: who is stopped, may be stopped right before it."""
        if self.grounds.chaos.strikes(Fault.HOLDER_PAUSED):
            self.grounds.pause(self.agent)
        self.later(delay_s, what, act)

    def ask(self, what: str, serve: Callable[[], T], then: Answer[T]) -> None:
        """Ask until there is an answer. What comes twice is done once, as with an idempotency key (hub.answers)."""
        done: list[T] = []

        def once() -> T:
            if not done:
                done.append(serve())
            return done[0]

        self._ask_on(what, once, then)

    def tell(self, what: str, serve: Callable[[], object]) -> None:
        """Say it to the hub once, whether it hears or not."""
        self.agent.ask(f"{self.order.task_id}: {what}", serve, lambda _found: None)

    def over(self, state: TaskState, detail: str = "", *, kind: str = "", retryable: bool = True) -> None:
        if not self.is_over:
            self.is_over = True
            order = self.order
            self.agent.ended(
                Report(
                    task_id=order.task_id, token=order.token, state=state, detail=detail, kind=kind, retryable=retryable
                )
            )

    def failed(self, error: ForebayError) -> None:
        self.over(TaskState.FAILED, str(error))

    def do(self, act: Act) -> None:
        """Unless it is over. The volume may go away in the middle of anything."""
        if self.is_over:
            return
        try:
            act()
        except UnavailableError as error:
            self.failed(error)

    def _ask_on(self, what: str, serve: Callable[[], T], then: Answer[T]) -> None:
        def answered(found: T | ForebayError) -> None:
            if isinstance(found, UnavailableError) and found.kind == "hub-away" and self.why is None:
                self.later(AGAIN_S, f"{what} once more", lambda: self._ask_on(what, serve, then))
            else:
                self.do(lambda: then(found))

        if not self.is_over:
            self.agent.ask(f"{self.order.task_id}: {what}", serve, answered)
