"""FTRL-Proximal against the paper's own loop, and mixing of what workers learnt."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.ctr.models.ftrl import Rates, learn, logits, mixed, new_state, weights_of

BITS = 4
RATES = st.builds(
    Rates,
    alpha=st.floats(0.01, 1.0),
    beta=st.floats(0.1, 10.0),
    l1=st.sampled_from([0.0, 0.5]),
    l2=st.sampled_from([0.0, 2.0]),
)
ROWS = st.lists(
    st.tuples(st.lists(st.integers(0, (1 << BITS) - 1), min_size=3, max_size=3, unique=True), st.integers(0, 1)),
    min_size=1,
    max_size=60,
)


def arrays(rows: list[tuple[list[int], int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([slots for slots, _ in rows], np.uint32), np.array([label for _, label in rows], np.uint8)


def by_the_paper(rows: list[tuple[list[int], int]], rates: Rates) -> list[float]:
    """Algorithm 1, in float64 and plain Python."""
    z, n = [0.0] * (1 << BITS), [0.0] * (1 << BITS)

    def weight(slot: int) -> float:
        if abs(z[slot]) <= rates.l1:
            return 0.0
        sign = 1.0 if z[slot] > 0 else -1.0
        return -(z[slot] - sign * rates.l1) / ((rates.beta + math.sqrt(n[slot])) / rates.alpha + rates.l2)

    for slots, label in rows:
        weights = [weight(slot) for slot in slots]
        gradient = 1.0 / (1.0 + math.exp(-sum(weights))) - label
        for slot, each in zip(slots, weights, strict=True):
            sigma = (math.sqrt(n[slot] + gradient * gradient) - math.sqrt(n[slot])) / rates.alpha
            z[slot] += gradient - sigma * each
            n[slot] += gradient * gradient
    return [weight(slot) for slot in range(1 << BITS)]


@settings(deadline=None)
@given(ROWS, RATES)
def test_it_learns_what_the_paper_says(rows: list[tuple[list[int], int]], rates: Rates) -> None:
    state = new_state(BITS)
    learn(state, *arrays(rows), rates)
    expected = by_the_paper(rows, rates)
    np.testing.assert_allclose(weights_of(state, rates), expected, rtol=1e-3, atol=1e-4)  # states are float32
    predicted = logits(weights_of(state, rates), arrays(rows)[0])
    np.testing.assert_allclose(predicted, [sum(expected[slot] for slot in slots) for slots, _ in rows], atol=1e-3)


@settings(deadline=None)
@given(ROWS, ROWS, RATES)
def test_mixing_takes_each_slot_from_those_that_met_it(
    left: list[tuple[list[int], int]], right: list[tuple[list[int], int]], rates: Rates
) -> None:
    start = new_state(BITS)
    learn(start, *arrays(left[:3]), rates)
    states = []
    for rows in (left, right):
        states.append(start.copy())
        learn(states[-1], *arrays(rows), rates)
    together = mixed(start, states, rates)
    met = [{slot for slots, _ in rows for slot in slots} for rows in (left, right)]
    weights = [weights_of(each, rates) for each in (start, *states, together)]
    for slot in range(1 << BITS):
        theirs = [weights[1 + number][slot] for number in (0, 1) if slot in met[number]] or [weights[0][slot]]
        assert min(theirs) - 1e-4 <= weights[3][slot] <= max(theirs) + 1e-4
    added = sum(each[:, 1] - start[:, 1] for each in states)
    np.testing.assert_allclose(together[:, 1], start[:, 1] + added, rtol=1e-5, atol=1e-6)


def test_workers_who_learnt_the_same_agree() -> None:
    rates = Rates(alpha=0.1, beta=1.0, l1=0.0, l2=0.0)
    rows = arrays([([0, 1, 2], 1), ([0, 3, 4], 0), ([0, 1, 5], 1)])
    state = new_state(BITS)
    learn(state, *rows, rates)
    weights = weights_of(mixed(new_state(BITS), [state, state], rates), rates)
    assert weights.tolist() == pytest.approx(weights_of(state, rates).tolist(), abs=1e-6)
