"""Evictions: those that somebody wants, and those that make room for a fill."""

from __future__ import annotations

from collections.abc import Callable

from forebay.errors import ConflictError, ForebayError
from forebay.testing.sim.grip import Grip
from forebay.testing.sim.work import Work
from forebay.wire.sites import TaskState


class Eviction:
    """Ask the lake, see that nobody uses it, mark, move away, delete, tell. `done` gets the error it ended with."""

    def __init__(self, work: Work, ref: str, done: Callable[[ForebayError | None], object]) -> None:
        self._work = work
        self._ref = ref
        self._done = done
        self._place = work.agent.site, ref
        self._begun_at = work.agent.sim.now

    def begin(self) -> None:
        if self.is_in_lake():
            self._work.ask(f"evict {self._ref}", self._mark, self._marked)
        else:
            self._done(ConflictError("not-recoverable", f"the lake no longer has {self._ref}"))

    def is_in_lake(self) -> bool:
        return self._ref not in self._work.grounds.lost

    def seen_alive(self) -> set[str]:
        """The runs that use it, by what can be seen of their processes."""
        return {job.run.run_id for job in self._work.grounds.jobs.readers(*self._place)}

    def _mark(self) -> int:
        """A lease that ran out is no proof while its holder is seen to live (forebay.vouch)."""
        keeper, now = self._work.keeper, self._work.now
        if self.seen_alive() & set(keeper.lapsed(self._place, now)):
            raise ConflictError("in-use", "its holder lives")
        return keeper.begin_evict(self._place, now)

    def _marked(self, found: int | ForebayError) -> None:
        if isinstance(found, ForebayError):
            self._done(found)
            return
        work, keeper = self._work, self._work.keeper
        self._grip = Grip(work, self._begun_at, lambda: keeper.renew_evict(self._place, found, work.now), self._done)
        work.irrevocably(0.01, f"takes {self._ref} away", lambda: self._grip.check(lambda: self._take_away(found)))

    def _take_away(self, token: int) -> None:
        grounds, volume, ref = self._work.grounds, self._work.volume, self._ref
        if volume.trees.get(ref, 0) > token:
            self._done(ConflictError("fenced", f"{ref} was filled again meanwhile"))
            return
        readers = grounds.jobs.readers(*self._place)
        assert not readers, f"IN-USE: {ref} goes while {readers[0].run.run_id} reads it"
        is_lost = ref in volume.trees and grounds.lost.get(ref, self._begun_at) < self._begun_at
        assert not is_lost, f"RECOVERABLE: {ref} goes, and the lake had lost it before"
        assert self._place not in self._work.keeper.pins, f"IN-USE: {ref} goes, and is pinned"
        volume.take_away(grounds.datasets[ref])
        self._work.irrevocably(0.1, f"deletes {ref}", lambda: self._grip.check(lambda: self._delete(token)))

    def _delete(self, token: int) -> None:
        work, dataset, keeper = self._work, self._work.grounds.datasets[self._ref], self._work.keeper
        work.volume.delete(dataset)
        work.ask(
            f"has evicted {self._ref}",
            lambda: keeper.finish_evict(self._place, token, dataset.size_bytes, work.now),
            lambda found: self._done(found if isinstance(found, ForebayError) else None),
        )


class EvictWork(Work):
    """An eviction that somebody wants."""

    def begin(self) -> None:
        if self.why is not None:
            self.over(TaskState.CANCELLED)
        else:
            Eviction(self, self.order.ref, self._evicted).begin()

    def _evicted(self, error: ForebayError | None) -> None:
        if error is None:
            self.over(TaskState.DONE)
        else:
            self.over(TaskState.FAILED, str(error), kind=error.kind, retryable=False)
