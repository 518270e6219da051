"""Seconds per stage of a longer job, in the order the stages ran."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Called as `progress(stage, done, total)`; `total` is 0 where it is not known beforehand."""


def no_progress(stage: str, done: int, total: int) -> None:
    """The progress of a caller that does not look."""


def counting(progress: Progress, stage: str, total: int) -> Callable[[int], None]:
    """A callback that is told how many more are done; what is done twice makes no more than `total`."""
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done = min(total, done + more)
        progress(stage, done, total)

    return add


class Stages:
    """A stop-watch with named laps; a name used twice adds up."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the block, also when it fails."""
        start = self._clock()
        try:
            yield
        finally:
            self._add(name, self._clock() - start)

    @contextmanager
    def parted(self, before: str, after: str) -> Iterator[Callable[[], None]]:
        """Time the block as `before` until what it gives is called for the first time, and as `after` from then on."""
        marks = [self._clock()]

        def turn() -> None:
            if len(marks) == 1:
                marks.append(self._clock())

        try:
            yield turn
        finally:
            end = self._clock()
            turned = marks[1] if len(marks) > 1 else end
            self._add(before, turned - marks[0])
            self._add(after, end - turned)

    @property
    def seconds(self) -> Mapping[str, float]:
        """Stage name to wall seconds."""
        return dict(self._seconds)

    def _add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
