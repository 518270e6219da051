"""Counts per key against a dictionary; merging in blocks, and how little of it is held; folds from row numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.tables import (
    BLANK,
    Block,
    count_keys,
    fold_of_rows,
    frequent,
    in_blocks,
    keys_of,
    merge,
    with_fold,
    without_folds,
)

Row = tuple[int | None, int, int]
ROWS = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from([0, 1, 7, 2**32 - 1])), st.integers(0, 1), st.integers(0, 2))
)


def counted(rows: list[Row], *, by_fold: bool = False) -> Block:
    category = np.array([row[0] or 0 for row in rows], np.uint32)
    valid = np.array([row[0] is not None for row in rows], np.bool_)
    label, fold = (np.array([row[place] for row in rows], np.uint8) for place in (1, 2))
    keys = keys_of(category, valid)
    return count_keys(with_fold(keys, fold) if by_fold else keys, label)


def as_counters(blocks: Iterable[Block]) -> tuple[Counter[int], Counter[int]]:
    rows: Counter[int] = Counter()
    clicks: Counter[int] = Counter()
    for block in blocks:
        rows.update(dict(zip(block.keys.tolist(), block.rows.tolist(), strict=True)))
        clicks.update(dict(zip(block.keys.tolist(), block.clicks.tolist(), strict=True)))
    return +rows, +clicks


def named(rows: list[Row]) -> list[tuple[int, int]]:
    return [(BLANK if category is None else category, label) for category, label, _ in rows]


def cut(table: Block, size: int) -> list[Block]:
    return [table[start : start + size] for start in range(0, len(table), size)]


@given(ROWS)
def test_counts_are_a_dictionarys_and_keys_ascend(rows: list[Row]) -> None:
    table = counted(rows)
    seen, clicks = as_counters([table])
    assert seen == Counter(key for key, _ in named(rows))
    assert clicks == Counter(key for key, label in named(rows) if label)
    assert table.keys.tolist() == sorted(set(table.keys.tolist()))


@given(ROWS)
def test_folds_add_up_to_the_table_without_them(rows: list[Row]) -> None:
    by_fold = counted(rows, by_fold=True)
    assert as_counters([by_fold])[0] == Counter(
        (BLANK if category is None else category) << 8 | fold for category, _, fold in rows
    )
    assert as_counters([without_folds(by_fold)]) == as_counters([counted(rows)])


@given(st.lists(ROWS, max_size=4), st.integers(1, 3))
def test_merging_is_counting_together_however_tables_are_cut(tables: list[list[Row]], size: int) -> None:
    merged = list(merge([cut(counted(rows), size) for rows in tables]))
    assert as_counters(merged) == as_counters([counted([row for rows in tables for row in rows])])
    keys = [key for block in merged for key in block.keys.tolist()]
    assert keys == sorted(set(keys))


@given(ROWS, st.integers(1, 4))
def test_rare_categories_go_and_blanks_stay(rows: list[Row], min_rows: int) -> None:
    kept, totals = as_counters(frequent([counted(rows)], min_rows))[0], Counter(key for key, _ in named(rows))
    assert kept == Counter({key: n for key, n in totals.items() if n >= min_rows or key == BLANK})


@given(st.lists(st.integers(0, 7), max_size=20), st.integers(1, 5))
def test_blocks_are_cut_anew_without_a_change(lengths: list[int], entries: int) -> None:
    keys = np.arange(sum(lengths), dtype=np.uint64)
    whole = Block(keys=keys, rows=keys.astype(np.int64), clicks=keys.astype(np.int64))
    ends = np.cumsum([0, *lengths]).tolist()
    blocks = list(in_blocks((whole[ends[n] : ends[n + 1]] for n in range(len(lengths))), entries))
    assert [key for block in blocks for key in block.keys.tolist()] == keys.tolist()
    assert all(len(block) == entries for block in blocks[:-1])
    assert all(0 < len(block) <= entries for block in blocks)


def test_merging_holds_one_block_of_each_table_however_long_they_are() -> None:
    entries, tables = 100, 4

    def most_held(length: int) -> int:
        read, given_back, most = 0, 0, 0

        def table(seed: int) -> Iterator[Block]:
            nonlocal read
            keys = np.unique(np.random.default_rng(seed).integers(0, 1 << 32, length, np.uint64))
            ones = np.ones(keys.size, np.int64)
            for block in cut(Block(keys=keys, rows=ones, clicks=ones), entries):
                read += len(block)
                yield block

        for block in merge([table(seed) for seed in range(tables)]):
            given_back += int(block.rows.sum())
            most = max(most, read - given_back)
        assert read == given_back
        return most

    assert most_held(1_000) <= tables * entries
    assert most_held(50_000) <= tables * entries


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**6), st.integers(0, 2**40), st.integers(2, 255))
def test_a_fold_depends_on_the_row_number_not_on_the_part(seed: int, day: int, first: int, folds: int) -> None:
    whole = fold_of_rows(seed, day, first, 50, folds)
    np.testing.assert_array_equal(whole[20:], fold_of_rows(seed, day, first + 20, 30, folds))
    assert whole.max() < folds


def test_folds_are_even_and_differ_by_day_and_seed() -> None:
    fold = fold_of_rows(1, 0, 0, 100_000, 5)
    assert np.abs(np.bincount(fold, minlength=5) / 20_000 - 1.0).max() < 0.03
    for other in (fold_of_rows(1, 1, 0, 100_000, 5), fold_of_rows(2, 0, 0, 100_000, 5)):
        assert abs(np.mean(fold == other) - 0.2) < 0.01
