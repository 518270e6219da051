"""How often each key was seen and clicked: sorted tables that add up in any order, a block at a time. Pure.

A key is a category, a blank, or either together with a fold. Invariant: merging holds one block of each table,
whatever their lengths, so memory follows neither rows nor days nor cardinality. Folds exist so that a row of the first
day, which has no past, can be encoded from the other folds only: its own label must not reach its own features.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLANK: Final = 1 << 32
"""The key of a blank: one more than the largest category."""
MAX_FOLDS: Final = 255
BLOCK_ENTRIES: Final = 1 << 16
_FOLD_BITS: Final = np.uint64(8)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)

Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of a table: n keys, distinct and ascending, with their rows and clicks."""

    keys: Keys
    rows: Counts
    clicks: Counts

    def __len__(self) -> int:
        return self.keys.size

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> Block:
        return Block(keys=self.keys[part], rows=self.rows[part], clicks=self.clicks[part])


def keys_of(categories: NDArray[np.uint32], valid: NDArray[np.bool_]) -> Keys:
    """(n,) key of each value."""
    return np.where(valid, categories.astype(np.uint64), np.uint64(BLANK))


def with_fold(keys: Keys, fold: NDArray[np.uint8]) -> Keys:
    """(n,) keys that also say the fold; they order as `keys` do, and by fold within one."""
    return keys << _FOLD_BITS | fold


def count_keys(keys: Keys, label: NDArray[np.uint8]) -> Block:
    """The table of (n,) rows, whole. Keys are below 2^63."""
    packed = keys << np.uint64(1) | label
    packed.sort()
    keys = packed >> np.uint64(1)
    starts = _run_starts(keys)
    clicked = (packed & np.uint64(1)).astype(np.int64)
    return Block(keys=keys[starts], rows=np.diff(np.append(starts, keys.size)), clicks=_sums(clicked, starts))


def without_folds(block: Block) -> Block:
    """The table of the same rows by category alone; `block` must hold all folds of its categories."""
    return _added(block.keys >> _FOLD_BITS, block.rows, block.clicks)


def merge(tables: Sequence[Iterable[Block]]) -> Iterator[Block]:
    """The table of all tables' rows, in blocks of any length.

    Each step takes from every table what lies up to the least of the last keys at hand, so no more than one block of
    each is ever held.
    """
    cursors = [iter(table) for table in tables]
    held = [_next_block(cursor) for cursor in cursors]
    while any(block is not None for block in held):
        end = min(block.keys[-1] for block in held if block is not None)
        taken = []
        for place, block in enumerate(held):
            if block is None:
                continue
            count = int(np.searchsorted(block.keys, end, side="right"))
            taken.append(block[:count])
            held[place] = block[count:] if count < len(block) else _next_block(cursors[place])
        yield _merged(taken)


def frequent(blocks: Iterable[Block], min_rows: int) -> Iterator[Block]:
    """The table without categories seen in fewer than `min_rows` rows; blanks stay."""
    for block in blocks:
        yield block[(block.rows >= min_rows) | (block.keys == np.uint64(BLANK))]


def in_blocks(blocks: Iterable[Block], entries: int = BLOCK_ENTRIES) -> Iterator[Block]:
    """The same table in blocks of `entries`, the last one shorter and none of them empty."""
    waiting: list[Block] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) < entries:
            continue
        joined = _joined(waiting)
        whole = len(joined) // entries * entries
        yield from (joined[start : start + entries] for start in range(0, whole, entries))
        waiting = [joined[whole:]]
    rest = _joined(waiting)
    if len(rest):
        yield rest


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


def _next_block(cursor: Iterator[Block]) -> Block | None:
    return next((block for block in cursor if len(block)), None)


def _joined(blocks: Sequence[Block]) -> Block:
    none = np.empty(0, np.int64)
    return Block(
        keys=np.concatenate([np.empty(0, np.uint64), *(block.keys for block in blocks)]),
        rows=np.concatenate([none, *(block.rows for block in blocks)]),
        clicks=np.concatenate([none, *(block.clicks for block in blocks)]),
    )


def _merged(blocks: Sequence[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    joined = _joined(blocks)
    order = np.argsort(joined.keys, kind="stable")
    return _added(joined.keys[order], joined.rows[order], joined.clicks[order])


def _added(keys: Keys, rows: Counts, clicks: Counts) -> Block:
    """One entry for each run of equal keys, which are ascending."""
    starts = _run_starts(keys)
    return Block(keys=keys[starts], rows=_sums(rows, starts), clicks=_sums(clicks, starts))


def _run_starts(ascending: Keys) -> NDArray[np.intp]:
    changes = np.ones(ascending.size, np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=changes[1:])
    return np.flatnonzero(changes)


def _sums(counts: Counts, starts: NDArray[np.intp]) -> Counts:
    sums: Counts = np.add.reduceat(counts, starts) if starts.size else counts[:0]
    return sums


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
