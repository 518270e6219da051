"""Indexes, the lowest score first, those of one score as they stood: pure.

Sorted a stretch at a time: what comes late in the line is seldom wanted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

SAMPLE = 1000
"""How many scores tell where the stretches end."""

STRETCHES = 6
RUN = 256
"""The most that are handed out at once."""


class Ranked:
    """A line of which the first are taken. `scores` are looked up by index."""

    def __init__(self, indexes: list[int], scores: Sequence[float]) -> None:
        sample = sorted(scores[index] for index in indexes[:: len(indexes) // SAMPLE + 1])
        self._marks = (
            [sample[len(sample) * part // STRETCHES] for part in range(STRETCHES - 1, 0, -1)] if sample else []
        )
        self._scores = scores
        self._rest = indexes
        self._mark: float | None = None
        self._stretch: list[int] = []
        self._at = 0

    def run(self, below: float | None) -> list[int]:
        """The next few, as many as score lower than that; none when the next one does not, or nobody is left."""
        while self._at == len(self._stretch):
            if not self._rest:
                return []
            self._sort_more()
        end = self._at + RUN
        if below is not None:
            end = bisect_left(
                self._stretch, below, self._at, min(end, len(self._stretch)), key=self._scores.__getitem__
            )
        return self._stretch[self._at : end]

    def gone(self, count: int) -> None:
        """So many of these went."""
        self._at += count

    def _sort_more(self) -> None:
        scores, rest, mark = self._scores, self._rest, self._marks.pop() if self._marks else None
        if self._mark is not None:
            rest = [index for index in rest if scores[index] >= self._mark]
        found = rest if mark is None else [index for index in rest if scores[index] < mark]
        self._stretch, self._at = sorted(found, key=scores.__getitem__), 0
        self._rest, self._mark = [] if mark is None else rest, mark
