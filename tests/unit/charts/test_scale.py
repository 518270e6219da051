"""Axes hold their values and tick at round ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.charts.scale import Axis, around, doubling, percent, percents, plain, round_step, up_from_zero

VALUES = st.lists(st.floats(1e-4, 1e6), min_size=1, max_size=8)


def holds(axis: Axis, values: list[float]) -> bool:
    shares = [axis.share(value) for value in values]
    inside = axis.low <= min(values) * (1 + 1e-9) and max(values) <= axis.high * (1 + 1e-9)
    return inside and all(0 <= share <= 1 for share in shares)


@given(VALUES)
def test_every_axis_holds_its_values_and_has_few_ticks(values: list[float]) -> None:
    for axis in (up_from_zero("x", values), around("x", values), doubling("x", values)):
        assert holds(axis, values)
        assert axis.low < axis.high
        assert 2 <= len(axis.ticks) <= 11
        assert list(axis.ticks) == sorted(axis.ticks)
        assert axis.low <= axis.ticks[0] * (1 + 1e-9)
        assert axis.ticks[-1] <= axis.high * (1 + 1e-9)


@given(VALUES, st.floats(0, 1))
def test_a_share_and_its_value_belong_together(values: list[float], share: float) -> None:
    for axis in (around("x", values), doubling("x", values)):
        assert axis.share(axis.at(share)) == pytest.approx(share, abs=1e-6)
        assert (axis.share(axis.low), axis.share(axis.high)) == pytest.approx((0, 1))


@given(st.floats(1e-6, 1e6), st.integers(1, 10))
def test_a_step_is_round_and_the_smallest_that_will_do(span: float, most: int) -> None:
    step = round_step(span, most)
    sign = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(sign - each) for each in (1, 2, 2.5, 5)) < 1e-6
    assert span / step <= most * (1 + 1e-6)
    assert span / (step / 2.5) >= most * (1 - 1e-6)


def test_axes_of_known_values() -> None:
    assert up_from_zero("x", [0.57]).ticks == pytest.approx((0, 0.2, 0.4, 0.6))
    assert up_from_zero("x", []).high == 1
    assert around("x", [0.7891, 0.8102]).ticks == pytest.approx((0.78, 0.79, 0.8, 0.81, 0.82))
    assert around("x", [0.5]).ticks == pytest.approx((0.5, 0.52))
    assert doubling("x", [0.003, 0.02]).ticks == pytest.approx((0.002, 0.005, 0.01, 0.02))
    assert doubling("x", [0.0012, 0.3]).ticks == pytest.approx((0.001, 0.01, 0.1))
    assert doubling("x", [1e-12, 1.0]).ticks == pytest.approx([10.0**power for power in range(-12, 1, 3)])


def test_values_are_told_briefly() -> None:
    assert [plain(each) for each in (0, 0.25, 3.0, -0.5)] == ["0", "0.25", "3", "-0.5"]
    told = [percent(each).replace("\N{NO-BREAK SPACE}", " ") for each in (0, 0.0005, 0.025, 0.4, 1)]
    assert told == ["0 %", "0.05 %", "2.5 %", "40 %", "100 %"]
    assert percents(0.36372, 1) == "36.4\N{NO-BREAK SPACE}%"
