"""What an agent's machine knows: values only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from forebay.sites.agent.effects import Why
from forebay.sites.agent.looks import Looks
from forebay.wire.cache import VolumeState
from forebay.wire.sites import Order, Report, TaskKey, TaskKind


class Mood(StrEnum):
    """What the agent is about."""

    WORKING = "working"
    DRAINING = "draining"
    STOPPING = "stopping"
    PAUSED = "paused"
    FENCED = "fenced"


class Phase(StrEnum):
    """waiting -> going -> (stopping ->) ended -> heard. Only `going` and `stopping` ones have a worker."""

    WAITING = "waiting"
    GOING = "going"
    STOPPING = "stopping"
    ENDED = "ended"
    HEARD = "heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An attempt in the agent's hands. `begun`: somewhere, sometime, its work was started and may still go on.

    `report` is its last progress, or its end. `is_wanted`: the newest orders name it. `heard_at` is
    the revision of the orders when the hub had heard its end.
    """

    order: Order
    phase: Phase = Phase.WAITING
    begun: bool = False
    report: Report | None = None
    is_wanted: bool = True
    why: Why | None = None
    heard_at: int = 0

    @property
    def key(self) -> TaskKey:
        return TaskKey(task_id=self.order.task_id, token=self.order.token)

    @property
    def is_run(self) -> bool:
        return self.order.kind is TaskKind.RUN

    @property
    def is_live(self) -> bool:
        """Whether something of it may be under way."""
        return self.phase in (Phase.GOING, Phase.STOPPING) or (self.phase is Phase.WAITING and self.begun)

    @property
    def subject(self) -> str:
        """What is done once at a time, whatever the attempt and whichever task it came as."""
        return f"run {self.order.run.run_id}" if self.order.run is not None else f"task {self.order.task_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One request that is made again and again: out since when (None: not), due when, failed how often in a row."""

    out_since: float | None = None
    due_at: float = -math.inf
    failures: int = 0

    def is_due(self, now: float, patience_s: float) -> bool:
        """One that nobody answers is given up after a while, and asked anew."""
        if self.out_since is not None:
            return now >= self.out_since + patience_s
        return now >= self.due_at

    def sent(self, now: float) -> Asking:
        return replace(self, out_since=now)

    def answered(self, due_at: float) -> Asking:
        return Asking(due_at=due_at)

    def failed(self, now: float, pause_s: float, most_s: float) -> Asking:
        """Asked again after a pause, a longer one each time."""
        pause_s = min(pause_s * 2.0 ** min(self.failures, 20), most_s)
        return Asking(due_at=now + pause_s, failures=self.failures + 1)

    def soon(self, now: float) -> Asking:
        """At once, unless the hub just failed."""
        return self if self.failures else replace(self, due_at=min(self.due_at, now))

    def sooner(self, now: float, late_s: float) -> Asking:
        """Anew, where an answer that must be there does not come."""
        is_late = self.out_since is not None and now >= self.out_since + late_s
        return Asking(due_at=now) if is_late else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many at a time, and how long is waited: for an answer, between tries, for new
    orders, for orders that must have come, for the last reports."""

    fills: int = 4
    evictions: int = 2
    scrubs: int = 1
    answer_s: float = 75.0
    retry_s: float = 0.5
    retry_most_s: float = 10.0
    orders_wait_s: float = 20.0
    late_s: float = 5.0
    farewell_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """`agent_token` 0: not attached. `hold_until` counts from when the last answered beat was sent."""

    limits: Limits = field(default_factory=Limits)
    mood: Mood = Mood.WORKING
    held: Mapping[TaskKey, Held] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)
    agent_token: int = 0
    hold_s: float = 0.0
    beat_s: float = 0.0
    hold_until: float = -math.inf
    revision: int = 0
    volume: VolumeState = VolumeState.NORMAL
    volume_reason: str = ""
    attaching: Asking = field(default_factory=Asking)
    beating: Asking = field(default_factory=Asking)
    asking: Asking = field(default_factory=Asking)
    is_leaving: bool = False
    news_at: float = -math.inf
    end_by: float = math.inf
    has_ended: bool = False

    @property
    def runs_until(self) -> float:
        """When the runs must be told to end, so that they have before the hold is over."""
        return self.hold_until - lead_s(self.hold_s)


def lead_s(hold_s: float) -> float:
    """How long before the end of a hold the runs are told to end: they get their grace, and some time to be found."""
    return grace_s(hold_s) + min(2.0, hold_s / 10)


def grace_s(hold_s: float) -> float:
    """How long a run may take to end by itself."""
    return min(10.0, hold_s / 5)


def recovered(held: Mapping[TaskKey, Held], limits: Limits) -> Agent:
    """An agent at its start, with what an earlier one of this machine had in its hands."""
    return Agent(limits=limits, held=dict(held))
