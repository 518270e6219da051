"""What a report draws, from counts by score: ROC, precision and recall, lift, calibration, shift. Pure; numpy only.

Rows of one bin are ties, so every point at the edge of a bin is exact, and the areas are within bounds that are
computed too. Lines are thinned to at most 200 points, none further than 0.0005 from what is left out unless the limit
is hit.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.metrics import auc_of_histograms
from forebay.ctr.score_histogram import ScoreHistogram, lower_edges
from forebay.errors import InputError

POINTS: Final = 200
TOLERANCE: Final = 0.0005
PARTS: Final = 10
CALIBRATION_POINTS: Final = 20
SHIFT_GROUPS: Final = 10
_Z: Final = 1.959964
"""Of a normal distribution, 95 % lie within."""
_LEAST_ROWS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RocPoint:
    """Where rows predicted at `threshold` or above count as clicks; None: no row does."""

    threshold: float | None
    false_positive_rate: float
    true_positive_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionPoint:
    """Where rows predicted at `threshold` or above count as clicks."""

    threshold: float
    recall: float
    precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftPart:
    """A tenth of the rows; the first has the highest predictions. Ties at its border are shared in proportion."""

    part: int
    rows_share: float
    """of all rows, from the first part to this one"""
    clicks_share: float
    """of all clicks, from the first part to this one"""
    ctr: float
    lift: float
    """this part's CTR / that of all rows"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationPoint:
    """Rows with neighbouring predictions: what was said, what happened, and where the true CTR lies (95 %)."""

    rows: int
    clicks: int
    mean_prediction: float
    ctr: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """A figure from bins; the exact one lies between `low` and `high`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """The bins that hold rows, the highest score first."""

    threshold: NDArray[np.float64]
    clicked: NDArray[np.int64]
    unclicked: NDArray[np.int64]
    clicked_above: NDArray[np.int64]
    """in higher bins"""
    unclicked_above: NDArray[np.int64]

    @classmethod
    def of(cls, scores: ScoreHistogram) -> _Steps:
        if not 0 < scores.clicks < scores.rows:
            raise InputError("one-class", "a curve needs rows of both classes", todo="evaluate on more rows")
        bins = np.flatnonzero(scores.total)[::-1]
        clicked, unclicked = scores.clicked[bins], scores.unclicked[bins]
        return cls(lower_edges(bins), clicked, unclicked, clicked.cumsum() - clicked, unclicked.cumsum() - unclicked)

    @property
    def clicked_so_far(self) -> NDArray[np.int64]:
        return self.clicked_above + self.clicked

    @property
    def unclicked_so_far(self) -> NDArray[np.int64]:
        return self.unclicked_above + self.unclicked


def auc_bound(scores: ScoreHistogram) -> Bounded:
    """Area under the ROC curve. Pairs in one bin count half; the exact order could give all of them or none."""
    value = auc_of_histograms(scores.clicked, scores.unclicked)
    pairs = float(scores.clicks) * float(scores.rows - scores.clicks)
    doubt = float(np.sum(scores.clicked.astype(np.float64) * scores.unclicked)) / pairs / 2
    return Bounded(value=value, low=value - doubt, high=value + doubt)


def average_precision_bound(scores: ScoreHistogram) -> Bounded:
    """Mean over the clicks of the precision at their score: scikit-learn's `average_precision_score`.

    Low: in each bin all other rows come before all clicks; high: after them.
    """
    steps = _Steps.of(scores)
    clicks, others = steps.clicked_so_far, steps.unclicked_so_far
    first = steps.clicked_above + 1
    at_best = clicks / np.maximum(clicks + steps.unclicked_above, 1)
    at_worst = first / (first + others)
    value, low, high = (
        float(np.sum(steps.clicked * precision)) / scores.clicks
        for precision in (clicks / (clicks + others), at_worst, at_best)
    )
    return Bounded(value=value, low=low, high=high)


def roc(scores: ScoreHistogram) -> tuple[RocPoint, ...]:
    """From (0, 0) to (1, 1)."""
    steps = _Steps.of(scores)
    x = np.concatenate([[0.0], steps.unclicked_so_far / (scores.rows - scores.clicks)])
    y = np.concatenate([[0.0], steps.clicked_so_far / scores.clicks])
    thresholds = [None, *steps.threshold.tolist()]
    return tuple(
        RocPoint(threshold=thresholds[place], false_positive_rate=float(x[place]), true_positive_rate=float(y[place]))
        for place in thin(x, y)
    )


def precision_recall(scores: ScoreHistogram) -> tuple[PrecisionPoint, ...]:
    """By growing recall, from where 100 rows (of few rows: a tenth) are above the threshold: fewer say little."""
    steps = _Steps.of(scores)
    clicks, rows = steps.clicked_so_far, steps.clicked_so_far + steps.unclicked_so_far
    enough = slice(int(np.searchsorted(rows, min(_LEAST_ROWS, scores.rows // 10))), None)
    threshold, x, y = steps.threshold[enough], (clicks / scores.clicks)[enough], (clicks / rows)[enough]
    return tuple(
        PrecisionPoint(threshold=float(threshold[place]), recall=float(x[place]), precision=float(y[place]))
        for place in thin(x, y)
    )


def lift(scores: ScoreHistogram, *, parts: int = PARTS) -> tuple[LiftPart, ...]:
    """All rows in `parts` equal parts, the highest predictions first."""
    steps = _Steps.of(scores)
    clicks = np.concatenate([[0], steps.clicked_so_far])
    rows = np.concatenate([[0], steps.clicked_so_far + steps.unclicked_so_far])
    gained = np.interp(np.linspace(0.0, scores.rows, parts + 1), rows, clicks)
    in_part = np.diff(gained)
    return tuple(
        LiftPart(
            part=part + 1,
            rows_share=(part + 1) / parts,
            clicks_share=float(gained[part + 1]) / scores.clicks,
            ctr=float(in_part[part]) * parts / scores.rows,
            lift=float(in_part[part]) * parts / scores.clicks,
        )
        for part in range(parts)
    )


def calibration(scores: ScoreHistogram, *, points: int = CALIBRATION_POINTS) -> tuple[CalibrationPoint, ...]:
    """At most `points` groups of whole bins with about equal row counts, predictions ascending."""
    total = scores.total
    group = _groups(total, points)
    rows, clicks = (np.bincount(group, counts, points).astype(np.int64) for counts in (total, scores.clicked))
    predicted = np.bincount(group, scores.predicted, points)
    return tuple(
        _calibration_point(int(rows[each]), int(clicks[each]), float(predicted[each])) for each in np.flatnonzero(rows)
    )


def _calibration_point(rows: int, clicks: int, predicted: float) -> CalibrationPoint:
    low, high = wilson_interval(clicks, rows)
    return CalibrationPoint(
        rows=rows, clicks=clicks, mean_prediction=predicted / rows, ctr=clicks / rows, low=low, high=high
    )


def _groups(total: NDArray[np.int64], groups: int) -> NDArray[np.int64]:
    """(BINS,) the group of each bin: by the rank of its middle row."""
    middle = total.cumsum() - total / 2
    group: NDArray[np.float64] = np.minimum(np.floor(middle * groups / total.sum()), groups - 1)
    return group.astype(np.int64)


def prediction_shift(before: ScoreHistogram, after: ScoreHistogram, *, groups: int = SHIFT_GROUPS) -> float:
    """Population stability index of the predictions, over the tenths of `before`. Half a row is added to each tenth.

    By custom: below 0.1 nothing to see, above 0.25 another population.
    """
    if not before.rows or not after.rows:
        raise InputError("no-rows", "a shift needs rows before and after", todo="evaluate on more rows")
    group = _groups(before.total, groups)
    was, now = (np.bincount(group, scores.total, groups) + 0.5 for scores in (before, after))
    was, now = was / was.sum(), now / now.sum()
    return float(np.sum((now - was) * np.log(now / was)))


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927): it stays within 0 and 1, and is right for few successes too."""
    share, spread = successes / trials, _Z * _Z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / trials + spread / trials / 4) / (1 + spread)
    # Without the share itself, rounding could leave it out at 0 and 1.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def auc_interval(auc: float, clicks: int, others: int) -> tuple[float, float]:
    """95 % interval of an AUC (Hanley and McNeil 1982): what another draw of as many rows would give."""
    both = auc / (2 - auc) - auc * auc, 2 * auc * auc / (1 + auc) - auc * auc
    variance = (auc * (1 - auc) + (clicks - 1) * both[0] + (others - 1) * both[1]) / (clicks * others)
    half = _Z * math.sqrt(max(0.0, variance))
    return max(0.0, auc - half), min(1.0, auc + half)


def thin(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    *,
    limit: int = POINTS,
    tolerance: float = TOLERANCE,
) -> list[int]:
    """The places of the points to keep, first and last among them: the one furthest from its line first.

    Ends at `limit` points, or once all others are within `tolerance` of the line that is left (Douglas and Peucker
    1973).
    """
    last = len(x) - 1
    kept = {0, last}
    queue = [_furthest(x, y, 0, last)]
    while queue and len(kept) < limit:
        distance, place, start, end = heapq.heappop(queue)
        if -distance <= tolerance:
            break
        kept.add(place)
        for part in ((start, place), (place, end)):
            heapq.heappush(queue, _furthest(x, y, *part))
    return sorted(kept)


def _furthest(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]], start: int, end: int
) -> tuple[float, int, int, int]:
    """(-distance, place, start, end) of the point between that is furthest from the segment."""
    if end - start < 2:
        return 0.0, start, start, end
    inside = slice(start + 1, end)
    across, up = x[end] - x[start], y[end] - y[start]
    right, above = x[inside] - x[start], y[inside] - y[start]
    length = across * across + up * up
    along = np.clip((right * across + above * up) / length, 0.0, 1.0) if length else np.zeros(end - start - 1)
    distance = np.hypot(right - along * across, above - along * up)
    place = int(np.argmax(distance))
    return -float(distance[place]), start + 1 + place, start, end
