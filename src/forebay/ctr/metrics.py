"""How good predicted click probabilities are: ranking, likelihood, calibration. Pure; numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.errors import InputError

Labels = NDArray[np.uint8]
Scores = NDArray[np.floating[Any]]
CALIBRATION_BINS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows with neighbouring predictions: what was said and what happened."""

    rows: int
    lowest: float
    highest: float
    mean_prediction: float
    ctr: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Quality of predictions on one set of rows."""

    rows: int
    clicks: int
    ctr: float
    auc: float
    log_loss: float
    """mean negative log-likelihood, natural logarithm"""
    normalised_entropy: float
    """log loss / entropy of the base rate; 1 is what predicting the CTR for every row gives"""
    calibration: float
    """mean prediction / CTR; 1 is right on average"""
    calibration_error: float
    """expected calibration error over `bins`"""
    bins: tuple[CalibrationBin, ...]


def measure(labels: Labels, predictions: Scores, *, bins: int = CALIBRATION_BINS) -> Metrics:
    """All metrics of (n,) labels in {0, 1} and (n,) probabilities; InputError where one class is missing."""
    _check(labels, predictions)
    ctr = float(np.mean(labels, dtype=np.float64))
    table = calibration_bins(labels, predictions, bins=bins)
    loss = log_loss(labels, predictions)
    return Metrics(
        rows=labels.size,
        clicks=int(np.count_nonzero(labels)),
        ctr=ctr,
        auc=auc(labels, predictions),
        log_loss=loss,
        normalised_entropy=loss / binary_entropy(ctr),
        calibration=float(np.mean(predictions, dtype=np.float64)) / ctr,
        calibration_error=calibration_error(table),
        bins=table,
    )


def auc(labels: Labels, scores: Scores) -> float:
    """Area under the ROC curve: the chance that a click scores above a non-click, ties counting half.

    Mann and Whitney 1947, by counting both classes per distinct score.
    """
    _, place = np.unique(scores, return_inverse=True)
    total = np.bincount(place)
    clicks = np.bincount(place[labels == 1], minlength=total.size)
    return auc_of_histograms(clicks, total - clicks)


def auc_of_histograms(clicks: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """The same from counts per score, scores ascending; rows that share a bin count as ties."""
    both = float(clicks.sum()) * float(others.sum())
    if not both:
        raise InputError("one-class", "AUC needs rows of both classes", todo="evaluate on more rows")
    below = np.cumsum(others) - others
    return float(np.sum(clicks * (below + 0.5 * others))) / both


def log_loss(labels: Labels, predictions: Scores) -> float:
    """Mean of -log(probability given to what happened). 0 and 1 are moved inside by float64's epsilon."""
    tiny = np.finfo(np.float64).eps
    probability = np.clip(predictions.astype(np.float64), tiny, 1.0 - tiny)
    return float(-np.mean(np.log(np.where(labels == 1, probability, 1.0 - probability))))


def binary_entropy(rate: float) -> float:
    """Entropy in nats of a coin that shows a click with this rate: the log loss of always predicting it.

    Normalised entropy = log loss / this: He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook",
    ADKDD 2014, equation 1.
    """
    return -sum(p * math.log(p) for p in (rate, 1.0 - rate) if p > 0.0)


def calibration_bins(labels: Labels, predictions: Scores, *, bins: int) -> tuple[CalibrationBin, ...]:
    """At most `bins` bins of nearly equal row counts, by ascending prediction; fewer where there are fewer rows."""
    order = np.argsort(predictions, kind="stable")
    parts = np.array_split(order, min(bins, labels.size))
    return tuple(_bin(labels[part], predictions[part]) for part in parts)


def calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Expected calibration error: mean over rows of |mean prediction - CTR| of the row's bin.

    Naeini, Cooper, Hauskrecht, AAAI 2015, with bins of equal counts.
    """
    rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.mean_prediction - each.ctr) for each in bins) / rows


def _bin(labels: Labels, predictions: Scores) -> CalibrationBin:
    return CalibrationBin(
        rows=labels.size,
        lowest=float(predictions[0]),
        highest=float(predictions[-1]),
        mean_prediction=float(np.mean(predictions, dtype=np.float64)),
        ctr=float(np.mean(labels, dtype=np.float64)),
    )


def _check(labels: Labels, predictions: Scores) -> None:
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise InputError("bad-shape", f"labels {labels.shape} and predictions {predictions.shape} do not match")
    if not np.all((predictions >= 0.0) & (predictions <= 1.0)):
        raise InputError("bad-prediction", "predictions must be probabilities, between 0 and 1")
    if not 0 < np.count_nonzero(labels) < labels.size:
        raise InputError("one-class", f"all {labels.size} rows are of one class", todo="evaluate on more rows")
