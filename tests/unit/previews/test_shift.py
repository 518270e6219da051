"""How two previews differ."""

from __future__ import annotations

import math
import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.previews.bounds import Bounds
from forebay.previews.seen import Seen, summed_up
from forebay.previews.shift import LARGE, MODERATE, Change, psi, shifts
from forebay.wire.previews import TablePreview


def table(**columns: pa.Array | list[object]) -> TablePreview:
    made = pa.table(columns)
    return summed_up(Seen(table=made, size_bytes=1, rows=made.num_rows), Bounds())


def test_columns_that_came_went_or_changed_their_type_are_named() -> None:
    found = shifts(table(a=[1], b=[1], c=[1]), table(c=[1.5], d=["x"], b=[1]))
    assert [(item.name, item.change) for item in found] == [
        ("c", Change.RETYPED),
        ("d", Change.ADDED),
        ("b", Change.SAME),
        ("a", Change.REMOVED),
    ]


def test_the_index_is_the_formula_of_its_source() -> None:
    was, now = (10.5, 30.5), (20.5, 20.5)
    shares = [(one / 41, other / 41) for one, other in zip(was, now, strict=True)]
    assert psi((10, 30), (20, 20)) == pytest.approx(sum((b - a) * math.log(b / a) for a, b in shares))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_it_is_never_negative_and_has_no_direction(counts: list[int], chance: random.Random) -> None:
    other = chance.sample(counts, len(counts))
    assert psi(counts, other) >= 0
    assert psi(counts, other) == pytest.approx(psi(other, counts))
    assert psi(counts, counts) == 0


def _normal(mean: float, seed: int) -> list[object]:
    chance = random.Random(seed)
    return [chance.gauss(mean, 1.0) for _ in range(5000)]


def test_the_same_law_drawn_anew_is_no_shift_and_another_mean_is() -> None:
    before = table(x=_normal(0, 1))
    same, moved = (shifts(before, table(x=values))[0].psi for values in (_normal(0, 2), _normal(1, 3)))
    assert same is not None
    assert same < MODERATE / 5
    # Of two normal laws a standard deviation apart the divergence is 1; tenths keep most of it.
    assert moved is not None
    assert 0.7 < moved < 1.1


def test_words_shift_by_their_frequency_and_new_ones_count() -> None:
    before = table(w=["a"] * 50 + ["b"] * 50)
    assert shifts(before, table(w=["b"] * 500 + ["a"] * 500))[0].psi == pytest.approx(0.0, abs=1e-3)
    assert (shifts(before, table(w=["c"] * 100))[0].psi or 0) > LARGE


def test_values_that_went_missing_are_a_shift() -> None:
    before, after = table(x=[1.0, 2.0] * 50), table(x=[1.0, 2.0] * 25 + [None] * 50)
    assert (shifts(before, after)[0].psi or 0) > LARGE


def test_what_has_no_distribution_is_not_compared() -> None:
    assert shifts(table(x=[[1], [2]]), table(x=[[1], [3]]))[0].psi is None
    assert shifts(table(x=["a", "b", "c"]), table(x=["d", "e", "f"]))[0].psi is None
    assert shifts(table(x=pa.array([], pa.int64())), table(x=[1]))[0].psi is None
