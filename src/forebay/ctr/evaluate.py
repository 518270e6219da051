"""A model's quality on the evaluation day, which neither encoder nor training has seen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forebay.ctr.feature_set import read_feature_set, read_part
from forebay.ctr.metrics import Metrics, measure
from forebay.ctr.model import load_model
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """Quality on one day. Stages in `seconds`: predict (with reading), measure (wall seconds)."""

    day: int
    metrics: Metrics
    features_digest: str
    seconds: Mapping[str, float]


def evaluate(features: Path, model: Path, *, progress: Progress = no_progress) -> EvaluationReport:
    """Predict the evaluation day of `features`, part by part, and measure.

    InputError `features-mismatch` where the model was trained on other features: their encoder differs, so the numbers
    would mean nothing.
    """
    feature_set, stages = read_feature_set(features), Stages()
    booster, description = load_model(model)
    if description.features_digest != feature_set.digest:
        raise InputError(
            "features-mismatch", f"{model} was not trained on the features in {features}", todo="train on them first"
        )
    booster.set_param({"nthread": len(os.sched_getaffinity(0))})
    day = feature_set.evaluation_day
    predictions, labels = [], []
    with stages.stage("predict"):
        for part in day.parts:
            matrix, label = read_part(features / part.path, description.features)
            predictions.append(booster.inplace_predict(matrix))
            labels.append(label)
            progress("predict", sum(map(len, labels)), day.rows)
    with stages.stage("measure"):
        metrics = measure(np.concatenate(labels), np.concatenate(predictions))
    return EvaluationReport(day=day.day, metrics=metrics, features_digest=feature_set.digest, seconds=stages.seconds)
