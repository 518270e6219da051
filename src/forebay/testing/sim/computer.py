"""A site's computers: executors, whose jobs outlive the agent, and the agent's notes, which outlive a power cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from forebay.testing.sim.simulator import Simulator
from forebay.wire.runs import RunOrder
from forebay.wire.sites import Order, Report, TaskKey


class Ended(StrEnum):
    """How a job ended."""

    WELL = "well"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"


@dataclass(slots=True)
class Job:
    """`until` is when its supervisor has ended it, unless somebody renews that. `on_end` is told once it has ended.

    `finish` ends its command.
    """

    key: TaskKey
    site: str
    run: RunOrder
    until: float
    ended: Ended | None = None
    on_end: Callable[[], object] = field(default=lambda: None)
    finish: Callable[[], object] = field(default=lambda: None)

    @property
    def refs(self) -> list[str]:
        return [use.ref for use in self.run.new.data]


class Jobs:
    """Every job of the world that goes on, by run. Whoever begins one finds another one here (ONCE).

    `begun` are the attempts whose command was ever begun: each once.
    """

    def __init__(self) -> None:
        self.alive: dict[str, list[Job]] = {}
        self.begun: set[TaskKey] = set()
        self.changes = 0

    def begin(self, job: Job) -> None:
        alive = self.alive.setdefault(job.run.run_id, [])
        alive.append(job)
        self.changes += 1
        assert len(alive) == 1, f"ONCE: {job.run.run_id} goes on at {[item.site for item in alive]}"
        assert job.key not in self.begun, f"ONCE: {job.key.task_id} is begun a second time at {job.site}"
        self.begun.add(job.key)

    def end(self, job: Job) -> None:
        self.alive[job.run.run_id].remove(job)
        self.changes += 1

    def readers(self, site: str, ref: str) -> list[Job]:
        """Those that read a version at a site now."""
        return [job for jobs in self.alive.values() for job in jobs if job.site == site and ref in job.refs]


class Machine:
    """One computer of a site; `jobs` are its own, those that have ended too. `offset_s` is how wrong its clock is."""

    def __init__(self, sim: Simulator, site: str, all_jobs: Jobs, offset_s: float) -> None:
        self._sim = sim
        self._all_jobs = all_jobs
        self.site = site
        self.offset_s = offset_s
        self.notes: dict[TaskKey, tuple[Order, Report | None]] = {}
        self.jobs: dict[TaskKey, Job] = {}

    @property
    def now(self) -> float:
        """What its own clock says; one that counts since boot is never wrong here."""
        return self._sim.now + self.offset_s

    def begin(self, key: TaskKey, run: RunOrder, seconds: float, how: Ended, until: float) -> Job:
        """Idempotent."""
        if key in self.jobs:
            return self.jobs[key]
        job = self.jobs[key] = Job(key=key, site=self.site, run=run, until=until)
        job.finish = lambda: self.end(job, how)
        self._all_jobs.begin(job)
        self._sim.after(seconds, f"{self.site}: the command of {run.run_id} ends", job.finish)
        self.watch(job)
        return job

    def renew(self, until: float) -> None:
        """All that goes on here may go on until then."""
        for job in self.jobs.values():
            if job.ended is None and until > job.until:
                job.until = until

    def end(self, job: Job, how: Ended) -> None:
        if job.ended is None:
            job.ended = how
            self._all_jobs.end(job)
            job.on_end()

    def lose_power(self) -> None:
        for job in self.jobs.values():
            job.on_end = lambda: None
            self.end(job, Ended.LOST)

    def watch(self, job: Job) -> None:
        """The supervisor: it needs no agent."""

        def look() -> None:
            if job.ended is None and self._sim.now >= job.until:
                self.end(job, Ended.LOST)
            elif job.ended is None:
                self.watch(job)

        self._sim.after(max(0.0, job.until - self._sim.now), f"{self.site}: the leash of {job.run.run_id}", look)
