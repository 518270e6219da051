"""Probabilities that come true: isotonic regression on the validation day, as a piecewise linear map of the log-odds.

Isotonic and not Platt's: boosted trees and hashed weights err in the middle and at the ends in different directions,
which two parameters can't mend. Pooled to at least `MIN_CLICKS` clicks a block it doesn't follow noise, and being
linear between blocks and strictly rising it changes no order of rows, so no AUC. Zadrozny and Elkan, KDD 2002. At last
it is shifted so that the mean is right, too, also where clicks suffice for one block alone. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.metrics import Labels, Scores

MIN_CLICKS: Final = 200
"""A block of so many clicks knows its rate to about 7 %."""
_LEAST_SLOPE: Final = 0.05
_EDGE: Final = 1e-7
_BINS: Final = 4096
_WIDEST_SHIFT: Final = 40.0
_HALVINGS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Knots of a strictly rising map from log-odds to log-odds, `said` to `came`; beyond them its slope is 1."""

    said: tuple[float, ...]
    came: tuple[float, ...]

    def apply(self, predictions: Scores) -> NDArray[np.float64]:
        """(n,) calibrated probabilities of (n,) probabilities."""
        logit = _logit(predictions)
        inside = np.interp(logit, self.said, self.came)
        beyond = np.minimum(logit - self.said[0], 0.0) + np.maximum(logit - self.said[-1], 0.0)
        calibrated: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(inside + beyond)))
        return calibrated


def calibrate(labels: Labels, predictions: Scores, *, min_clicks: int = MIN_CLICKS) -> Calibration:
    """Fit on (n,) labels of both classes and (n,) probabilities."""
    order = np.argsort(predictions, kind="stable")
    blocks = _pooled(*_blocks(labels[order].astype(np.float64), _logit(predictions[order]), min_clicks))
    rows, clicks, logits = (np.array(each) for each in zip(*blocks, strict=True))
    said = logits / rows
    # Half a click more on either side: a block of one class has no log-odds.
    rate = (clicks + 0.5) / (rows + 1.0)
    came = np.log(rate / (1.0 - rate))
    steps = np.maximum(np.diff(came), _LEAST_SLOPE * np.diff(said))
    came = came[0] + np.append(0.0, np.cumsum(steps))
    shape = Calibration(said=tuple(said.tolist()), came=tuple(came.tolist()))
    came += _shift(_logit(shape.apply(predictions)), float(labels.mean()))
    return Calibration(said=shape.said, came=tuple(came.tolist()))


def to_json(calibration: Calibration) -> dict[str, Any]:
    """For `calibration.json`."""
    return {"said": list(calibration.said), "came": list(calibration.came)}


def from_json(value: dict[str, Any]) -> Calibration:
    """The inverse; KeyError, TypeError or ValueError where it is not that."""
    said, came = (tuple(float(knot) for knot in value[name]) for name in ("said", "came"))
    if not said or len(said) != len(came) or any(np.diff(said) <= 0) or any(np.diff(came) < 0):
        raise ValueError("knots must rise")
    return Calibration(said=said, came=came)


def _shift(logits: NDArray[np.float64], rate: float) -> float:
    """What to add to log-odds so that the mean of their probabilities is `rate`."""
    counts, edges = np.histogram(logits, bins=_BINS)
    middle, share = (edges[:-1] + edges[1:]) / 2.0, counts / logits.size
    low, high = -_WIDEST_SHIFT, _WIDEST_SHIFT
    for _ in range(_HALVINGS):
        between = (low + high) / 2.0
        too_low = float(np.sum(share / (1.0 + np.exp(-(middle + between))))) < rate
        low, high = (between, high) if too_low else (low, between)
    return (low + high) / 2.0


def _logit(predictions: Scores) -> NDArray[np.float64]:
    probability = np.clip(predictions.astype(np.float64), _EDGE, 1.0 - _EDGE)
    odds: NDArray[np.float64] = np.log(probability / (1.0 - probability))
    return odds


def _blocks(
    labels: NDArray[np.float64], logits: NDArray[np.float64], min_clicks: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(rows, clicks, sum of log-odds) of blocks of neighbours, each with about `min_clicks` clicks; ties together."""
    block = np.minimum((np.cumsum(labels) - labels) // min_clicks, max(1.0, labels.sum() // min_clicks) - 1.0)
    first = np.append(True, np.diff(logits) > 0.0)
    block = block[np.maximum.accumulate(np.where(first, np.arange(labels.size), 0))].astype(np.int64)
    _, place = np.unique(block, return_inverse=True)
    sums = np.zeros((3, int(place.max()) + 1), np.float64)
    for place_of, weights in enumerate((np.ones_like(logits), labels, logits)):
        sums[place_of] = np.bincount(place, weights)
    return sums[0], sums[1], sums[2]


def _pooled(
    rows: NDArray[np.float64], clicks: NDArray[np.float64], logits: NDArray[np.float64]
) -> list[tuple[float, float, float]]:
    """Neighbouring blocks merged until their rates rise (pool adjacent violators)."""
    pooled: list[tuple[float, float, float]] = []
    for block in zip(rows.tolist(), clicks.tolist(), logits.tolist(), strict=True):
        pooled.append(block)
        while len(pooled) > 1 and pooled[-2][1] * pooled[-1][0] >= pooled[-1][1] * pooled[-2][0]:
            last, before = pooled.pop(), pooled.pop()
            pooled.append((before[0] + last[0], before[1] + last[1], before[2] + last[2]))
    return pooled
