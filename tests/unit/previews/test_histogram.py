"""Edges of small histograms: they grow, hold everything, and never are many."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from forebay.previews.histogram import edges

_FLOATS = st.floats(-1e300, 1e300)
_WHOLE = st.integers(-(2**63), 2**64).map(float)


@given(st.tuples(_FLOATS, _FLOATS, _FLOATS, _FLOATS).map(sorted), st.integers(1, 24))
def test_edges_of_any_numbers_grow_and_hold_them_all(found: list[float], bins: int) -> None:
    low, inner_low, inner_high, high = found
    cuts = edges(low, high, (inner_low, inner_high), whole=False, bins=bins)
    assert 2 <= len(cuts) <= bins + 1
    assert all(one < other for one, other in pairwise(cuts))
    assert cuts[0] <= low
    assert cuts[-1] >= high


@given(st.tuples(_WHOLE, _WHOLE, _WHOLE, _WHOLE).map(sorted), st.integers(1, 24))
def test_edges_of_whole_numbers_too(found: list[float], bins: int) -> None:
    low, inner_low, inner_high, high = found
    cuts = edges(low, high, (inner_low, inner_high), whole=True, bins=bins)
    assert 2 <= len(cuts) <= bins + 2
    assert all(one < other for one, other in pairwise(cuts))
    assert cuts[0] <= low
    assert cuts[-1] >= high


def test_few_whole_numbers_have_a_bin_each() -> None:
    assert edges(0, 3, (0, 3), whole=True, bins=24) == (0.0, 1.0, 2.0, 3.0, 4.0)


def test_a_far_value_does_not_flatten_the_rest() -> None:
    cuts = edges(0.0, 1e9, (1.0, 25.0), whole=False, bins=24)
    assert cuts[0] == 0.0
    assert cuts[-1] == 1e9
    assert cuts[1] == 1.0
    assert cuts[-2] == 25.0


def test_one_value_alone_is_in_the_middle() -> None:
    assert edges(2.0, 2.0, (2.0, 2.0), whole=False, bins=24) == (1.5, 2.5)
    assert edges(2.0, 2.0, (2.0, 2.0), whole=True, bins=24) == (2.0, 3.0)
    big = edges(1e300, 1e300, (1e300, 1e300), whole=False, bins=24)
    assert big[0] <= 1e300 <= big[1]
    assert math.isfinite(big[1])
