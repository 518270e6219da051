"""Calibration: rising, order-keeping, and right on average."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.metrics import auc, measure
from forebay.ctr.models.calibration import calibrate, from_json, to_json


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3.0), st.floats(-3.0, 3.0), st.integers(1, 50))
def test_the_map_rises_and_keeps_every_order(seed: int, slope: float, shift: float, min_clicks: int) -> None:
    chance = np.random.default_rng(seed)
    logit = chance.normal(-2.0, 1.0, 500)
    labels = (chance.random(500) < 1.0 / (1.0 + np.exp(-logit))).astype(np.uint8)
    labels[:2] = (0, 1)
    said = 1.0 / (1.0 + np.exp(-(slope * logit + shift)))
    calibrated = calibrate(labels, said, min_clicks=min_clicks).apply(said)
    assert np.all(np.diff(calibrated[np.argsort(said, kind="stable")]) >= 0)
    assert auc(labels, calibrated) == pytest.approx(auc(labels, said), abs=1e-9)
    assert np.all((calibrated > 0) & (calibrated < 1))


def test_wrong_probabilities_become_right() -> None:
    chance = np.random.default_rng(1)
    logit = chance.normal(-3.0, 1.3, 400_000)
    labels = (chance.random(logit.size) < 1.0 / (1.0 + np.exp(-logit))).astype(np.uint8)
    said = 1.0 / (1.0 + np.exp(-(0.6 * logit + 1.0)))
    half = logit.size // 2
    before = measure(labels[half:], said[half:])
    after = measure(labels[half:], calibrate(labels[:half], said[:half]).apply(said[half:]))
    assert before.calibration_error > 0.05
    assert after.calibration_error < 0.004
    assert after.calibration == pytest.approx(1.0, abs=0.02)
    assert after.log_loss < before.log_loss


@given(st.integers(3, 300), st.floats(0.0, 1.0), st.floats(1e-6, 0.9))
def test_the_mean_is_right_however_few_the_clicks_and_however_sure_the_model(
    clicks: int, sure_share: float, said: float
) -> None:
    """A forest says 0 of many rows: their log-odds have no end, and must not move the others."""
    labels = np.zeros(3_000, np.uint8)
    labels[:clicks] = 1
    predictions = np.full(labels.size, said)
    predictions[clicks : clicks + int(sure_share * (labels.size - clicks))] = 0.0
    calibrated = calibrate(labels, predictions).apply(predictions)
    assert calibrated.mean() == pytest.approx(clicks / labels.size, rel=0.05)


def test_one_prediction_for_all_becomes_the_ctr() -> None:
    labels = np.array([1, 0, 0, 0] * 250, np.uint8)
    assert calibrate(labels, np.full(1000, 0.9)).apply(np.array([0.9])) == pytest.approx([0.25], abs=1e-3)


def test_it_survives_json() -> None:
    labels = np.array([0, 1] * 500, np.uint8)
    calibration = calibrate(labels, np.linspace(0.01, 0.9, 1000), min_clicks=50)
    assert from_json(json.loads(json.dumps(to_json(calibration)))) == calibration
    knots: list[tuple[list[float], list[float]]] = [([0.0, 0.0], [0.0, 1.0]), ([], []), ([1.0], [])]
    for said, came in knots:
        with pytest.raises(ValueError, match="rise"):
            from_json({"said": said, "came": came})
