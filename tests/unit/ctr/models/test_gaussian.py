"""Gaussian weights against the filter written out in means and variances; mixing; priors that rows show."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.ctr.models.gaussian import default_priors, learn, learnt_priors, means_of, mixed, new_beliefs

BITS = 4
FIELDS = 3
PRIORS = np.array([10.0, 0.05, 0.01])
Rows = list[tuple[list[int], int]]
ROWS = st.lists(
    st.tuples(st.tuples(st.integers(0, 4), st.integers(5, 9), st.integers(10, 15)).map(list), st.integers(0, 1)),
    min_size=1,
    max_size=60,
)


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([slots for slots, _ in rows], np.uint32), np.array([label for _, label in rows], np.uint8)


def by_the_filter(rows: Rows) -> tuple[dict[int, float], dict[int, float]]:
    """One Kalman update a row, of the observation that the logit's tangent gives; covariances are dropped."""
    mean: dict[int, float] = {}
    variance: dict[int, float] = {}
    for slots, label in rows:
        for place, slot in enumerate(slots):
            mean.setdefault(slot, 0.0)
            variance.setdefault(slot, float(PRIORS[place]))
        chance = 1.0 / (1.0 + math.exp(-sum(mean[slot] for slot in slots)))
        noise = 1.0 / (chance * (1.0 - chance))
        innovation = (label - chance) * noise
        whole = noise + sum(variance[slot] for slot in slots)
        for slot in slots:
            gain = variance[slot] / whole
            mean[slot] += gain * innovation
            variance[slot] -= gain * variance[slot]
    return mean, variance


@settings(deadline=None)
@given(ROWS)
def test_it_is_the_filter(rows: Rows) -> None:
    beliefs = new_beliefs(BITS)
    learn(beliefs, *arrays(rows), PRIORS)
    mean, variance = by_the_filter(rows)
    weights = means_of(beliefs)
    for slot in range(1 << BITS):
        assert weights[slot] == pytest.approx(mean.get(slot, 0.0), rel=1e-5, abs=1e-6)
        assert (1.0 / beliefs[slot, 1] if beliefs[slot, 1] else 0.0) == pytest.approx(variance.get(slot, 0.0))


@settings(deadline=None)
@given(ROWS, ROWS)
def test_what_workers_learnt_adds_up(left: Rows, right: Rows) -> None:
    start = new_beliefs(BITS)
    learn(start, *arrays(left[:3]), PRIORS)
    states = []
    for rows in (left, right):
        states.append(start.copy())
        learn(states[-1], *arrays(rows), PRIORS)
    together = mixed(start, states)
    prior = np.max([start[:, 2], states[0][:, 2], states[1][:, 2]], axis=0)
    known = np.where(start[:, 1] > 0, start[:, 1], prior)
    gained = [np.where(each[:, 1] > 0, each[:, 1] - known, 0.0) for each in states]
    np.testing.assert_allclose(together[:, 1], known + gained[0] + gained[1])
    np.testing.assert_allclose(mixed(start, states[:1])[:, :2], states[0][:, :2], rtol=1e-9, atol=1e-12)


def test_a_value_that_one_worker_met_is_as_that_one_has_it() -> None:
    start = new_beliefs(BITS)
    states = [start.copy(), start.copy()]
    learn(states[0], *arrays([([0, 5, 10], 1)] * 9), PRIORS)
    learn(states[1], *arrays([([0, 6, 11], 0)] * 9), PRIORS)
    weights = means_of(mixed(start, states))
    assert weights[5] == means_of(states[0])[5]
    assert weights[11] == means_of(states[1])[11]


def test_priors_tell_fields_that_matter_from_those_that_do_not() -> None:
    chance = np.random.default_rng(7)
    rows, values = 200_000, 50
    effects = chance.normal(0.0, [[0.0], [0.1], [0.5]], (3, values))
    picked = chance.integers(0, values, (rows, 3))
    logit = -1.0 + sum(effects[field][picked[:, field]] for field in range(3))
    label = (chance.random(rows) < 1.0 / (1.0 + np.exp(-logit))).astype(np.uint8)
    slots = np.column_stack([np.zeros(rows, np.int64), *(1 + field * values + picked[:, field] for field in range(3))])
    _, nothing, little, much = learnt_priors([(slots.astype(np.uint32), label)], 4, 8)
    assert nothing == pytest.approx(0.002, abs=0.001)
    assert little == pytest.approx(0.01, rel=0.6)
    assert much == pytest.approx(0.15, abs=0.01), "what is more than any field of click logs has is held to the most"


def test_a_field_that_no_row_tells_anything_of_keeps_the_usual_prior() -> None:
    slots = np.tile(np.array([0, 1, 2], np.uint32), (10, 1))
    found = learnt_priors([(slots, np.zeros(10, np.uint8))], 3, BITS)
    assert found.shape == default_priors(3).shape
    assert np.all(found > 0)
