"""The rows' side of a forest: where each row of each tree stands, and what the rows of a node's bins have clicked.

Which rows a tree sees depends on their part's number and their place in it alone, so it does not matter how the parts
are spread over shards, nor over threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled
from forebay.ctr.models.trees.bins import Codes, Cuts, coded, sampled

Counts = NDArray[np.uint64]
"""(slots, columns looked at, bins): rows in the lower 32 bits, the clicks among them in the upper ones."""
_LARGEST: Final = (1 << 64) - 1
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some rows: (n, columns) values and (n,) labels."""

    number: int
    matrix: NDArray[np.float32]
    label: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tree's step to its next level. A row in slot s whose bin in `column[s]` is above `cut[s]` goes to
    `to[s, 1]`, others to `to[s, 0]`; -1 is a leaf, which is looked at no more."""

    column: NDArray[np.uint16]
    cut: NDArray[np.uint8]
    to: NDArray[np.int32]
    looked_at: NDArray[np.uint16]
    """(slots of the next level, columns): those among which each slot's split is then sought"""


@dataclass(slots=True)
class _Place:
    """Rows of one part that one tree still moves: the first `count` of `rows`, each in its `slot`."""

    rows: NDArray[np.int32]
    slot: NDArray[np.uint16]
    count: int


class Shard:
    """Rows of some parts, on one worker. Call `cut`, `sow`, then `step` level by level; for more trees `sow` again."""

    def __init__(self, parts: Sequence[Part], *, threads: int) -> None:
        self._parts = list(parts)
        self._codes: list[Codes] = []
        self._places: list[list[_Place]] = []
        self._bins = 0
        self._threads = threads

    def sample(self, share: float, seed: int) -> NDArray[np.float32]:
        """About `share` of the rows."""
        return np.concatenate([sampled(part.matrix, share, (seed, part.number)) for part in self._parts])

    def cut(self, cuts: Cuts, bins: int) -> None:
        """Keep bin numbers in place of values."""
        self._codes = self._each(self._parts, lambda part: coded(part.matrix, part.label, cuts))
        self._numbers = [part.number for part in self._parts]
        self._bins = bins
        self._parts = []

    def sow(self, trees: Sequence[int], share: float, seed: int) -> None:
        """Draw `share` of the rows for each of these trees, all of them into slot 0."""
        self._places = self._each(trees, lambda tree: [self._drawn(tree, part, share, seed) for part in self._all])

    def step(self, steps: Sequence[Step]) -> list[Counts]:
        """Move the rows of each tree that was sown, and count them where they then are."""
        stripes = max(1, -(-self._threads // max(1, len(steps))))
        asked = [(tree, stripe) for tree in range(len(steps)) for stripe in range(min(stripes, len(self._codes)))]
        counted = self._each(
            asked, lambda one: self._stepped(steps[one[0]], one[0], range(one[1], len(self._codes), stripes))
        )
        found: list[Counts] = []
        for (tree, stripe), counts in zip(asked, counted, strict=True):
            if stripe:
                found[tree] += counts
            else:
                found.append(counts)
        return found

    @property
    def _all(self) -> range:
        return range(len(self._codes))

    def _drawn(self, tree: int, part: int, share: float, seed: int) -> _Place:
        rows = np.empty(len(self._codes[part]), np.int32)
        key = np.random.SeedSequence((seed, tree, self._numbers[part])).generate_state(1, np.uint64)[0]
        count = _draw(rows, key, np.uint64(min(_LARGEST, int(share * 2.0**64))))
        return _Place(rows[:count].copy(), np.zeros(count, np.uint16), count)

    def _stepped(self, step: Step, tree: int, parts: range) -> Counts:
        counts = np.zeros((*step.looked_at.shape, self._bins), np.uint64)
        for part in parts:
            place = self._places[tree][part]
            place.count = _step(
                self._codes[part], place.rows, place.slot, place.count, step.column, step.cut, step.to, step.looked_at,
                counts,
            )  # fmt: skip
        return counts

    def _each(self, items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
        with ThreadPoolExecutor(self._threads, thread_name_prefix="forebay-forest") as pool:
            return list(pool.map(work, items))


@compiled
def _draw(rows: Array, key: np.uint64, most: np.uint64) -> int:
    """Numbers of rows whose hash (SplitMix64 of `key` plus their number) is at most `most`."""
    count = 0
    for row in range(rows.size):
        bits = key + np.uint64(row + 1) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        rows[count] = row
        count += int((bits ^ (bits >> np.uint64(31))) <= most)
    return count


@compiled
def _step(
    codes: Array, rows: Array, slots: Array, count: int, column: Array, cut: Array, to: Array, looked_at: Array,
    counts: Array,
) -> int:  # fmt: skip
    kept = 0
    label = codes.shape[1] - 1
    for place in range(count):
        row = np.uint32(rows[place])
        slot = slots[place]
        moved = to[slot, np.uint8(codes[row, column[slot]] > cut[slot])]
        rows[kept] = row
        slots[kept] = moved
        if moved < 0:
            continue
        kept += 1
        at = np.uint32(moved)
        one = np.uint64(1) | (np.uint64(codes[row, label]) << np.uint64(32))
        for look in range(looked_at.shape[1]):
            counts[at, look, codes[row, looked_at[at, look]]] += one
    return kept
