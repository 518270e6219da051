"""Two histograms over common edges: what moved is seen to have moved, and no value is lost."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.previews.beside import BINS, Beside, beside
from forebay.previews.bounds import Bounds
from forebay.previews.seen import Seen, summed_up
from forebay.wire.previews import Histogram


def histogram(values: list[float] | list[int]) -> Histogram:
    """As a preview has it."""
    made = pa.table({"x": values})
    (column,) = summed_up(Seen(table=made, size_bytes=1, rows=made.num_rows), Bounds()).columns
    assert column.histogram is not None
    return column.histogram


def found(before: Histogram, after: Histogram, *, whole: bool = False) -> Beside:
    both = beside(before, after, whole=whole)
    assert both is not None
    return both


def normal(mean: float, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(mean, 1.0) for _ in range(2000)]


def middle(edges: tuple[float, ...], shares: tuple[float, ...]) -> float:
    return sum(share * (low + high) / 2 for share, low, high in zip(shares, edges, edges[1:], strict=False))


def test_what_moved_is_seen_at_another_place() -> None:
    both = found(histogram(normal(0, 1)), histogram(normal(5, 2)))
    assert middle(both.edges, both.before) == pytest.approx(0, abs=0.2)
    assert middle(both.edges, both.after) == pytest.approx(5, abs=0.2)
    assert max(range(BINS), key=both.before.__getitem__) < BINS / 2 < max(range(BINS), key=both.after.__getitem__)


def test_with_the_same_edges_nothing_is_spread() -> None:
    edges = (0.0, 1.0, 2.0)
    both = found(Histogram(edges=edges, counts=(3, 1)), Histogram(edges=edges, counts=(0, 5)), whole=True)
    assert both == Beside(edges=edges, before=(0.75, 0.25), after=(0.0, 1.0))


def test_whole_numbers_stay_in_bins_of_their_own() -> None:
    both = found(histogram([0, 0, 0, 1]), histogram([1, 2, 2, 4]), whole=True)
    assert both.edges == (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert both.before == (0.75, 0.25, 0.0, 0.0, 0.0)
    assert both.after == (0.0, 0.25, 0.5, 0.0, 0.25)


def test_one_value_far_away_does_not_hide_how_the_others_lie() -> None:
    both = found(histogram([*normal(0, 1), 1e6]), histogram(normal(2, 2)))
    assert sum(share > 0.01 for share in both.before) > 5
    assert sum(share > 0.01 for share in both.after) > 5
    assert both.edges[-1] == 1e6


def test_a_range_that_is_no_number_has_no_edges() -> None:
    wide = Histogram(edges=(-1.5e308, 0.0, 1.5e308), counts=(1, 1))
    assert beside(wide, Histogram(edges=(0.0, 1.0), counts=(2,)), whole=False) is None


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    edges = sorted(draw(st.sets(st.floats(-1e9, 1e9, width=32), min_size=2, max_size=12)))
    counts = draw(st.lists(st.integers(0, 1000), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return Histogram(edges=tuple(edges), counts=tuple(counts))


@given(histograms(), histograms())
def test_no_value_is_lost(before: Histogram, after: Histogram) -> None:
    both = found(before, after)
    assert all(low < high for low, high in zip(both.edges, both.edges[1:], strict=False))
    assert len(both.edges) <= max(BINS + 1, len(before.edges))
    for histogram, shares in ((before, both.before), (after, both.after)):
        assert len(shares) == len(both.edges) - 1
        assert all(share >= -1e-9 for share in shares)
        assert sum(shares) == pytest.approx(1.0 if sum(histogram.counts) else 0.0)
