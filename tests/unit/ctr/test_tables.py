"""Counts per category and fold against a dictionary; folds from row numbers."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.tables import CategoryTable, count_categories, fold_of_rows, keep_frequent, merge

FOLDS = 3
Row = tuple[int | None, int, int]
ROWS = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from([0, 1, 7, 2**32 - 1])), st.integers(0, 1), st.integers(0, 2))
)


def counted(rows: list[Row]) -> CategoryTable:
    category = np.array([row[0] or 0 for row in rows], np.uint32)
    valid = np.array([row[0] is not None for row in rows], np.bool_)
    label, fold = (np.array([row[place] for row in rows], np.uint8) for place in (1, 2))
    return count_categories(category, valid, label, fold, FOLDS)


def as_counters(table: CategoryTable) -> tuple[Counter[tuple[int | None, int]], Counter[tuple[int | None, int]]]:
    names: list[int | None] = [*table.categories.tolist(), None]
    cells = [(line, name, fold) for line, name in enumerate(names) for fold in range(FOLDS)]
    rows, clicks = (Counter({(n, f): int(c[line, f]) for line, n, f in cells}) for c in (table.rows, table.clicks))
    return +rows, +clicks


@given(ROWS)
def test_counts_are_a_dictionarys(rows: list[Row]) -> None:
    table = counted(rows)
    seen, clicks = as_counters(table)
    assert seen == Counter((category, fold) for category, _, fold in rows)
    assert clicks == Counter((category, fold) for category, label, fold in rows if label)
    assert table.categories.tolist() == sorted({row[0] for row in rows if row[0] is not None})


@given(ROWS, ROWS)
def test_merging_is_counting_together(left: list[Row], right: list[Row]) -> None:
    merged, together = merge(counted(left), counted(right)), counted(left + right)
    for field in ("categories", "rows", "clicks"):
        np.testing.assert_array_equal(getattr(merged, field), getattr(together, field))


@given(ROWS, st.integers(1, 4))
def test_rare_categories_go_and_blanks_stay(rows: list[Row], min_rows: int) -> None:
    kept, totals = keep_frequent(counted(rows), min_rows), Counter(row[0] for row in rows)
    assert set(kept.categories.tolist()) == {c for c, n in totals.items() if c is not None and n >= min_rows}
    assert kept.rows[-1].sum() == totals[None]


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
