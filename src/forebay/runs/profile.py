"""The free resources of one site over time from now on, as steps; who is next finds the first hole large enough.

Conservative backfilling (Mu'alem and Feitelson, IEEE TPDS 12(6), 2001): every run, in order, reserves the first hole it
fits in, so none ever delays one ahead of it, and small ones use what would lie idle.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from forebay.sites.site import Resources, Working

Amounts = tuple[int, int, int]


class Profile:
    """Seconds from now, and what is free from each on."""

    def __init__(self, capacity: Resources, working: Iterable[Working]) -> None:
        self._times = [0.0]
        self._free = [amounts(capacity)]
        for item in working:
            self.reserve(item.resources, 0.0, item.remaining_s)

    def earliest(self, need: Resources, seconds: float, *, after: float = 0.0) -> float | None:
        """The first moment from `after` on from which `need` stays free for so long; None: never."""
        gpus, cpus, memory_bytes = amounts(need)
        times, free = self._times, self._free
        at = bisect_right(times, after) - 1
        begin: float | None = after
        for index in range(at, len(times)):
            has = free[index]
            if begin is not None and times[index] >= begin + seconds and index > at:
                return begin
            if has[0] < gpus or has[1] < cpus or has[2] < memory_bytes:
                begin = None
            elif begin is None:
                begin = times[index]
        return begin

    def reserve(self, need: Resources, begin: float, seconds: float) -> None:
        """Take it from `begin` on for so long; what is not there is owed."""
        if seconds <= 0:
            return
        gpus, cpus, memory_bytes = amounts(need)
        first, last = self._cut(begin), self._cut(begin + seconds)
        for index in range(first, last):
            has = self._free[index]
            self._free[index] = (has[0] - gpus, has[1] - cpus, has[2] - memory_bytes)

    def _cut(self, at: float) -> int:
        """The index of the step that begins at that moment."""
        index = bisect_right(self._times, at) - 1
        if self._times[index] == at:
            return index
        self._times.insert(index + 1, at)
        self._free.insert(index + 1, self._free[index])
        return index + 1


def amounts(resources: Resources) -> Amounts:
    """As numbers, for many comparisons."""
    return resources.gpus, resources.cpus, resources.memory_bytes
