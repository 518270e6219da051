"""The trees' side of a forest: splits are found from what all shards have counted, level by level.

A split's gain is what it takes off the squared error of 0/1 labels: `cl^2 / nl + cr^2 / nr - c^2 / n` for c clicks of n
rows, left and right. Ties go to the first column, then to the lowest cut. The trees depend on no thread and no shard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled
from forebay.ctr.models.trees.rows import Counts, Step

NODE: Final = np.dtype(
    [
        ("left", np.int32),
        ("right", np.int32),
        ("column", np.uint16),
        ("cut", np.uint8),
        ("gain", np.float64),
        ("rows", np.int64),
        ("clicks", np.int64),
    ]
)
"""`left`, `right`: numbers of the children, -1 in a leaf. `cut`: the last bin that goes left."""
Tree = NDArray[np.void]
"""(nodes,) of NODE, the root first, level by level."""
LEAST_GAIN: Final = 1e-6
_TREES_AT_ONCE: Final = 16
_COUNTS_BYTES: Final = 64 << 20
"""What a shard answers at a time."""

Ask = Callable[..., list[Any]]
"""`ask(method, *given)`: what this method of each shard gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the trees are grown by. `looks`: columns drawn for each node; `share`: of the rows, drawn for each tree."""

    trees: int
    depth: int
    columns: int
    looks: int
    bins: int
    share: float
    seed: int

    @property
    def at_once(self) -> int:
        """Trees that are grown side by side."""
        largest = self.looks * self.bins * 8 << (self.depth - 1)
        return max(1, min(_TREES_AT_ONCE, _COUNTS_BYTES // largest))


def grow(ask: Ask, shape: Shape, told: Callable[[int], object] = lambda levels: None) -> list[Tree]:
    """The trees of rows that shards hold as bin numbers; `told` how many of the `trees * depth` levels are done."""
    trees: list[Tree] = []
    for first in range(0, shape.trees, shape.at_once):
        numbers = range(first, min(first + shape.at_once, shape.trees))
        ask("sow", numbers, shape.share, shape.seed)
        growing = [_Growing(shape, number) for number in numbers]
        for level in range(shape.depth):
            answers = ask("step", [each.step for each in growing])
            for each, counts in zip(growing, zip(*answers, strict=True), strict=True):
                each.split(counts)
            told(first * shape.depth + (level + 1) * len(numbers))
        trees += [each.tree for each in growing]
    return trees


class _Growing:
    """A tree whose deepest level `step` leads to; `_live` are the nodes there that may be split, by slot."""

    def __init__(self, shape: Shape, number: int) -> None:
        self._shape = shape
        self._random = np.random.default_rng((shape.seed, number))
        self._levels = [_leaves(1)]
        self._live = np.zeros(1, np.int64)
        self.step = self._led(np.zeros(1, np.uint16), np.zeros(1, np.uint8), np.zeros((1, 2), np.int32))

    @property
    def tree(self) -> Tree:
        return np.concatenate(self._levels)

    def split(self, counted: Sequence[Counts]) -> None:
        """Split the nodes that each shard has counted the rows of."""
        found, gain = _best(*_summed(counted))
        look, cut, *left, rows, clicks = found.T
        nodes = self._levels[-1]
        if len(self._levels) == 1:
            nodes["rows"], nodes["clicks"] = rows, clicks
        column = np.take_along_axis(self.step.looked_at, look[:, None], axis=1)[:, 0]
        splits = gain > LEAST_GAIN
        parents = self._live[splits]
        children = _leaves(2 * parents.size)
        for name, here, total in zip(("rows", "clicks"), left, (rows, clicks), strict=True):
            children[name] = np.column_stack([here, total - here])[splits].ravel()
        numbers = sum(map(len, self._levels)) + np.arange(len(children)).reshape(-1, 2)
        for name, values in (("left", numbers[:, 0]), ("right", numbers[:, 1])):
            nodes[name][parents] = values
        for name, each in (("column", column), ("cut", cut), ("gain", gain)):
            nodes[name][parents] = each[splits]
        lives = (children["clicks"] > 0) & (children["clicks"] < children["rows"])
        to = np.full((splits.size, 2), -1, np.int32)
        to[splits] = np.where(lives, np.cumsum(lives) - 1, -1).reshape(-1, 2)
        self._live = np.flatnonzero(lives)
        self._levels.append(children)
        self.step = self._led(column, cut.astype(np.uint8), to)

    def _led(self, column: NDArray[np.uint16], cut: NDArray[np.uint8], to: NDArray[np.int32]) -> Step:
        order = self._random.random((self._live.size, self._shape.columns)).argsort(axis=1)
        looked_at = np.sort(order[:, : self._shape.looks], axis=1).astype(np.uint16)
        return Step(column=column, cut=cut, to=to, looked_at=looked_at)


def _leaves(count: int) -> Tree:
    nodes = np.zeros(count, NODE)
    nodes["left"] = nodes["right"] = -1
    return nodes


def _summed(counted: Sequence[Counts]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(slots, looks, bins) rows and clicks."""
    rows, clicks = (np.zeros(counted[0].shape, np.int64) for _ in range(2))
    for counts in counted:
        rows += (counts & np.uint64(0xFFFFFFFF)).view(np.int64)
        clicks += (counts >> np.uint64(32)).view(np.int64)
    return rows, clicks


@compiled
def _best(rows: Array, clicks: Array) -> tuple[Array, Array]:
    """Per slot (look, cut, rows and clicks on the left, rows and clicks in all), and the gain of that split."""
    slots, looks, bins = rows.shape
    found = np.zeros((slots, 6), np.int64)
    gain = np.zeros(slots, np.float64)
    for slot in range(slots):
        all_rows, all_clicks = rows[slot, 0].sum(), clicks[slot, 0].sum()
        found[slot, 4], found[slot, 5] = all_rows, all_clicks
        for look in range(looks):
            left_rows, left_clicks = 0, 0
            for cut in range(bins - 1):
                left_rows += rows[slot, look, cut]
                left_clicks += clicks[slot, look, cut]
                right_rows, right_clicks = all_rows - left_rows, all_clicks - left_clicks
                if left_rows == 0 or right_rows == 0:
                    continue
                split = float(left_clicks) ** 2 / left_rows + float(right_clicks) ** 2 / right_rows
                won = split - float(all_clicks) ** 2 / all_rows
                if won > gain[slot]:
                    gain[slot] = won
                    found[slot, 0], found[slot, 1] = look, cut
                    found[slot, 2], found[slot, 3] = left_rows, left_clicks
    return found, gain
