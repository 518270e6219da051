"""How often each category was seen and clicked, by fold. Pure; tables of disjoint rows add up in any order.

A table's memory follows the field's cardinality, never the number of rows. Folds exist so that a training row can be
encoded from the other folds only: its own label must not reach its own features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryTable:
    """Counts of one field: n categories ascending, then one more line for blanks; K folds."""

    categories: NDArray[np.uint32]
    """(n,) distinct, ascending"""
    rows: NDArray[np.int64]
    """(n + 1, K)"""
    clicks: NDArray[np.int64]
    """(n + 1, K)"""


def fold_of_rows(seed: int, day: int, first_row: int, rows: int, folds: int) -> NDArray[np.uint8]:
    """(rows,) fold of each row: a hash of (seed, day, row number), whatever the row holds.

    splitmix64 (Steele, Lea, Flood 2014), keyed by seed and day.
    """
    mask = (1 << 64) - 1
    key = (seed * 0xD1342543DE82EF95 + day * 0x2545F4914F6CDD1D + 1) & mask
    numbers = np.arange(first_row, first_row + rows, dtype=np.uint64)
    x = _mixed(numbers * _GOLDEN + _mixed(np.full(1, key, np.uint64)))
    folded: NDArray[np.uint8] = ((x >> np.uint64(32)) * np.uint64(folds) >> np.uint64(32)).astype(np.uint8)
    return folded


def count_categories(
    categories: NDArray[np.uint32],
    valid: NDArray[np.bool_],
    label: NDArray[np.uint8],
    fold: NDArray[np.uint8],
    folds: int,
) -> CategoryTable:
    """The table of one field of (n,) rows."""
    # One sort of (category, fold, label) packed in 64 bits; the runs are the counts.
    key = categories.astype(np.uint64) << np.uint64(9) | fold.astype(np.uint64) << np.uint64(1) | label
    runs, lengths = np.unique(key[valid], return_counts=True)
    seen = (runs >> np.uint64(9)).astype(np.uint32)
    distinct, place = np.unique(seen, return_inverse=True)
    counts = np.zeros((2, distinct.size + 1, folds), np.int64)
    cell = (runs >> np.uint64(1) & np.uint64(0xFF)).astype(np.int64)
    np.add.at(counts, ((runs & np.uint64(1)).astype(np.int64), place, cell), lengths)
    for clicked in (0, 1):
        counts[clicked, -1] = np.bincount(fold[~valid & (label == clicked)], minlength=folds)
    return CategoryTable(categories=distinct, rows=counts.sum(axis=0), clicks=counts[1])


def merge(left: CategoryTable, right: CategoryTable) -> CategoryTable:
    """The table of both tables' rows; both have the same folds."""
    both = np.concatenate([left.categories, right.categories])
    distinct, place = np.unique(both, return_inverse=True)
    places = [place[: left.categories.size], place[left.categories.size :]]
    rows = np.zeros((distinct.size + 1, left.rows.shape[1]), np.int64)
    clicks = np.zeros_like(rows)
    for table, lines in zip((left, right), places, strict=True):
        lines = np.append(lines, distinct.size)
        rows[lines] += table.rows
        clicks[lines] += table.clicks
    return CategoryTable(categories=distinct, rows=rows, clicks=clicks)


def keep_frequent(table: CategoryTable, min_rows: int) -> CategoryTable:
    """The table without categories seen in fewer than `min_rows` rows; the line of blanks stays."""
    frequent = table.rows.sum(axis=1) >= min_rows
    frequent[-1] = True
    return CategoryTable(
        categories=table.categories[frequent[:-1]], rows=table.rows[frequent], clicks=table.clicks[frequent]
    )


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
