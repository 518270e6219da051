"""Predictions and clicks counted by score: days and workers add up, and memory does not follow the rows. Pure.

A bin is 1/2048 of logit between -16 and 16; what lies beyond counts in the outermost bins. 65,536 bins, 1.5 MB. Every
curve of it treats the rows of one bin as ties: `curves.auc_bound` says how far that can be from the exact figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.errors import InputError

BINS_PER_LOGIT: Final = 2048
LOGIT_LIMIT: Final = 16
BINS: Final = 2 * LOGIT_LIMIT * BINS_PER_LOGIT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreHistogram:
    """Of some rows: (BINS,) arrays, scores ascending."""

    clicked: NDArray[np.int64]
    """rows with a click"""
    unclicked: NDArray[np.int64]
    predicted: NDArray[np.float64]
    """sum of the predictions"""
    loss: float
    """sum of the negative log-likelihood, natural logarithm"""

    @classmethod
    def empty(cls) -> ScoreHistogram:
        """Of no rows: what sums begin with."""
        counts = np.zeros(BINS, np.int64)
        return cls(clicked=counts, unclicked=counts, predicted=np.zeros(BINS), loss=0.0)

    @classmethod
    def of(cls, labels: NDArray[np.uint8], predictions: NDArray[np.floating[Any]]) -> ScoreHistogram:
        """(n,) labels in {0, 1} and (n,) probabilities; InputError `bad-shape`, `bad-prediction`."""
        if labels.shape != predictions.shape or labels.ndim != 1:
            raise InputError("bad-shape", f"labels {labels.shape} and predictions {predictions.shape} do not match")
        if not np.all((predictions >= 0.0) & (predictions <= 1.0)):
            raise InputError("bad-prediction", "predictions must be probabilities, between 0 and 1")
        probability = predictions.astype(np.float64)
        place = bins_of(probability)
        total = np.bincount(place, minlength=BINS)
        clicked = np.bincount(place[labels == 1], minlength=BINS)
        tiny = np.finfo(np.float64).eps
        given = np.where(labels == 1, probability, 1.0 - probability)
        return cls(
            clicked=clicked,
            unclicked=total - clicked,
            predicted=np.bincount(place, weights=probability, minlength=BINS).astype(np.float64),
            loss=float(-np.log(np.clip(given, tiny, 1.0 - tiny)).sum()),
        )

    def __add__(self, other: ScoreHistogram) -> ScoreHistogram:
        return ScoreHistogram(
            clicked=self.clicked + other.clicked,
            unclicked=self.unclicked + other.unclicked,
            predicted=self.predicted + other.predicted,
            loss=self.loss + other.loss,
        )

    @property
    def total(self) -> NDArray[np.int64]:
        """(BINS,) rows."""
        return self.clicked + self.unclicked

    @property
    def rows(self) -> int:
        return int(self.total.sum())

    @property
    def clicks(self) -> int:
        return int(self.clicked.sum())


def bins_of(probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) the bin of each probability."""
    with np.errstate(divide="ignore"):
        logit = np.log(probability) - np.log1p(-probability)
    place: NDArray[np.float64] = np.clip(np.floor((logit + LOGIT_LIMIT) * BINS_PER_LOGIT), 0, BINS - 1)
    return place.astype(np.int64)


def lower_edges(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) the lowest probability of each bin; that of bin 0 is 0."""
    edge = 1.0 / (1.0 + np.exp(LOGIT_LIMIT - bins / BINS_PER_LOGIT))
    return np.where(bins == 0, 0.0, edge)
