"""Metrics against scikit-learn and against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from forebay.ctr.metrics import auc, binary_entropy, calibration_bins, calibration_error, log_loss, measure
from forebay.errors import InputError

# Few distinct scores, so that ties are common.
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.01, 0.25, 0.3, 0.5, 0.99, 1.0])), min_size=2
).filter(lambda rows: len({label for label, _ in rows}) == 2)


def split(rows: list[tuple[int, float]]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    labels, scores = zip(*rows, strict=True)
    return np.array(labels, np.uint8), np.array(scores, np.float64)


@given(ROWS)
def test_auc_and_log_loss_are_scikit_learns(rows: list[tuple[int, float]]) -> None:
    labels, scores = split(rows)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert log_loss(labels, scores) == pytest.approx(sklearn_log_loss(labels, scores), rel=1e-9)


@given(ROWS)
def test_auc_of_turned_scores_is_the_rest(rows: list[tuple[int, float]]) -> None:
    labels, scores = split(rows)
    assert auc(labels, scores) + auc(labels, -scores) == pytest.approx(1.0)


@given(ROWS, st.integers(1, 30))
def test_bins_hold_every_row_once_in_order(rows: list[tuple[int, float]], bins: int) -> None:
    labels, scores = split(rows)
    table = calibration_bins(labels, scores, bins=bins)
    assert len(table) == min(bins, len(rows))
    assert sum(each.rows for each in table) == len(rows)
    assert sum(each.rows * each.ctr for each in table) == pytest.approx(labels.sum())
    assert max(each.rows for each in table) - min(each.rows for each in table) <= 1
    edges = [edge for each in table for edge in (each.lowest, each.highest)]
    assert edges == sorted(edges)


def test_always_predicting_the_ctr_has_normalised_entropy_one() -> None:
    labels = np.array([0, 0, 0, 1] * 100, np.uint8)
    metrics = measure(labels, np.full(400, 0.25))
    assert metrics.normalised_entropy == pytest.approx(1.0)
    assert metrics.log_loss == pytest.approx(binary_entropy(0.25))
    assert (metrics.auc, metrics.calibration, metrics.ctr) == (0.5, 1.0, 0.25)
    assert (metrics.rows, metrics.clicks) == (400, 100)


def test_calibration_shows_predictions_twice_too_high() -> None:
    labels = np.array([0, 0, 0, 1] * 100, np.uint8)
    metrics = measure(labels, np.full(400, 0.5), bins=1)
    assert metrics.calibration == 2.0
    assert metrics.calibration_error == pytest.approx(0.25)
    assert calibration_error(metrics.bins) == metrics.calibration_error


def test_float32_predictions_are_accumulated_in_float64() -> None:
    labels = np.zeros(2_000_000, np.uint8)
    labels[0] = 1
    predictions = np.full(labels.size, 0.1, np.float32)
    assert measure(labels, predictions).log_loss == pytest.approx(-math.log(0.9), rel=1e-4)


@pytest.mark.parametrize(
    ("labels", "predictions", "kind"),
    [
        ([0, 0], [0.1, 0.2], "one-class"),
        ([1, 1], [0.1, 0.2], "one-class"),
        ([], [], "one-class"),
        ([0, 1], [0.1], "bad-shape"),
        ([0, 1], [0.1, 1.1], "bad-prediction"),
        ([0, 1], [0.1, float("nan")], "bad-prediction"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels: list[int], predictions: list[float], kind: str) -> None:
    with pytest.raises(InputError) as caught:
        measure(np.array(labels, np.uint8), np.array(predictions, np.float64))
    assert caught.value.kind == kind
