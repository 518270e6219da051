"""Gradient boosting on the train days of a features directory, over Dask workers on this machine.

Never opens a file of the evaluation day. Parts are dealt to the workers by position, so that the same seed and the
same number of workers see the same rows in the same order.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import dask.array as da
import numpy as np
import xgboost
from dask.delayed import delayed
from distributed import Client, futures_of, get_worker, wait
from xgboost import dask as dxgb

from forebay.ctr.cluster import local_client, watched, worker_addresses
from forebay.ctr.feature_set import FeaturePart, FeatureSet, check_parts, read_feature_set, read_part
from forebay.ctr.model import BoostingOptions, ModelDescription, save_model
from forebay.ctr.stages import Progress, Stages, no_progress

TIME_LIMIT_S: Final = 3600.0
_TOPIC: Final = "forebay-rounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What was trained. Stages in `seconds`: cluster (start), load, fit, save (wall seconds)."""

    model: Path
    description: ModelDescription
    rows: int
    seconds: Mapping[str, float]


def train(
    features: Path,
    out: Path,
    *,
    options: BoostingOptions | None = None,
    workers: int = 1,
    threads_per_worker: int | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    progress: Progress = no_progress,
) -> TrainReport:
    """Train on all days of `features` but the last and write the model to `out`, which must not exist or be empty.

    One worker with all cores is the fastest on one machine; more workers share the cores. `progress("fit", rounds
    done, rounds)`. UnavailableError where a worker is lost or `time_limit_s` (of load and fit) is over.
    """
    feature_set, options, stages = read_feature_set(features), options or BoostingOptions(), Stages()
    threads = threads_per_worker or max(1, len(os.sched_getaffinity(0)) // workers)
    check_parts(feature_set, feature_set.train_days)
    with ExitStack() as stack:
        with stages.stage("cluster"):
            client = stack.enter_context(local_client(workers=workers, threads_per_worker=threads))
        job = _Job(client, feature_set, options, threads, stages, progress)
        booster = watched(client, job.run, limit_s=time_limit_s)
    description = ModelDescription(
        features=feature_set.features,
        features_digest=feature_set.digest,
        train_days=tuple(day.day for day in feature_set.train_days),
        train_rows=sum(day.rows for day in feature_set.train_days),
        options=options,
        workers=workers,
        threads_per_worker=threads,
        versions={name: version(name) for name in ("dask", "distributed", "numpy")} | {"xgboost": xgboost.__version__},
    )
    with stages.stage("save"):
        save_model(booster, description, out)
    return TrainReport(model=out, description=description, rows=description.train_rows, seconds=stages.seconds)


class _Job:
    """Load and fit on the workers of `client`."""

    def __init__(
        self,
        client: Client,
        features: FeatureSet,
        options: BoostingOptions,
        threads: int,
        stages: Stages,
        progress: Progress,
    ) -> None:
        self._client = client
        self._features = features
        self._options = options
        self._threads = threads
        self._stages = stages
        self._progress = progress

    def run(self) -> xgboost.Booster:
        with self._stages.stage("load"):
            matrix, labels = self._load()
        with self._stages.stage("fit"):
            return self._fit(matrix, labels)

    def _load(self) -> tuple[da.Array, da.Array]:
        """(rows, features) float32 and (rows,) uint8, one chunk a part, already in the workers' memory."""
        parts = [part for day in self._features.train_days for part in day.parts]
        addresses = itertools.cycle(worker_addresses(self._client))
        loaded = [self._load_part(part, address) for part, address in zip(parts, addresses, strict=False)]
        arrays = [array for pair in loaded for array in pair]
        wait(arrays)  # type: ignore[no-untyped-call]
        loaded_futures = futures_of(arrays)  # type: ignore[no-untyped-call]
        for failed in (future for future in loaded_futures if future.status == "error"):
            failed.result()  # raises what the worker raised
        matrices, labels = zip(*loaded, strict=True)
        return da.concatenate(matrices), da.concatenate(labels)  # type: ignore[no-untyped-call]

    def _load_part(self, part: FeaturePart, address: str) -> tuple[da.Array, da.Array]:
        names = self._features.features
        pair = delayed(read_part, nout=2, pure=False)(self._features.directory.resolve() / part.path, names)
        matrix = da.from_delayed(pair[0], (part.rows, len(names)), np.float32)  # type: ignore[no-untyped-call]
        label = da.from_delayed(pair[1], (part.rows,), np.uint8)  # type: ignore[no-untyped-call]
        kept: tuple[da.Array, da.Array] = self._client.persist((matrix, label), workers=[address])  # type: ignore[no-untyped-call]
        return kept

    def _fit(self, matrix: da.Array, labels: da.Array) -> xgboost.Booster:
        rounds = self._options.rounds
        self._client.subscribe_topic(_TOPIC, lambda event: self._progress("fit", event[1], rounds))  # type: ignore[no-untyped-call]
        data = dxgb.DaskQuantileDMatrix(
            self._client,
            matrix,
            labels,
            max_bin=self._options.max_bin,
            feature_names=list(self._features.features),
        )
        # Nannies set OMP_NUM_THREADS=1; without `nthread` XGBoost would obey that.
        parameters = self._options.parameters() | {"nthread": self._threads}
        trained = dxgb.train(self._client, parameters, data, num_boost_round=rounds, callbacks=[_TellRounds()])
        booster: xgboost.Booster = trained["booster"]
        return booster


class _TellRounds(xgboost.callback.TrainingCallback):
    """Runs on every worker; the first one tells the client how many rounds are done."""

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        if xgboost.collective.get_rank() == 0:
            get_worker().log_event(_TOPIC, epoch + 1)
        return False
