"""Runs: lease, begin, look after, give back. The job is the executor's, and outlives the agent."""

from __future__ import annotations

from functools import partial

from forebay.errors import ForebayError
from forebay.runs.machine import HOLD_LOST
from forebay.sites.agent.effects import Why
from forebay.testing.sim.agent import key_of
from forebay.testing.sim.chaos import Fault
from forebay.testing.sim.computer import Ended, Job
from forebay.testing.sim.hub import CACHE_TERMS
from forebay.testing.sim.work import Work
from forebay.wire.runs import RunOrder
from forebay.wire.sites import Report, TaskState


class RunWork(Work):
    """One attempt at a run."""

    _held_at = 0.0

    def begin(self) -> None:
        job = self.agent.machine.jobs.get(key_of(self.order))
        if job is not None:
            self._look_after(job)
        elif self.why is not None:
            self.over(TaskState.CANCELLED)
        else:
            self._lease(0)

    def stop(self, why: Why) -> None:
        first = self.why is None
        self.why = why
        machine = self.agent.machine
        job = machine.jobs.get(key_of(self.order))
        if first and job is not None:
            self.later(self.agent.sim.between(0.05, 1.0), "is ended", lambda: machine.end(job, Ended.STOPPED))

    @property
    def _run(self) -> RunOrder:
        assert self.order.run is not None
        return self.order.run

    @property
    def _refs(self) -> list[str]:
        return [use.ref for use in self._run.new.data]

    def _lease_id(self, ref: str) -> str:
        return f"{self.order.task_id}.{self.order.token}.{ref}"

    def _lease(self, number: int) -> None:
        if self.why is not None:
            self._give_back(TaskState.CANCELLED)
            return
        if number == 0:
            self._held_at = self.agent.sim.now
        if number == len(self._refs):
            self._hold(number)
            return
        ref, run_id = self._refs[number], self._run.run_id
        place = self.agent.site, ref
        asked_at = self.agent.sim.now

        def held(found: object) -> None:
            if isinstance(found, ForebayError):
                self._give_back(TaskState.FAILED, str(found), kind=HOLD_LOST)
            else:
                self._lease(number + 1)

        def leased(found: object) -> None:
            """An answer that was long in coming may be one from long ago (as `Cache.lease` has it)."""
            is_fresh = self.agent.sim.now - asked_at < CACHE_TERMS.lease_beat_seconds
            if isinstance(found, ForebayError) or is_fresh:
                held(found)
            else:
                self.ask("holds its lease", lambda: self.keeper.renew_lease(self._lease_id(ref), self.now), held)

        self.ask("lease", lambda: self.keeper.lease(self._lease_id(ref), place, run_id, self.now), leased)

    def _hold(self, number: int) -> None:
        """Leases that were long in coming are renewed before the job begins: in the product each has a heart by now."""
        if number == len(self._refs) and self.agent.sim.now - self._held_at < CACHE_TERMS.lease_beat_seconds:
            self._begin_job()
            return
        if number == len(self._refs):
            self._held_at, number = self.agent.sim.now, 0
        lease_id = self._lease_id(self._refs[number])

        def held(found: object) -> None:
            if isinstance(found, ForebayError):
                self._give_back(TaskState.FAILED, str(found), kind=HOLD_LOST)
            else:
                self._hold(number + 1)

        self.ask("holds its lease", lambda: self.keeper.renew_lease(lease_id, self.now), held)

    def _begin_job(self) -> None:
        sim, agent = self.agent.sim, self.agent
        if sim.now >= agent.runs_until:
            self._give_back(TaskState.FAILED, "the hub is away", kind=HOLD_LOST)
            return
        for ref in self._refs:
            if self.volume.is_away or ref not in self.volume.trees:
                self._give_back(TaskState.FAILED, f"{ref} is not there", kind=HOLD_LOST)
                return
        how = Ended.FAILED if self.grounds.chaos.strikes(Fault.JOB_FAILS) else Ended.WELL
        # The longer ones outlast a hold, a lease, and what may come about meanwhile.
        is_short = sim.chance.random() < 0.5 or self.grounds.chaos.quiet
        seconds = sim.between(1.0, 5.0) if is_short else sim.between(15.0, 80.0)
        job = agent.machine.begin(key_of(self.order), self._run, seconds, how, agent.runs_until)
        agent.progressed(
            Report(task_id=self.order.task_id, token=self.order.token, state=TaskState.UNDER_WAY, detail="it runs")
        )
        self._look_after(job)

    def _look_after(self, job: Job) -> None:
        job.on_end = lambda: self.later(0.05, "its job ended", lambda: self._job_ended(job))
        if job.ended is not None:
            job.on_end()
        elif self.why is not None:
            self.agent.machine.end(job, Ended.STOPPED)
        else:
            self._renew()

    def _renew(self) -> None:
        for ref in self._refs:
            self.tell(f"renews {ref}", partial(self._renew_lease, self._lease_id(ref)))
        self.later(CACHE_TERMS.lease_beat_seconds, "renews its leases", self._renew)

    def _renew_lease(self, lease_id: str) -> None:
        self.keeper.renew_lease(lease_id, self.now)

    def _job_ended(self, job: Job) -> None:
        match job.ended:
            case Ended.WELL:
                self._give_back(TaskState.DONE)
            case Ended.FAILED:
                self._give_back(TaskState.FAILED, "exit code 1")
            case Ended.STOPPED if self.why is not None:
                self._give_back(TaskState.CANCELLED)
            case _:
                self._give_back(TaskState.FAILED, "it was lost", kind=HOLD_LOST)

    def _give_back(self, state: TaskState, detail: str = "", *, kind: str = "") -> None:
        for ref in self._refs:
            self.tell(f"gives {ref} back", partial(self.keeper.release, self._lease_id(ref)))
        self.over(state, detail, kind=kind)
