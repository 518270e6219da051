"""The report's arithmetic gives what it printed; with counted rows it gives 2.5. The page says the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from forebay.ctr.compare import tr4904
from forebay.ctr.compare.tr4904 import extrapolate

PAGE = (Path(__file__).parents[4] / "docs" / "ctr-compare.md").read_text()
ASSUMED, COUNTED = extrapolate(tr4904.ASSUMED_ROWS), extrapolate(tr4904.COUNTED_ROWS)


def test_the_reports_numbers_come_out_of_its_assumption() -> None:
    assert ASSUMED.factor == 400.0
    assert tr4904.PRINTED_SKLEARN_S - ASSUMED.sklearn_s == 11
    assert ASSUMED.times == pytest.approx(tr4904.PRINTED_TIMES, abs=0.003)
    assert pytest.approx(tr4904.PRINTED_TIMES, abs=0.001) == tr4904.PRINTED_SKLEARN_S / tr4904.DASK_S


def test_with_counted_rows_the_same_arithmetic_gives_about_two_and_a_half() -> None:
    assert COUNTED.times == pytest.approx(2.455, abs=0.001)
    assert COUNTED.times == pytest.approx(COUNTED.dask_rows_s / COUNTED.sklearn_rows_s)
    assert ASSUMED.times / COUNTED.times == pytest.approx(tr4904.ASSUMED_ROWS / tr4904.COUNTED_ROWS)


@pytest.mark.parametrize(
    "told",
    [
        f"{tr4904.SKLEARN_ROWS:,}",
        f"{tr4904.ASSUMED_ROWS:,}",
        f"{tr4904.COUNTED_ROWS:,}",
        f"{tr4904.SKLEARN_S:,} s",
        f"{tr4904.DASK_S:,} s",
        f"{tr4904.PRINTED_SKLEARN_S:,} s",
        f"{tr4904.PRINTED_TIMES}",
        f"{ASSUMED.sklearn_s:,.0f} s",
        f"{ASSUMED.times:.2f}",
        f"{COUNTED.factor:.4f}",
        f"{COUNTED.sklearn_s:,.0f} s",
        f"{COUNTED.times:.2f}",
        f"{COUNTED.sklearn_rows_s:,.0f} rows/s",
        f"{COUNTED.dask_rows_s:,.0f} rows/s",
        f"{ASSUMED.dask_rows_s:,.0f} rows/s",
        f"{tr4904.SKLEARN_ROWS / tr4904.COUNTED_ROWS:.1%}",
        f"{tr4904.ASSUMED_ROWS / tr4904.COUNTED_ROWS:.0f} times",
    ],
)
def test_the_page_says_the_same_numbers(told: str) -> None:
    assert re.search(rf"(?<![\d.,]){re.escape(told)}(?![\d])", PAGE), told
