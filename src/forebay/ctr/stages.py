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
            self._seconds[name] = self._seconds.get(name, 0.0) + self._clock() - start

    @property
    def seconds(self) -> Mapping[str, float]:
        """Stage name to wall seconds."""
        return dict(self._seconds)
