"""Gradient boosting: XGBoost's histogram trees over Dask, stopped by the validation day, resumed from checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import dask.array as da
import numpy as np
import xgboost
from distributed import get_worker
from numpy.typing import NDArray
from xgboost import dask as dxgb

from forebay.ctr.models.margins import settled
from forebay.ctr.models.matrix import Columns, Reader, load
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.protocol import Categories, Checkpoint, FitJob, Fitted
from forebay.ctr.models.recovery import surviving
from forebay.ctr.models.stopping import best_round, is_over
from forebay.ctr.stages import counting
from forebay.errors import DamagedError

BOOSTER_FILE: Final = "model.ubj"
_VALIDATION: Final = "validation"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesPredictor:
    """Any booster of XGBoost that gives probabilities."""

    booster: xgboost.Booster

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(self.booster.feature_names or ())

    @property
    def needs_categories(self) -> bool:
        return False

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None) -> NDArray[np.float64]:
        predicted: NDArray[np.float64] = self.booster.inplace_predict(matrix).astype(np.float64)
        return predicted

    def importance(self) -> Mapping[str, float]:
        gains = self.booster.get_score(importance_type="gain")
        return {feature: gain for feature, gain in gains.items() if isinstance(gain, float)}

    def save(self, directory: Path) -> None:
        self.booster.save_model(directory / BOOSTER_FILE)


def load_booster(directory: Path) -> xgboost.Booster:
    """Set to use all cores of this process."""
    path = directory / BOOSTER_FILE
    try:
        booster = xgboost.Booster(model_file=path)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise DamagedError("bad-model", f"{path} cannot be read", todo="train again") from error
    booster.set_param({"nthread": len(os.sched_getaffinity(0))})
    return booster


def fit(job: FitJob, options: BoostingOptions) -> Fitted:
    """On all columns of the features."""
    boosted = boost(job, options, Columns(features=job.features.features))
    predictor = TreesPredictor(booster=boosted.booster)
    return Fitted(
        predictor=predictor,
        on_validation=predictor,
        best_round=boosted.best_round,
        lost_workers=boosted.lost_workers,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted:
    """The rounds up to the best one, and how often a worker was lost."""

    booster: xgboost.Booster
    best_round: int
    lost_workers: int


def boost(job: FitJob, options: BoostingOptions, reader: Reader) -> Boosted:
    """Fit what `reader` gives of the train days; without early stopping or a validation day the last is best.

    At last its cuts are put midway between the values that they part (`margins`).
    """
    run = _Run(job, options, reader)
    last, lost = surviving(job, run.attempt)
    best = best_round(last.losses) if last.losses and options.early_stopping else last.rounds
    booster = xgboost.Booster(model_file=bytearray(last.booster))
    booster.feature_names = list(reader.features)
    moved, lost_after = surviving(job, lambda: settled(job, booster[:best], reader))
    return Boosted(booster=moved, best_round=best, lost_workers=lost + lost_after)


class _Run:
    def __init__(self, job: FitJob, options: BoostingOptions, reader: Reader) -> None:
        self._job = job
        self._options = options
        self._reader = reader
        # Its own: a scheduler may have other fits, whose rounds and boosters are not this one's.
        self._topic = f"forebay-rounds-{uuid4()}"

    def attempt(self) -> Checkpoint:
        """Go on from the last checkpoint to the end; the same on every attempt, whichever workers are there."""
        last = self._job.checkpoints.last()
        if last is not None and (last.rounds >= self._options.rounds or is_over(last.losses, self._patience)):
            return last
        features = self._job.features
        kinds = [features.train_days, *([(features.validation_day,)] if features.validation_day else [])]
        told = counting(self._job.progress, "load", sum(day.rows for days in kinds for day in days))
        with self._job.stages.stage("load"):
            arrays = [load(self._job.cluster.client, features, days, self._reader, told) for days in kinds]
        with self._job.stages.stage("fit"):
            return self._fit(arrays, last)

    @property
    def _patience(self) -> int:
        return 0 if self._job.features.validation_day is None else self._options.early_stopping

    def _fit(self, arrays: list[tuple[da.Array, da.Array]], last: Checkpoint | None) -> Checkpoint:
        client, options = self._job.cluster.client, self._options
        client.subscribe_topic(self._topic, self._told)  # type: ignore[no-untyped-call]
        shape = {"max_bin": options.max_bin, "feature_names": list(self._reader.features)}
        data = dxgb.DaskQuantileDMatrix(client, *arrays[0], **shape)
        evals = [(dxgb.DaskQuantileDMatrix(client, *each, ref=data, **shape), _VALIDATION) for each in arrays[1:]]
        done, losses = (last.rounds, last.losses) if last else (0, ())
        watch = _Watch(topic=self._topic, losses=losses, patience=self._patience, every=options.checkpoint_every)
        trained = dxgb.train(
            client,
            options.parameters() | xgboost_place(self._job) | {"seed": seed_after(options.seed, done)},
            data,
            num_boost_round=options.rounds - done,
            evals=evals,
            xgb_model=xgboost.Booster(model_file=bytearray(last.booster)) if last else None,
            callbacks=[watch],
            verbose_eval=False,
        )
        history = trained["history"].get(_VALIDATION, {}).get("logloss", [])
        return _checkpoint(trained["booster"], (*losses, *map(float, history)))

    def _told(self, event: tuple[float, dict[str, Any]]) -> None:
        """Runs in the client's own thread, for each round of the first worker."""
        said = event[1]
        self._job.progress("fit", said["rounds"], self._options.rounds)
        if said["booster"]:
            self._job.checkpoints.keep(
                Checkpoint(rounds=said["rounds"], losses=tuple(said["losses"]), booster=said["booster"])
            )


def xgboost_place(job: FitJob) -> dict[str, Any]:
    """Where XGBoost computes. Nannies set OMP_NUM_THREADS=1; without `nthread` it would obey that."""
    return {"nthread": job.cluster.threads_per_worker, "device": str(job.cluster.device), "verbosity": 0}


def seed_after(seed: int, rounds: int) -> int:
    """Who goes on after `rounds` draws other columns than the first rounds did."""
    return (seed + rounds) % (1 << 31)


def _checkpoint(booster: xgboost.Booster, losses: tuple[float, ...]) -> Checkpoint:
    return Checkpoint(
        rounds=booster.num_boosted_rounds(), losses=losses, booster=bytes(booster.save_raw(raw_format="ubj"))
    )


class _Watch(xgboost.callback.TrainingCallback):
    """Runs on every worker; the first one tells the client what is done."""

    def __init__(self, *, topic: str, losses: tuple[float, ...], patience: int, every: int) -> None:
        self._topic = topic
        self._losses = losses
        self._patience = patience
        self._every = every

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        booster = cast(xgboost.Booster, model)
        # Over several workers they are numpy's floats, which no message may hold.
        losses = (*self._losses, *map(float, evals_log.get(_VALIDATION, {}).get("logloss", [])))
        rounds = booster.num_boosted_rounds()
        is_checkpoint = self._every > 0 and rounds % self._every == 0
        if xgboost.collective.get_rank() == 0:
            kept = _checkpoint(booster, losses).booster if is_checkpoint else b""
            get_worker().log_event(self._topic, {"rounds": rounds, "losses": list(losses), "booster": kept})
        return is_over(losses, self._patience)
