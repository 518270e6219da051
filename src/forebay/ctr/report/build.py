"""A report made of plain values: measures, counts by score, and what the caller knows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forebay.ctr import curves
from forebay.ctr.metrics import Metrics, binary_entropy
from forebay.ctr.report.training_report import (
    DayQuality,
    DayRole,
    Importance,
    Provenance,
    StageTime,
    TrainingReport,
)
from forebay.ctr.score_histogram import ScoreHistogram
from forebay.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredDay:
    """A day that the model was not trained on, as the model sees it."""

    day: int
    role: DayRole
    scores: ScoreHistogram


def build_report(
    *,
    model: str,
    metrics: Metrics,
    days: Sequence[ScoredDay],
    importance: Mapping[str, float],
    stages: Sequence[StageTime],
    provenance: Provenance,
) -> TrainingReport:
    """The report on a model: `metrics` are of the one test day among `days`, in any order.

    `importance`: feature to gain, empty for a model that has none. InputError `one-class` where a day has no click, or
    nothing else.
    """
    ordered = sorted(days, key=lambda each: each.day)
    test = [each for each in ordered if each.role is DayRole.TEST]
    if len(test) != 1:
        raise InputError("bad-days", f"a report is on one test day, not on {len(test)}")
    scores = test[0].scores
    low, high = curves.auc_interval(metrics.auc, metrics.clicks, metrics.rows - metrics.clicks)
    return TrainingReport(
        model=model,
        day=test[0].day,
        metrics=metrics,
        auc_low=low,
        auc_high=high,
        average_precision=curves.average_precision_bound(scores),
        roc=curves.roc(scores),
        precision_recall=curves.precision_recall(scores),
        lift=curves.lift(scores),
        calibration=curves.calibration(scores),
        importance=_shares(importance),
        days=tuple(_quality(each, ordered[0]) for each in ordered),
        stages=tuple(stages),
        provenance=provenance,
    )


def stage_times(seconds: Mapping[str, float], rows: Mapping[str, int]) -> tuple[StageTime, ...]:
    """Stages with the rows that each worked on; one that `rows` does not name works on none."""
    return tuple(_stage(stage, taken, rows.get(stage)) for stage, taken in seconds.items())


def _stage(stage: str, seconds: float, rows: int | None) -> StageTime:
    rows_s = rows / seconds if rows is not None and seconds > 0 else None
    return StageTime(stage=stage, seconds=seconds, rows=rows, rows_s=rows_s)


def _shares(importance: Mapping[str, float]) -> tuple[Importance, ...]:
    total = sum(importance.values()) or 1.0
    ordered = sorted(importance.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Importance(feature=feature, gain=gain, share=gain / total) for feature, gain in ordered)


def _quality(each: ScoredDay, first: ScoredDay) -> DayQuality:
    scores = each.scores
    auc = curves.auc_bound(scores).value
    low, high = curves.auc_interval(auc, scores.clicks, scores.rows - scores.clicks)
    ctr, log_loss = scores.clicks / scores.rows, scores.loss / scores.rows
    lowest_ctr, highest_ctr = curves.wilson_interval(scores.clicks, scores.rows)
    mean_prediction = float(scores.predicted.sum()) / scores.rows
    return DayQuality(
        day=each.day,
        role=each.role,
        rows=scores.rows,
        clicks=scores.clicks,
        ctr=ctr,
        auc=auc,
        auc_low=low,
        auc_high=high,
        log_loss=log_loss,
        normalised_entropy=log_loss / binary_entropy(ctr),
        calibration=mean_prediction / ctr,
        calibration_low=mean_prediction / highest_ctr,
        calibration_high=mean_prediction / lowest_ctr,
        shift=None if each is first else curves.prediction_shift(first.scores, scores),
    )
