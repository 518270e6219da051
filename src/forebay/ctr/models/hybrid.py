"""Boosting with a logistic model's log-odds as one more feature: the trees begin where the hashed weights end.

Invariant: a row's log-odds come from the days before its own, as its rates do, never from a model that has seen its
label. The first day has no past: its log-odds are out of fold, each half of its rows by what the other half taught,
priors and the choice of crosses too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from forebay.ctr.feature_set import FeatureDay, read_categories, read_part
from forebay.ctr.models.boosting import TreesPredictor, boost, load_booster
from forebay.ctr.models.logistic import Learner, LogisticPredictor, counted, load_logistic
from forebay.ctr.models.matrix import Reckon
from forebay.ctr.models.options import HybridOptions, LogisticOptions
from forebay.ctr.models.protocol import Categories, FitJob, Fitted
from forebay.ctr.models.tasks import copied
from forebay.ctr.schema import INTEGERS

LOGIT: Final = "logistic_logit"


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridPredictor:
    """Trees over the features and the log-odds, which come last."""

    logistic: LogisticPredictor
    trees: TreesPredictor

    @property
    def features(self) -> tuple[str, ...]:
        return self.trees.features[:-1]

    @property
    def needs_categories(self) -> bool:
        return True

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None) -> NDArray[np.float64]:
        if categories is None:
            raise ValueError("the hybrid needs the raw categories")
        places = [self.features.index(field) for field in INTEGERS]
        logit = self.logistic.logits(np.ascontiguousarray(matrix[:, places]), categories)
        return self.trees.predict(np.column_stack([matrix, logit.astype(np.float32)]), None)

    def importance(self) -> Mapping[str, float]:
        return self.trees.importance()

    def save(self, directory: Path) -> None:
        self.logistic.save(directory)
        self.trees.save(directory)


def load_hybrid(directory: Path) -> HybridPredictor:
    """What `save` wrote."""
    return HybridPredictor(logistic=load_logistic(directory), trees=TreesPredictor(booster=load_booster(directory)))


def fit(job: FitJob, options: HybridOptions) -> Fitted:
    """Learn the days one after the other, and boost over what was known before each."""
    features = job.features
    first, *later = (*features.train_days, *filter(None, [features.validation_day]))
    # The first day is learnt from twice: by halves, and whole.
    topic = counted(job, 2 * first.rows + sum(day.rows for day in later))
    with job.stages.stage("learn"):
        known = {first.day: taught_by_halves(job, options.logistic, first, topic)}
        learner = Learner(job, options.logistic, topic)
        learner.learn(first)
        before = learner.predictor()
        for day in later:
            before = learner.predictor()
            known[day.day] = (before,)
            learner.learn(day)
    reader = WithLogit(columns=features.features, known=known, limit_s=job.left_s)
    boosted = boost(job, options.boosting, reader)
    trees = TreesPredictor(booster=boosted.booster)
    return Fitted(
        predictor=HybridPredictor(logistic=learner.predictor(), trees=trees),
        on_validation=HybridPredictor(logistic=before, trees=trees),
        best_round=boosted.best_round,
        lost_workers=boosted.lost_workers,
    )


def taught_by_halves(
    job: FitJob, options: LogisticOptions, first: FeatureDay, topic: str
) -> tuple[LogisticPredictor, ...]:
    """A model for the rows of either parity of the first day, of whose labels it has seen none."""
    learners = [Learner(job, options, topic, rows=slice(other, None, 2)) for other in (1, 0)]
    for learner in learners:
        learner.learn(first)
    return tuple(learner.predictor() for learner in learners)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithLogit:
    """The columns and, last, the log-odds. `known`: per day the model from before it, or of its two halves.

    To send these to the workers may take `limit_s`.
    """

    columns: tuple[str, ...]
    known: Mapping[int, tuple[LogisticPredictor, ...]]
    limit_s: float

    @property
    def features(self) -> tuple[str, ...]:
        return (*self.columns, LOGIT)

    def of(self, client: Client, day: FeatureDay) -> tuple[Reckon, tuple[Any, ...]]:
        return logit_column, tuple(copied(client, model, limit_s=self.limit_s)[0] for model in self.known[day.day])


def logit_column(path: Path, *models: LogisticPredictor) -> NDArray[np.float32]:
    """(n, 1); runs on a worker. Of two models each is for the rows of its own parity."""
    integers, (categories, valid) = read_part(path, INTEGERS)[0], read_categories(path)
    logit = np.empty((len(integers), 1), np.float32)
    for first, each in enumerate(models):
        rows = slice(first, None, len(models))
        mine = np.ascontiguousarray(categories[:, rows]), np.ascontiguousarray(valid[:, rows])
        logit[rows, 0] = each.logits(np.ascontiguousarray(integers[rows]), mine)
    return logit
