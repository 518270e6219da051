"""Statistics of a column, of every type that Arrow has for people's files."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.previews.bounds import Bounds
from forebay.previews.column import column_preview, distinct_estimate
from forebay.wire.codec import from_json, to_json
from forebay.wire.previews import ColumnPreview

BOUNDS = Bounds()


def preview(values: pa.Array, rows: int | None = None) -> ColumnPreview:
    return column_preview("x", pa.chunked_array([values]), len(values) if rows is None else rows, BOUNDS)


def test_of_numbers_all_is_told() -> None:
    found = preview(pa.array([1, 2, 2, 3, None, 2]))
    assert (found.nulls, found.distinct, found.is_counted) == (1, 3, True)
    assert (found.minimum, found.maximum, found.mean) == ("1", "3", 2.0)
    assert found.quantiles[2] == 2.0
    assert [(top.value, top.count) for top in found.top] == []
    assert found.histogram is not None
    assert found.histogram.edges == (1.0, 2.0, 3.0, 4.0)
    assert found.histogram.counts == (1, 3, 1)


def test_frequent_values_come_first() -> None:
    found = preview(pa.array(["b"] * 3 + ["a"] * 5 + ["c"] * 2))
    assert [(top.value, top.count) for top in found.top] == [("a", 5), ("b", 3), ("c", 2)]
    assert found.histogram is None
    assert (found.minimum, found.maximum) == ("a", "c")


def test_what_hardly_repeats_has_no_frequent_values() -> None:
    assert preview(pa.array([f"id {number}" for number in range(100)])).top == ()


def test_nan_has_no_value_and_infinity_no_place() -> None:
    found = preview(pa.array([1.0, float("nan"), float("inf"), None, 2.0]))
    assert found.nulls == 2
    assert found.mean == 1.5
    assert found.maximum == "inf"
    assert found.histogram is not None
    assert sum(found.histogram.counts) == 2


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (pa.array([True, False, True]), "false", "true"),
        (pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25")]), "1.50", "2.25"),
        (pa.array([datetime.date(2024, 1, 1), datetime.date(2024, 1, 3)]), "2024-01-01", "2024-01-03"),
        (
            pa.array([datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 3)]),
            "2024-01-01T00:00:00",
            "2024-01-03T00:00:00",
        ),
        (pa.array(["x", "y", "x"]).dictionary_encode(), "x", "y"),
        (pa.array([b"ab", b"\xff"]), "ab", "1 bytes: ff"),
    ],
)
def test_ends_of_other_types_are_read_as_people_write_them(values: pa.Array, low: str, high: str) -> None:
    found = preview(values)
    assert (found.minimum, found.maximum) == (low, high)
    assert found.distinct == 2


def test_times_are_seconds_in_histogram_and_quantiles() -> None:
    found = preview(pa.array([datetime.datetime(1970, 1, 2), datetime.datetime(1970, 1, 3)]))
    assert found.quantiles[0] >= 86400.0
    assert found.histogram is not None
    assert found.histogram.edges[-1] == 2 * 86400.0


def test_of_lists_and_structs_and_nothing_the_missing_are_counted() -> None:
    assert preview(pa.array([[1], None, []])).nulls == 1
    assert preview(pa.array([{"a": 1}, None])).nulls == 1
    assert preview(pa.nulls(3)).nulls == 3
    assert preview(pa.array([], pa.int64())).histogram is None


def test_of_an_unknown_number_of_rows_no_number_of_values_follows() -> None:
    found = column_preview("x", pa.chunked_array([[1, 2, 3]]), None, BOUNDS)
    assert found.distinct is None
    assert not found.is_counted


def test_what_came_once_stands_for_more() -> None:
    assert distinct_estimate(different=10, once=4, seen=100, rows=100) == 10
    assert distinct_estimate(different=10, once=4, seen=100, rows=400) == 14
    assert distinct_estimate(different=100, once=100, seen=100, rows=100_000_000) == 100_000


_TYPES = st.sampled_from([pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string(), pa.bool_()])


@st.composite
def arrays(draw: st.DrawFn) -> pa.Array:
    kind = draw(_TYPES)
    of: dict[Any, st.SearchStrategy[Any]] = {
        pa.int8(): st.integers(-128, 127),
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.uint64(): st.integers(0, 2**64 - 1),
        pa.float32(): st.floats(width=32),
        pa.float64(): st.floats(),
        pa.string(): st.text(),
        pa.bool_(): st.booleans(),
    }
    return pa.array(draw(st.lists(st.none() | of[kind], max_size=40)), kind)


@given(arrays())
def test_any_column_adds_up_and_crosses_as_json(values: pa.Array) -> None:
    found = preview(values)
    if found.histogram is not None:
        assert sum(found.histogram.counts) <= len(values) - found.nulls
        assert min(found.histogram.counts) >= 0
        assert len(found.histogram.edges) == len(found.histogram.counts) + 1
    assert sum(top.count for top in found.top) <= len(values)
    told = json.dumps(to_json(found), allow_nan=False).encode()
    assert from_json(ColumnPreview, json.loads(told)) == found
