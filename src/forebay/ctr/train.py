"""A model of the train days of a features directory, over Dask workers; calibrated on the validation day.

Never opens a file of the test day. The same options, features, workers and threads give the same model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xgboost

from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.sizes import check_fit, held_bytes, streamed_bytes
from forebay.ctr.engines.spec import Device, EngineSpec, Local
from forebay.ctr.feature_set import FeatureDay, FeatureSet, check_parts, read_feature_set
from forebay.ctr.files import check_absent
from forebay.ctr.metrics import auc, log_loss
from forebay.ctr.model import Model, ModelDescription, read_rows, save_model
from forebay.ctr.models import boosting, forest, hybrid, logistic
from forebay.ctr.models.advice import resumable
from forebay.ctr.models.calibration import Calibration, calibrate
from forebay.ctr.models.checkpoints import CheckpointFolder, InMemory
from forebay.ctr.models.options import (
    BoostingOptions,
    ForestOptions,
    HybridOptions,
    LogisticOptions,
    ModelOptions,
    check_resume,
    has_checkpoints,
    model_name,
)
from forebay.ctr.models.protocol import TIME_LIMIT_S, Checkpoints, FitJob, Fitted, Predictor
from forebay.ctr.stages import Progress, Stages, counting, no_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """How the model does on the validation day, before calibration. None where that day is of one class."""

    day: int
    rows: int
    auc: float | None
    log_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What was trained. Stages in `seconds`: cluster (start), load, learn, fit, recover, calibrate, save (wall).

    `rows_s`: train rows by the seconds of load, learn and fit. `lost_workers`: losses that the fit survived.
    """

    model: Path
    description: ModelDescription
    rows: int
    rows_s: float
    validation: Validation | None
    lost_workers: int
    seconds: Mapping[str, float]


def train(
    features: Path,
    out: Path,
    *,
    options: ModelOptions | None = None,
    workers: int = 1,
    threads_per_worker: int | None = None,
    cluster: Cluster | None = None,
    checkpoints: Path | None = None,
    resume: bool = False,
    time_limit_s: float = TIME_LIMIT_S,
    progress: Progress = no_progress,
) -> TrainReport:
    """Train on the train days of `features` and write the model to `out`, which must not exist or be empty.

    On `cluster`; where it is None on one of this machine, of `workers` that share the cores (one with all of them is
    the fastest). Boosting leaves its checkpoints in the folder `checkpoints` (None: in memory), and with `resume` goes
    on from what is there (InputError of a model that has none). UnavailableError where workers are lost too often or
    `time_limit_s` is over, CapacityError where they have too little memory; both say so where rounds are kept to go on
    from.
    """
    feature_set, options, stages = read_feature_set(features), options or BoostingOptions(), Stages()
    validation_day = feature_set.validation_day
    if resume:
        check_resume(options)
    check_absent(out)
    check_parts(feature_set, (*feature_set.train_days, *([validation_day] if validation_day else [])))
    with ExitStack() as stack:
        if cluster is None:
            here = EngineSpec(place=Local(), workers=workers, threads_per_worker=threads_per_worker)
            with stages.stage("cluster"):
                cluster = stack.enter_context(open_cluster(here))
        _check_memory(feature_set, options, cluster)
        job = FitJob(
            features=feature_set,
            cluster=cluster,
            stages=stages,
            checkpoints=_checkpoints(checkpoints, feature_set, options, resume=resume),
            progress=progress,
            time_limit_s=time_limit_s,
        )
        with resumable(job.checkpoints):
            fitted = _fit(job, options)
    with stages.stage("calibrate"):
        validation, calibration = _validate(feature_set, fitted.on_validation, progress)
    description = _description(job, options, fitted)
    with stages.stage("save"):
        save_model(Model(description=description, predictor=fitted.predictor, calibration=calibration), out)
    seconds = stages.seconds
    return TrainReport(
        model=out,
        description=description,
        rows=description.train_rows,
        rows_s=description.train_rows / max(1e-9, sum(seconds.get(stage, 0.0) for stage in ("load", "learn", "fit"))),
        validation=validation,
        lost_workers=fitted.lost_workers,
        seconds=seconds,
    )


def _check_memory(features: FeatureSet, options: ModelOptions, cluster: Cluster) -> None:
    """CapacityError before a fit that the workers can't hold; logistic regression holds one part a thread."""
    if isinstance(options, LogisticOptions):
        return
    days, columns, workers = features.train_days, len(features.features), cluster.workers
    if isinstance(options, ForestOptions):
        columns = len(options.features or features.features)
    else:
        days = (*days, *filter(None, [features.validation_day]))
    rows = sum(day.rows for day in days)
    if isinstance(options, ForestOptions) or cluster.device is Device.CUDA:
        needed = held_bytes(rows, columns)
    else:
        parts = [part.rows for day in days for part in day.parts]
        workers = min(workers, sum(len(day.parts) for day in features.train_days))
        needed = streamed_bytes(rows, columns, part_rows=max(parts), workers=workers)
    what = f"{rows:,} rows of {columns} features"
    check_fit(needed, what, workers=workers, memory_per_worker=cluster.memory_per_worker)


def _checkpoints(folder: Path | None, features: FeatureSet, options: ModelOptions, *, resume: bool) -> Checkpoints:
    if folder is None or not has_checkpoints(options):
        return InMemory()
    key = {"features": features.digest, "model": model_name(options), "options": dataclasses.asdict(options)}
    return CheckpointFolder(folder, key, resume=resume)


def _fit(job: FitJob, options: ModelOptions) -> Fitted:
    match options:
        case BoostingOptions():
            return boosting.fit(job, options)
        case ForestOptions():
            return forest.fit(job, options)
        case LogisticOptions():
            return logistic.fit(job, options)
        case HybridOptions():
            return hybrid.fit(job, options)


def _validate(
    features: FeatureSet, predictor: Predictor, progress: Progress
) -> tuple[Validation | None, Calibration | None]:
    """No calibration where there is no validation day, or one of one class."""
    day = features.validation_day
    if day is None:
        return None, None
    predictions, labels = _predictions(features, day, predictor, counting(progress, "calibrate", day.rows))
    both = 0 < day.clicks < day.rows
    validation = Validation(
        day=day.day,
        rows=day.rows,
        auc=auc(labels, predictions) if both else None,
        log_loss=log_loss(labels, predictions),
    )
    return validation, calibrate(labels, predictions) if both else None


def _predictions(
    features: FeatureSet, day: FeatureDay, predictor: Predictor, told: Callable[[int], None]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    predictions, labels = [], []
    for part in day.parts:
        matrix, label, categories = read_rows(predictor, features.directory / part.path)
        predictions.append(predictor.predict(matrix, categories))
        labels.append(label)
        told(part.rows)
    return np.concatenate(predictions), np.concatenate(labels)


def _description(job: FitJob, options: ModelOptions, fitted: Fitted) -> ModelDescription:
    features = job.features
    return ModelDescription(
        model=model_name(options),
        features=fitted.predictor.features,
        features_digest=features.digest,
        train_days=features.split.train,
        validation_day=features.split.validate,
        train_rows=sum(day.rows for day in features.train_days),
        best_round=fitted.best_round,
        options=options,
        workers=job.cluster.workers,
        threads_per_worker=job.cluster.threads_per_worker,
        device=str(job.cluster.device),
        versions={name: version(name) for name in ("dask", "distributed", "numpy")} | {"xgboost": xgboost.__version__},
    )
