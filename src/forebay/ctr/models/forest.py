"""A random forest: of `models.trees` on CPUs, by cuML on GPUs.

On CPUs each tree is a regression tree of the squared error on 0/1 labels: for these that criterion is Gini's, a leaf
is its share of clicks and the forest is their mean, so it is scikit-learn's RandomForestClassifier over binned values.
Each worker holds its parts as bin numbers and counts; the client adds up and splits. Kept as a model of XGBoost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from forebay.ctr.engines.watch import worker_addresses
from forebay.ctr.models.boosting import TreesPredictor, load_booster
from forebay.ctr.models.matrix import read_columns
from forebay.ctr.models.options import ForestOptions
from forebay.ctr.models.protocol import Categories, FitJob, Fitted
from forebay.ctr.models.recovery import surviving
from forebay.ctr.models.trees.bins import SAMPLE_ROWS, bins_of, cuts_of
from forebay.ctr.models.trees.booster import to_booster
from forebay.ctr.models.trees.growth import Ask, Shape, grow
from forebay.ctr.models.trees.rows import Part, Shard
from forebay.ctr.stages import Progress, counting, no_progress


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


def grown(
    ask: Ask, options: ForestOptions, features: Sequence[str], rows: int, progress: Progress = no_progress
) -> xgboost.Booster:
    """The forest of shards that hold `rows` rows of these features in all, and are asked by `ask`."""
    sample = np.concatenate(ask("sample", SAMPLE_ROWS / max(rows, 1), options.seed))
    cuts = cuts_of(sample, options.max_bin)
    shape = Shape(
        trees=options.trees,
        depth=options.max_depth,
        columns=len(features),
        looks=int(math.sqrt(len(features))),
        bins=bins_of(cuts),
        share=options.row_share,
        seed=options.seed,
    )
    ask("cut", cuts, shape.bins)
    trees = grow(ask, shape, lambda levels: progress("fit", levels, shape.trees * shape.depth))
    return to_booster(trees, cuts, features)


def fit(job: FitJob, options: ForestOptions) -> Fitted:
    """On all train rows."""
    if str(job.cluster.device) == "cuda":
        from forebay.ctr.models.forest_cuda import fit_cuda

        return fit_cuda(job, options)
    booster, lost = surviving(job, lambda: _attempt(job, options))
    predictor = ForestPredictor(trees=TreesPredictor(booster=booster), blank=options.blank)
    return Fitted(predictor=predictor, on_validation=predictor, lost_workers=lost)


def _attempt(job: FitJob, options: ForestOptions) -> xgboost.Booster:
    names, days, cluster = options.features or job.features.features, job.features.train_days, job.cluster
    paths = list(enumerate(path for day in days for path in job.paths(day)))
    rows = [part.rows for day in days for part in day.parts]
    workers = worker_addresses(cluster.client)[: len(paths)]
    with job.stages.stage("load"):
        futures = [
            cluster.client.submit(
                read_shard,
                paths[first :: len(workers)],
                names,
                options.blank,
                cluster.threads_per_worker,
                actor=True,
                workers=[address],
                pure=False,
            )
            for first, address in enumerate(workers)
        ]
        told = counting(job.progress, "load", sum(rows))
        shards = []
        for first, future in enumerate(futures):
            shards.append(future.result())
            told(sum(rows[first :: len(workers)]))

    def ask(method: str, *given: Any) -> list[Any]:
        return [answer.result() for answer in [getattr(shard, method)(*given) for shard in shards]]

    with job.stages.stage("fit"):
        return grown(ask, options, names, sum(rows), job.progress)


def read_shard(paths: Sequence[tuple[int, Path]], names: tuple[str, ...], blank: float | None, threads: int) -> Shard:
    """Runs on a worker, where the shard stays: Dask's actor."""
    read = ((number, read_columns(names, blank, path)) for number, path in paths)
    parts = [Part(number=number, matrix=matrix, label=label) for number, (matrix, label) in read]
    return Shard(parts, threads=threads)
