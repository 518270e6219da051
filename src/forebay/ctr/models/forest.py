"""A random forest, by XGBoost's histograms on CPUs and by cuML on GPUs.

On CPUs each tree is a regression tree of the squared error on 0/1 labels: for these that criterion is Gini's, a leaf
is its share of clicks and the forest is their mean, so it is scikit-learn's RandomForestClassifier over binned values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from xgboost import dask as dxgb

from forebay.ctr.models.boosting import TreesPredictor, load_booster, xgboost_place
from forebay.ctr.models.matrix import Columns, load
from forebay.ctr.models.options import ForestOptions
from forebay.ctr.models.protocol import Categories, FitJob, Fitted
from forebay.ctr.models.recovery import surviving


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestPredictor:
    """Blanks are filled as in training; XGBoost's float arithmetic may leave [0, 1] by a hair."""

    trees: TreesPredictor
    blank: float | None

    @property
    def features(self) -> tuple[str, ...]:
        return self.trees.features

    @property
    def needs_categories(self) -> bool:
        return False

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None) -> NDArray[np.float64]:
        filled = matrix if self.blank is None else np.nan_to_num(matrix, nan=self.blank)
        return np.clip(self.trees.predict(filled, None), 0.0, 1.0)

    def importance(self) -> Mapping[str, float]:
        return self.trees.importance()

    def save(self, directory: Path) -> None:
        self.trees.save(directory)


def load_forest(directory: Path, options: ForestOptions) -> ForestPredictor:
    """What `save` wrote, and the options that it was fitted with."""
    return ForestPredictor(trees=TreesPredictor(booster=load_booster(directory)), blank=options.blank)


def parameters(options: ForestOptions, columns: int, ctr: float) -> dict[str, Any]:
    """For XGBoost, without threads and device. `ctr` is where an empty leaf stands."""
    return {
        "objective": "reg:squarederror",
        "base_score": ctr,
        "tree_method": "hist",
        "num_parallel_tree": options.trees,
        "max_depth": options.max_depth,
        "max_bin": options.max_bin,
        "learning_rate": 1.0,
        "subsample": options.row_share,
        # Half a column more than the whole number: XGBoost cuts the product of two floats.
        "colsample_bynode": min(1.0, (int(math.sqrt(columns)) + 0.5) / columns),
        "reg_lambda": 0.0,
        "min_child_weight": 1.0,
        "seed": options.seed,
    }


def fit(job: FitJob, options: ForestOptions) -> Fitted:
    """All trees in one round."""
    if str(job.cluster.device) == "cuda":
        from forebay.ctr.models.forest_cuda import fit_cuda

        return fit_cuda(job, options)
    booster, lost = surviving(job, lambda: _attempt(job, options))
    predictor = ForestPredictor(trees=TreesPredictor(booster=booster), blank=options.blank)
    return Fitted(predictor=predictor, on_validation=predictor, lost_workers=lost)


def _attempt(job: FitJob, options: ForestOptions) -> xgboost.Booster:
    names, client, days = options.features or job.features.features, job.cluster.client, job.features.train_days
    with job.stages.stage("load"):
        arrays = load(client, job.features, days, Columns(features=names, blank=options.blank))
    with job.stages.stage("fit"):
        data = dxgb.DaskQuantileDMatrix(client, *arrays, max_bin=options.max_bin, feature_names=list(names))
        ctr = sum(day.clicks for day in days) / sum(day.rows for day in days)
        trained = dxgb.train(client, parameters(options, len(names), ctr) | xgboost_place(job), data, num_boost_round=1)
    job.progress("fit", 1, 1)
    booster: xgboost.Booster = trained["booster"]
    return booster
