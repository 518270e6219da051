from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.bandwidth import rate_now

RATES = st.floats(min_value=0, max_value=1e12)


def test_the_first_word_counts_as_it_is() -> None:
    assert rate_now(0.0, 1000, 2.0) == 500.0


def test_no_time_tells_nothing() -> None:
    assert rate_now(70.0, 10**9, 0.0) == 70.0
    assert rate_now(70.0, 10**9, -3.0) == 70.0


def test_a_fill_that_stands_still_comes_down_to_nothing() -> None:
    rate = 100e6
    for _ in range(30):
        rate = rate_now(rate, 0, 2.0)
    assert rate < 100e6 / 1000


def test_half_of_a_change_is_seen_after_five_seconds() -> None:
    assert rate_now(100.0, 5 * 300, 5.0) == pytest.approx(200.0)


@given(known=RATES, moved=st.integers(min_value=-(10**15), max_value=10**15), seconds=st.floats(0.001, 1e6))
def test_it_lies_between_what_was_known_and_what_came_lately(known: float, moved: int, seconds: float) -> None:
    lately = max(0, moved) / seconds
    low, high = min(known, lately), max(known, lately)
    slack = 1e-6 * high
    assert low - slack <= rate_now(known, moved, seconds) <= high + slack
