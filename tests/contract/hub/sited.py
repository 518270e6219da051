"""Sites with scripted agents for a hub: they say what a test has them say, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.runs import DataUse, NewRun, Run
from forebay.wire.sites import Hello, Order, Report, TaskKey, TaskKind, TaskState

GB = 10**9
RUN = NewRun(command=("python", "train.py"), gpus=1, estimate_s=600.0, submitted_by="ada")


@dataclass
class Agent:
    """The agent of a site whose volume bears its name."""

    hub: LocalHub
    site: str
    gpus: int = 2
    labels: str = ""
    token: int = 0
    known: dict[str, Order] = field(default_factory=dict)

    @property
    def volume_id(self) -> str:
        return f"volume-of-{self.site}"

    def attach(self, *resumes: TaskKey, **facts: Any) -> Agent:
        self.hub.volumes.add(self.volume_id, f"/{self.site}", 1000 * GB)
        hello = Hello(
            site=self.site,
            volume_id=self.volume_id,
            gpus=self.gpus,
            cpus=16,
            memory_bytes=64 * GB,
            labels=self.labels,
            resumes=resumes,
        )
        self.token = self.hub.sites.attach(replace(hello, **facts)).agent_token
        return self

    def orders(self) -> dict[str, Order]:
        """By task id."""
        found = self.hub.sites.orders(self.site, self.token, 0, 0.0).orders
        self.known |= {order.task_id: order for order in found}
        return {order.task_id: order for order in found}

    def order(self, kind: TaskKind) -> Order:
        """The only one of a kind."""
        (found,) = (order for order in self.orders().values() if order.kind is kind)
        return found

    def beat(self, *reports: Report) -> tuple[TaskKey, ...]:
        return self.hub.sites.beat(self.site, self.token, reports).heard

    def tell(self, order: Order, state: TaskState, **facts: Any) -> tuple[TaskKey, ...]:
        return self.beat(Report(task_id=order.task_id, token=order.token, state=state, **facts))

    def fill(self, order: Order) -> None:
        """Do what a fill is ordered for, and say so."""
        ready(self.hub, self.volume_id, self.hub.catalog.resolve(order.ref))
        self.tell(order, TaskState.DONE)


class Behind:
    """A hub by one of its faces, and what only the hub itself has: its scheduler and its database."""

    def __init__(self, face: Hub, itself: LocalHub) -> None:
        self.catalog, self.volumes, self.fills = face.catalog, face.volumes, face.fills
        self.leases, self.replicas = face.leases, face.replicas
        self.sites, self.downtimes, self.runs = face.sites, face.downtimes, face.runs
        self.rules, self.retention, self.previews = face.rules, face.retention, face.previews
        self.scheduler, self.engine = itself.scheduler, itself.engine


def ready(hub: LocalHub, volume_id: str, version: Version) -> None:
    """The version is on the volume from now on."""
    granted = hub.fills.claim(volume_id, version, holder())
    assert isinstance(granted, Granted)
    size_bytes = version.size_bytes
    done = FillDone(added_bytes=size_bytes, moved_bytes=size_bytes, present_bytes=0, seconds=1.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)


def reading(*refs: str, **facts: Any) -> NewRun:
    """A run that reads versions."""
    uses = tuple(DataUse(name=f"data{number}", ref=ref) for number, ref in enumerate(refs))
    return replace(RUN, data=uses, **facts)


def pass_by(hub: LocalHub, clock: FakeClock, seconds: float, *agents: Agent, step_s: float = 5.0) -> None:
    """Time goes by in which the hub ticks and these agents, and no others, beat."""
    until = clock.now() + seconds
    while clock.now() < until:
        clock.pass_by(min(step_s, until - clock.now()))
        for agent in agents:
            agent.beat()
        hub.scheduler.tick()


def attempts_of(run: Run) -> list[tuple[str, str]]:
    """Where each attempt was, and how it ended."""
    return [(attempt.site, attempt.ending or "under way") for attempt in run.attempts]
