"""Gradient boosting: XGBoost's histogram trees over Dask, stopped by the validation day, resumed from checkpoints."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import xgboost
from distributed import Future, Worker
from numpy.typing import NDArray

from forebay.ctr.engines.watch import CLOSE_LIMIT_S, bounded, no_workers, worker_addresses
from forebay.ctr.models.fit_share import Plan, fit_share
from forebay.ctr.models.margins import settled
from forebay.ctr.models.matrix import Columns, Piece, Reader, Share, dealt
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.pages import Disk, Reading, check_disks, disk_bytes
from forebay.ctr.models.protocol import Categories, Checkpoint, FitJob, Fitted
from forebay.ctr.models.recovery import surviving
from forebay.ctr.models.stopping import best_round, is_over
from forebay.ctr.models.together import first_of, in_turn, seats_of
from forebay.ctr.stages import counting
from forebay.errors import DamagedError, UnavailableError

BOOSTER_FILE: Final = "model.ubj"


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
    boosted = boost(job, options, Columns(columns=job.features.features))
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
    with in_turn(job.cluster.client, limit_s=job.left_s), closing(run):
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
        self._days = (*job.features.train_days, *filter(None, [job.features.validation_day]))
        self._futures: list[Future[Checkpoint | None]] = []
        self._hears: _Hears | None = None
        # Its own: a scheduler may have other fits, whose rounds and boosters are not this one's.
        self._topic = f"forebay-rounds-{uuid4()}"

    def attempt(self) -> Checkpoint:
        """Go on from the last checkpoint to the end; the same on every attempt, whichever workers are there."""
        last = self._job.checkpoints.last()
        if last is not None and (last.rounds >= self._options.rounds or is_over(last.losses, self._patience)):
            return last
        with self._job.stages.parted("load", "fit") as loaded:
            told_rows = counting(self._job.progress, "load", sum(day.rows for day in self._days))
            self._hears = _Hears(job=self._job, rounds=self._options.rounds, told_rows=told_rows, loaded=loaded)
            self._job.cluster.client.subscribe_topic(self._topic, self._told)  # type: ignore[no-untyped-call]
            self._begin(last)
            done = first_of(self._job.cluster.client, self._futures)
        if done is None:
            raise ValueError("the first worker of a fit has its outcome")
        return done

    def close(self) -> None:
        """Whatever came of it: nobody works at it any longer, and nobody is told of it."""
        self._hears = None
        client = self._job.cluster.client
        if client.status == "running" and self._futures:
            with suppress(OSError, TimeoutError, UnavailableError):
                bounded("to end a fit", lambda: client.cancel(self._futures, force=True), limit_s=CLOSE_LIMIT_S)  # type: ignore[no-untyped-call]

    @property
    def _patience(self) -> int:
        return 0 if self._job.features.validation_day is None else self._options.early_stopping

    def _begin(self, last: Checkpoint | None) -> None:
        client, options = self._job.cluster.client, self._options
        addresses = worker_addresses(client)
        if not addresses:
            raise no_workers(0.0)
        readers = [self._reader.of(client, day) for day in self._days]
        shares = dict(zip(addresses, dealt(*self._pieces(), workers=len(addresses)), strict=False))
        plan = Plan(
            options=options,
            parameters=options.parameters() | xgboost_place(self._job) | {"seed": _seed(options, last)},
            reading=Reading(
                columns=self._reader.columns,
                features=self._reader.features,
                reckons=tuple(reckon for reckon, _ in readers),
            ),
            patience=self._patience,
            topic=self._topic,
            last=last,
        )
        self._check_disks(shares)
        seats = seats_of(client, len(shares), limit_s=self._job.left_s)
        given = [given for _, given in readers]
        self._futures = [
            client.submit(fit_share, plan, share, seat, given, workers=[address], pure=False, retries=0)
            for (address, share), seat in zip(shares.items(), seats, strict=True)
        ]

    def _check_disks(self, shares: Mapping[str, Share]) -> None:
        features = len(self._reader.features)
        needed = {
            worker: disk_bytes(share.train_rows, share.validation_rows, features, self._options.max_bin)
            for worker, share in shares.items()
        }
        disks: dict[str, Disk] = self._job.cluster.client.run(own_disk, workers=list(shares))
        check_disks(needed, disks)

    def _pieces(self) -> tuple[list[Piece], list[Piece]]:
        pieces = [
            [
                Piece(path=path, rows=part.rows, day=place)
                for path, part in zip(self._job.paths(day), day.parts, strict=True)
            ]
            for place, day in enumerate(self._days)
        ]
        train = len(self._job.features.train_days)
        return [piece for day in pieces[:train] for piece in day], [piece for day in pieces[train:] for piece in day]

    def _told(self, event: tuple[float, dict[str, Any]]) -> None:
        hears = self._hears
        if hears is not None:
            hears.told(event[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hears:
    """What workers tell of an attempt: parts that one has read, and what the first one has done."""

    job: FitJob
    rounds: int
    told_rows: Callable[[int], None]
    loaded: Callable[[], None]

    def told(self, said: Mapping[str, Any]) -> None:
        """Runs in the client's own thread."""
        if "rows" in said:
            self.told_rows(said["rows"])
        elif "loaded" in said:
            self.loaded()
        else:
            self.job.progress("fit", said["rounds"], self.rounds)
            if said["booster"]:
                self.job.checkpoints.keep(
                    Checkpoint(rounds=said["rounds"], losses=tuple(said["losses"]), booster=said["booster"])
                )


def own_disk(dask_worker: Worker) -> Disk:
    """Runs on a worker; the parameter's name is Dask's."""
    folder = dask_worker.local_directory
    device = os.stat(folder).st_dev
    return Disk(where=(socket.gethostname(), device), folder=folder, free_bytes=shutil.disk_usage(folder).free)


def xgboost_place(job: FitJob) -> dict[str, Any]:
    """Where XGBoost computes."""
    return {"nthread": job.cluster.threads_per_worker, "device": str(job.cluster.device), "verbosity": 0}


def _seed(options: BoostingOptions, last: Checkpoint | None) -> int:
    """Who goes on draws other columns than the first rounds did."""
    return (options.seed + (last.rounds if last else 0)) % (1 << 31)
