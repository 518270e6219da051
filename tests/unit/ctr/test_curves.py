"""Curves from binned scores against scikit-learn's exact ones and against their definitions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from forebay.ctr import curves
from forebay.ctr.metrics import auc, log_loss
from forebay.ctr.score_histogram import BINS, BINS_PER_LOGIT, ScoreHistogram, bins_of, lower_edges
from forebay.errors import InputError

# Some scores that share a bin without being equal, some ties, and both ends.
SCORES = st.one_of(
    st.sampled_from([0.0, 1.0, 0.3, 0.30001, 0.30002, 0.30003, 1e-9]), st.floats(0.0, 1.0), st.floats(0.02, 0.0202)
)
ROWS = st.lists(st.tuples(st.integers(0, 1), SCORES), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)
Rows = list[tuple[int, float]]
few = settings(max_examples=40)  # each makes histograms of all bins


def split(rows: Rows) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    labels, scores = zip(*rows, strict=True)
    return np.array(labels, np.uint8), np.array(scores, np.float64)


def clicks_of_a_day(rows: int, *, seed: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(rows,) labels drawn with the predicted probabilities, about 3 % clicks."""
    random = np.random.default_rng(seed)
    probability = 1 / (1 + np.exp(4 - random.normal(0, 1, rows)))
    return (random.random(rows) < probability).astype(np.uint8), probability


DAY = clicks_of_a_day(200_000)
SCORED = ScoreHistogram.of(*DAY)


@few
@given(ROWS)
def test_exact_areas_lie_within_their_bounds(rows: Rows) -> None:
    labels, scores = split(rows)
    of = ScoreHistogram.of(labels, scores)
    for bound, exact in (
        (curves.auc_bound(of), roc_auc_score(labels, scores)),
        (curves.average_precision_bound(of), average_precision_score(labels, scores)),
    ):
        assert bound.low - 1e-12 <= exact <= bound.high + 1e-12
        assert bound.low <= bound.value <= bound.high


def test_on_a_days_worth_of_rows_binning_is_not_seen() -> None:
    labels, predictions = DAY
    bound = curves.auc_bound(SCORED)
    assert bound.high - bound.low < 2e-4
    assert bound.value == pytest.approx(auc(labels, predictions), abs=1e-6)
    bound = curves.average_precision_bound(SCORED)
    assert bound.value == pytest.approx(average_precision_score(labels, predictions), abs=1e-4)


@few
@given(ROWS)
def test_every_point_of_the_curves_is_a_point_of_the_exact_ones(rows: Rows) -> None:
    labels, scores = split(rows)
    of = ScoreHistogram.of(labels, scores)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    exact = set(zip(fpr.round(9), tpr.round(9), strict=True))
    points = [(round(each.false_positive_rate, 9), round(each.true_positive_rate, 9)) for each in curves.roc(of)]
    assert set(points) <= exact
    assert (points[0], points[-1]) == ((0, 0), (1, 1))
    precision, recall, _ = precision_recall_curve(labels, scores)
    exact = set(zip(recall.round(9), precision.round(9), strict=True))
    assert {(round(each.recall, 9), round(each.precision, 9)) for each in curves.precision_recall(of)} <= exact


@few
@given(ROWS, st.data())
def test_days_and_workers_add_up_in_any_cut(rows: Rows, data: st.DataObject) -> None:
    labels, scores = split(rows)
    cut = data.draw(st.integers(0, len(rows)))
    whole = ScoreHistogram.of(labels, scores)
    parts = (ScoreHistogram.of(labels[side], scores[side]) for side in (slice(None, cut), slice(cut, None)))
    added = sum(parts, start=ScoreHistogram.empty())
    assert np.array_equal(added.clicked, whole.clicked)
    assert np.array_equal(added.unclicked, whole.unclicked)
    np.testing.assert_allclose(added.predicted, whole.predicted)
    assert added.loss / added.rows == pytest.approx(log_loss(labels, scores), rel=1e-9)


@given(st.lists(st.floats(0.0, 1.0), min_size=1))
def test_a_score_lies_in_its_bin_and_bins_keep_the_order(scores: list[float]) -> None:
    probability = np.sort(np.array(scores))
    place = bins_of(probability)
    assert np.all(np.diff(place) >= 0)
    assert np.all((place >= 0) & (place < BINS))
    assert np.all(lower_edges(place) <= probability * (1 + 1e-9))
    above = place < BINS - 1
    assert np.all(lower_edges(place + 1)[above] >= probability[above] * (1 - 1e-9))


def test_memory_follows_the_bins_and_not_the_rows() -> None:
    arrays = [getattr(SCORED, field.name) for field in dataclasses.fields(SCORED) if field.name != "loss"]
    assert {array.shape for array in arrays} == {(BINS,)}
    assert BINS == 32 * BINS_PER_LOGIT


def test_calibration_has_equal_groups_that_hold_every_row_once() -> None:
    points = curves.calibration(SCORED)
    assert len(points) == curves.CALIBRATION_POINTS
    assert (sum(each.rows for each in points), sum(each.clicks for each in points)) == (SCORED.rows, SCORED.clicks)
    assert max(each.rows for each in points) < 1.05 * min(each.rows for each in points)
    means = [each.mean_prediction for each in points]
    assert means == sorted(means)
    # Labels were drawn with the predictions: 95 % intervals miss one in twenty, and five or more once in 400 days.
    assert sum(not each.low <= each.mean_prediction <= each.high for each in points) < 5


@given(st.integers(1, 5_000), st.data())
def test_wilsons_interval_holds_the_share_and_stays_inside(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = curves.wilson_interval(successes, trials)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    assert high > low
    turned = curves.wilson_interval(trials - successes, trials)
    assert (1 - turned[1], 1 - turned[0]) == pytest.approx((low, high))


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert curves.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert curves.wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_lift_of_the_first_tenth_is_its_ctr_over_the_whole() -> None:
    labels, predictions = DAY
    parts = curves.lift(SCORED)
    best = labels[np.argsort(predictions)[::-1][: labels.size // 10]]
    assert parts[0].ctr == pytest.approx(best.mean(), rel=0.01)
    assert parts[0].lift == pytest.approx(best.mean() / labels.mean(), rel=0.01)


@few
@given(ROWS)
def test_lift_adds_up_to_all_clicks(rows: Rows) -> None:
    labels, scores = split(rows)
    parts = curves.lift(ScoreHistogram.of(labels, scores))
    assert sum(each.ctr for each in parts) / len(parts) == pytest.approx(labels.mean())
    assert sum(each.lift for each in parts) / len(parts) == pytest.approx(1)
    assert (parts[-1].rows_share, parts[-1].clicks_share) == pytest.approx((1, 1))


def test_where_all_rows_are_tied_nothing_is_lifted() -> None:
    labels = np.array([0, 0, 0, 1] * 25, np.uint8)
    of = ScoreHistogram.of(labels, np.full(100, 0.25))
    assert [each.lift for each in curves.lift(of)] == pytest.approx([1.0] * 10)
    assert curves.auc_bound(of) == curves.Bounded(value=0.5, low=0.0, high=1.0)
    assert len(curves.roc(of)) == 2
    (point,) = curves.calibration(of)
    assert (point.rows, point.mean_prediction, point.ctr) == pytest.approx((100, 0.25, 0.25))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=80),
    st.integers(2, 30),
    st.sampled_from([0.0, 0.01, 0.2]),
)
def test_thinning_keeps_the_shape(points: list[tuple[float, float]], limit: int, tolerance: float) -> None:
    x, y = (np.array(values) for values in zip(*points, strict=True))
    kept = curves.thin(x, y, limit=limit, tolerance=tolerance)
    assert kept == sorted(set(kept))
    assert (kept[0], kept[-1]) == (0, len(points) - 1)
    assert len(kept) <= limit
    if len(kept) < limit:
        assert all(away(points, place, kept) <= tolerance + 1e-9 for place in range(len(points)))


def away(points: list[tuple[float, float]], place: int, kept: list[int]) -> float:
    """How far a point is from the segment of the thinned line over it, by looking at many places of the segment."""
    start = max(each for each in kept if each <= place)
    end = min(each for each in kept if each >= place)
    a, b, p = (np.array(points[each]) for each in (start, end, place))
    length = float((b - a) @ (b - a))
    along = min(1.0, max(0.0, float((p - a) @ (b - a)) / length)) if length else 0.0
    return float(np.linalg.norm(p - a - along * (b - a)))


def test_the_thinned_curves_are_short_and_lose_no_area() -> None:
    points = curves.roc(SCORED)
    assert 20 < len(points) <= curves.POINTS
    x, y = ([getattr(each, name) for each in points] for name in ("false_positive_rate", "true_positive_rate"))
    assert float(np.trapezoid(y, x)) == pytest.approx(curves.auc_bound(SCORED).value, abs=2 * curves.TOLERANCE)
    assert len(curves.precision_recall(SCORED)) <= curves.POINTS


def test_the_shift_is_none_for_the_same_day_small_for_the_next_and_large_for_others() -> None:
    same = curves.prediction_shift(SCORED, SCORED)
    next_day = curves.prediction_shift(SCORED, ScoreHistogram.of(*clicks_of_a_day(100_000, seed=2)))
    labels, predictions = DAY
    other = curves.prediction_shift(SCORED, ScoreHistogram.of(labels, predictions**0.7))
    assert same == pytest.approx(0)
    assert same < next_day < 0.01 < 0.25 < other


@few
@given(ROWS, ROWS)
def test_a_shift_is_never_negative(before: Rows, after: Rows) -> None:
    assert curves.prediction_shift(*(ScoreHistogram.of(*split(rows)) for rows in (before, after))) >= 0


def test_the_interval_of_an_auc_holds_most_other_draws() -> None:
    low, high = curves.auc_interval(curves.auc_bound(SCORED).value, SCORED.clicks, SCORED.rows - SCORED.clicks)
    others = [auc(*clicks_of_a_day(200_000, seed=seed)) for seed in range(2, 14)]
    # The interval is for one draw around the truth, and its middle is a draw too.
    half = (high - low) / 2
    assert sum(low - half < other < high + half for other in others) >= 11
    assert np.std(others) == pytest.approx(half / 1.96, rel=0.5)
    assert curves.auc_interval(1.0, 5, 5) == (1.0, 1.0)


@pytest.mark.parametrize("draw", [curves.roc, curves.precision_recall, curves.lift, curves.auc_bound])
def test_one_class_alone_has_no_curve(draw: object) -> None:
    assert callable(draw)
    with pytest.raises(InputError) as caught:
        draw(ScoreHistogram.of(np.zeros(3, np.uint8), np.array([0.1, 0.2, 0.3])))
    assert caught.value.kind == "one-class"


@pytest.mark.parametrize(
    ("labels", "predictions", "kind"),
    [([0, 1], [0.1], "bad-shape"), ([0, 1], [0.1, 1.1], "bad-prediction"), ([0], [float("nan")], "bad-prediction")],
)
def test_what_is_no_prediction_is_refused(labels: list[int], predictions: list[float], kind: str) -> None:
    with pytest.raises(InputError) as caught:
        ScoreHistogram.of(np.array(labels, np.uint8), np.array(predictions))
    assert caught.value.kind == kind


def test_no_rows_have_no_shift() -> None:
    with pytest.raises(InputError, match="rows"):
        curves.prediction_shift(SCORED, ScoreHistogram.empty())
