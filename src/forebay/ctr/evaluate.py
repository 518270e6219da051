"""A model's quality on the evaluation day, which neither encoder nor training has seen; on order with a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.feature_set import FeatureDay, read_feature_set
from forebay.ctr.metrics import Metrics, measure
from forebay.ctr.model import Model, load_model
from forebay.ctr.report.build import ScoredDay
from forebay.ctr.report.order import ReportOrder, TrainedModel, make_report, other_days
from forebay.ctr.report.training_report import DayRole
from forebay.ctr.score_histogram import ScoreHistogram
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.errors import InputError

Scored = tuple[NDArray[np.float64], NDArray[np.uint8]]
"""(n,) probabilities and (n,) labels of a part"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """Quality on one day. Stages in `seconds`: predict (with reading), measure (wall seconds)."""

    day: int
    metrics: Metrics
    features_digest: str
    seconds: Mapping[str, float]
    report: Path | None = None
    """the page, where one was ordered"""


def evaluate(
    features: Path, model: Path, *, report: ReportOrder | None = None, progress: Progress = no_progress
) -> EvaluationReport:
    """Predict the evaluation day of `features`, part by part, and measure.

    For a `report` the other days that the model was not trained on are predicted too, in memory that does not grow
    with their rows. InputError `features-mismatch` where the model was trained on other features: their encoder
    differs, so the numbers would mean nothing.
    """
    feature_set, stages = read_feature_set(features), Stages()
    loaded = load_model(model)
    if loaded.description.features_digest != feature_set.digest:
        raise InputError(
            "features-mismatch", f"{model} was not trained on the features in {features}", todo="train on them first"
        )
    day = feature_set.evaluation_day
    others = [] if report is None else list(other_days(feature_set, loaded.description.learnt_days))
    scorer = _Scorer(features, loaded, stages, progress, day.rows + sum(each.rows for _, each in others))
    predictions, labels = (np.concatenate(parts) for parts in zip(*scorer.parts(day), strict=True))
    with stages.stage("measure"):
        metrics = measure(labels, predictions)
    page = None
    if report is not None:
        scores = ScoreHistogram.of(labels, predictions)
        days = [ScoredDay(day=day.day, role=DayRole.TEST, scores=scores)]
        days += [ScoredDay(day=each.day, role=role, scores=scorer.counted(each)) for role, each in others]
        page = make_report(report, feature_set, _trained(loaded), metrics=metrics, days=days, seconds=stages.seconds)
    return EvaluationReport(
        day=day.day, metrics=metrics, features_digest=feature_set.digest, seconds=stages.seconds, report=page
    )


class _Scorer:
    """One model on some days of `features`, with `total` rows."""

    def __init__(self, features: Path, model: Model, stages: Stages, progress: Progress, total: int) -> None:
        self._features = features
        self._model = model
        self._stages = stages
        self._progress = progress
        self._total = total
        self._done = 0

    def parts(self, day: FeatureDay) -> Iterator[Scored]:
        """One part after the other."""
        for part in day.parts:
            with self._stages.stage("predict"):
                scored = self._model.predict_part(self._features / part.path)
            self._done += part.rows
            self._progress("predict", self._done, self._total)
            yield scored

    def counted(self, day: FeatureDay) -> ScoreHistogram:
        """A day's rows by score."""
        counts = (ScoreHistogram.of(labels, predictions) for predictions, labels in self.parts(day))
        return sum(counts, start=ScoreHistogram.empty())


def _trained(model: Model) -> TrainedModel:
    description = model.description
    place = {"workers": description.workers, "threads_per_worker": description.threads_per_worker}
    return TrainedModel(
        kind=description.model,
        train_days=description.train_days,
        train_rows=description.train_rows,
        importance=model.predictor.importance(),
        options=_flat(dataclasses.asdict(description.options)) | place | {"device": description.device},
        versions=description.versions,
    )


def _flat(options: Mapping[str, Any]) -> dict[str, object]:
    """Options of a part of the model are named `part.option`."""
    flat: dict[str, object] = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": each for inner, each in _flat(value).items()}
        else:
            flat[name] = value
    return flat
