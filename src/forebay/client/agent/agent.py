"""A site's agent, put together from one session: what it has, what starts its runs, and its life from start to end."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forebay import __version__
from forebay.catalog.names import check_site_name
from forebay.client.agent.bench import Bench
from forebay.client.agent.hold import Hold
from forebay.client.agent.run_work import RunWork
from forebay.client.session import Session
from forebay.errors import InputError
from forebay.fsio import Disk
from forebay.metrics.family import Sample
from forebay.runs.executors.environment import Environments, find_uv
from forebay.runs.executors.fence import since_boot
from forebay.runs.executors.process import ProcessExecutor
from forebay.runs.executors.protocol import Executor, JobKey
from forebay.runs.executors.slurm import SlurmExecutor
from forebay.settings import parse_rate
from forebay.sites.agent.capacity import gpus_here, parse_capacity, seen_here
from forebay.sites.agent.chores import EvictWork, FillWork, ScrubWork, Tended
from forebay.sites.agent.events import ToldToDrain, ToldToPause, ToldToStop
from forebay.sites.agent.journal import Journal
from forebay.sites.agent.looking import Looker
from forebay.sites.agent.loop import AgentLoop
from forebay.sites.agent.measured import samples
from forebay.sites.agent.upkeep import Upkeep
from forebay.sites.agent.watched import unready
from forebay.sites.agent.work import Work
from forebay.sites.site import Resources
from forebay.wire.sites import Hello, Keeping, Order, TaskKind

_SLURM_LOOK_S = 5.0
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """Implements `sites.agent.work.Works`."""

    bench: Bench
    tended: Tended

    def of(self, order: Order, *, resume: bool) -> Work:
        match order.kind:
            case TaskKind.FILL:
                return FillWork(at=self.tended, order=order)
            case TaskKind.EVICT:
                return EvictWork(at=self.tended, order=order)
            case TaskKind.SCRUB:
                return ScrubWork(at=self.tended, order=order)
            case TaskKind.RUN | TaskKind.UNKNOWN:
                assert order.run is not None
                return RunWork(bench=self.bench, order=order, run=order.run, resume=resume)

    def forget(self, order: Order) -> None:
        key = _job_of(order)
        if key is not None:
            self.bench.forget(key)


class Agent:
    """One agent. `run` is its life; the others may be called from any thread, and from a signal's handler."""

    def __init__(self, loop: AgentLoop, hello: Hello, upkeep: Upkeep) -> None:
        self.hello = hello
        self._loop = loop
        self._upkeep = upkeep

    def run(self) -> None:
        """Until it was told to end and has. What `AgentLoop.run` raises."""
        self._upkeep.start()
        try:
            self._loop.run()
        finally:
            self._upkeep.stop()

    def samples(self) -> list[Sample]:
        """How it is now, as metrics."""
        return list(samples(self.hello.site, self.hello.release, *self._loop.standing()))

    def unready(self) -> str:
        """Why the hub gives it nothing to do now; "" while it may."""
        return unready(*self._loop.standing())

    def pause(self) -> None:
        """End now; runs go on until the hold is over, and the next agent takes them up."""
        self._loop.tell(ToldToPause())

    def drain(self) -> None:
        """Begin nothing more; end when what is under way has."""
        self._loop.tell(ToldToDrain())

    def stop(self) -> None:
        """End all that is under way, tell the hub, and end."""
        self._loop.tell(ToldToStop())


@contextmanager
def site_agent(session: Session, site: str = "") -> Iterator[Agent]:
    """The agent of a site (by default the session's), alone with its folder until the end of the block.

    InputError `no-site`, `bad-name`, `bad-capacity`, `no-capacity`; ConflictError `agent-runs`; what opening the volume
    raises.
    """
    site = _checked(site or session.settings.site)
    folder = session.settings.home / "agent" / site
    journal = Journal(folder, Disk())
    with journal.alone():
        capacity = parse_capacity(session.settings.site_capacity, _seen(session))
        executor = _executor(session, folder, capacity)
        hold = Hold(executor)
        for key in executor.known():
            hold.watch(key)
        bench = _bench(session, executor, folder, hold)
        _clear(bench, {_job_of(held.order) for held in journal.held().values()})
        tended = _tended(session)
        works = Works(bench=bench, tended=tended)
        hello = _hello(session, site, capacity)
        loop = AgentLoop(
            session.hub.sites,
            hello,
            journal,
            works,
            since_boot=since_boot,
            renew=hold.renew,
            looker=Looker(tended, site),
        )
        yield Agent(loop, hello, Upkeep(session.cache, loop.tell))


def _job_of(order: Order) -> JobKey | None:
    run = order.run
    return None if run is None else JobKey(run_id=run.run_id, attempt=run.attempt, token=order.token)


def _clear(bench: Bench, noted: Collection[JobKey | None]) -> None:
    """Jobs that no note speaks of were given up when the agent before died: they end, and go."""
    for key in bench.executor.known():
        if key not in noted:
            bench.executor.cancel(key)
            bench.forget(key)


def _checked(site: str) -> str:
    if not site:
        raise InputError("no-site", "This agent has no site.", todo="forebay agent --site NAME, or FOREBAY_SITE=NAME")
    return check_site_name(site)


def _seen(session: Session) -> Resources:
    """Of a cluster, this machine shows nothing."""
    if session.settings.site_engine == "process":
        return seen_here(os.environ)
    if not session.settings.site_capacity:
        raise InputError(
            "no-capacity",
            "What the cluster behind slurm has can't be seen from here.",
            todo="Say it: --capacity gpus=8,cpus=256,memory=2TB",
        )
    return Resources()


def _hello(session: Session, site: str, capacity: Resources) -> Hello:
    policy = session.policy
    return Hello(
        site=site,
        volume_id=session.cache.volume_id,
        gpus=capacity.gpus,
        cpus=capacity.cpus,
        memory_bytes=capacity.memory_bytes,
        labels=session.settings.site_labels,
        engine=session.settings.site_engine,
        release=__version__,
        keeping=Keeping(
            stale_after_s=policy.stale_after_s,
            grace_s=policy.grace_s,
            high_mark=policy.high_mark,
            low_mark=policy.low_mark,
        ),
    )


def _executor(session: Session, folder: Path, capacity: Resources) -> Executor:
    if session.settings.site_engine == "slurm":
        return SlurmExecutor(folder / "jobs")
    gpus = gpus_here(os.environ) or tuple(str(number) for number in range(capacity.gpus))
    return ProcessExecutor(folder / "jobs", gpus=gpus[: capacity.gpus])


def _bench(session: Session, executor: Executor, folder: Path, hold: Hold) -> Bench:
    return Bench(
        session=session,
        executor=executor,
        environments=Environments(folder / "environments", uv=find_uv()),
        folder=folder / "runs",
        hold=hold,
        look_s=_SLURM_LOOK_S if session.settings.site_engine == "slurm" else _LOOK_S,
    )


def _tended(session: Session) -> Tended:
    return Tended(
        hub=session.hub,
        cache=session.cache,
        clock=session.clock,
        holder=session.holder,
        memo_folder=session.memo_folder,
        scrub_rate_bytes_s=parse_rate(session.settings.scrub_rate),
    )
