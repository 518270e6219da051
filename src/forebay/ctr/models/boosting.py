"""Gradient boosting: XGBoost's histogram trees over Dask, stopped by the validation day, resumed from checkpoints."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import numpy as np
import xgboost
from distributed import Future, get_worker
from numpy.typing import NDArray

from forebay.ctr.engines.watch import worker_addresses
from forebay.ctr.models.margins import settled
from forebay.ctr.models.matrix import Columns, Piece, Reader, Share, dealt
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.pages import Pages, Sight, bins_bytes, check_disk, paged
from forebay.ctr.models.protocol import Categories, Checkpoint, FitJob, Fitted
from forebay.ctr.models.recovery import surviving
from forebay.ctr.models.stopping import best_round, is_over
from forebay.ctr.models.together import Place, all_of, in_turn, is_wanted, joined, places
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
    with in_turn(job.cluster.client, limit_s=job.left_s):
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
        self._loaded: Callable[[], None] = lambda: None
        self._told_rows: Callable[[int], None] = lambda rows: None
        # Its own: a scheduler may have other fits, whose rounds and boosters are not this one's.
        self._topic = f"forebay-rounds-{uuid4()}"

    def attempt(self) -> Checkpoint:
        """Go on from the last checkpoint to the end; the same on every attempt, whichever workers are there."""
        last = self._job.checkpoints.last()
        if last is not None and (last.rounds >= self._options.rounds or is_over(last.losses, self._patience)):
            return last
        client = self._job.cluster.client
        self._told_rows = counting(self._job.progress, "load", sum(day.rows for day in self._days))
        client.subscribe_topic(self._topic, self._told)  # type: ignore[no-untyped-call]
        with self._job.stages.parted("load", "fit") as self._loaded:
            [first, *_] = all_of(self._begun(last))
        return cast(Checkpoint, first)

    @property
    def _patience(self) -> int:
        return 0 if self._job.features.validation_day is None else self._options.early_stopping

    def _begun(self, last: Checkpoint | None) -> list[Future[Checkpoint | None]]:
        client, options = self._job.cluster.client, self._options
        readers = [self._reader.of(client, day) for day in self._days]
        addresses = worker_addresses(client)
        shares = dealt(*self._pieces(), workers=len(addresses))
        plan = Plan(
            options=options,
            parameters=options.parameters() | xgboost_place(self._job) | {"seed": _seed(options, last)},
            sight=Sight(
                columns=tuple(self._reader.columns),
                features=tuple(self._reader.features),
                reckons=tuple(reckon for reckon, _ in readers),
            ),
            patience=self._patience,
            topic=self._topic,
            last=last,
        )
        given = [list(each) for _, each in readers]
        return [
            client.submit(
                fit_share,
                plan,
                share,
                place,
                given,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            for share, place, address in zip(
                shares, places(client, len(shares), limit_s=self._job.left_s), addresses, strict=False
            )
        ]

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
        """Runs in the client's own thread: for each part that a worker has read, and what the first one has done."""
        said = event[1]
        if "rows" in said:
            self._told_rows(said["rows"])
            return
        if "loaded" in said:
            self._loaded()
            return
        self._job.progress("fit", said["rounds"], self._options.rounds)
        if said["booster"]:
            self._job.checkpoints.keep(
                Checkpoint(rounds=said["rounds"], losses=tuple(said["losses"]), booster=said["booster"])
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all workers of a fit are told. `parameters`: XGBoost's; `last`: whence it goes on."""

    options: BoostingOptions
    parameters: Mapping[str, Any]
    sight: Sight
    patience: int
    topic: str
    last: Checkpoint | None


def fit_share(plan: Plan, share: Share, place: Place, given: Sequence[Sequence[Any]]) -> Checkpoint | None:
    """Runs on each worker at the same time: its share of the fit; the outcome from the first one.

    CapacityError `disk-too-little`.
    """
    worker, options, last = get_worker(), plan.options, plan.last
    on_disk = plan.parameters["device"] == "cpu"
    if on_disk:
        check_disk(Path(worker.local_directory), bins_bytes(share.rows, len(plan.sight.features)))

    def matrix(pieces: Sequence[Piece], name: str, reference: xgboost.DMatrix | None = None) -> xgboost.DMatrix:
        pages = Pages(
            pieces,
            plan.sight,
            [tuple(each) for each in given],
            cache=Path(scratch) / name if on_disk else None,
            told=lambda rows: worker.log_event(plan.topic, {"rows": rows}),
        )
        return paged(pages, max_bin=options.max_bin, threads=plan.parameters["nthread"], reference=reference)

    with (
        tempfile.TemporaryDirectory(prefix="forebay-bins-", dir=worker.local_directory) as scratch,
        xgboost.config_context(verbosity=0),
        joined(place),
    ):
        train = matrix(share.train, "train")
        evals = [(matrix(share.validation, _VALIDATION, train), _VALIDATION)] if share.validation else []
        is_first = xgboost.collective.get_rank() == 0
        if is_first:
            worker.log_event(plan.topic, {"loaded": True})
        done, losses = (last.rounds, last.losses) if last else (0, ())
        watch = _Watch(topic=plan.topic, losses=losses, patience=plan.patience, every=options.checkpoint_every)
        history: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            dict(plan.parameters),
            train,
            num_boost_round=options.rounds - done,
            evals=evals,
            evals_result=history,
            xgb_model=xgboost.Booster(model_file=bytearray(last.booster)) if last else None,
            callbacks=[watch],
            verbose_eval=False,
        )
        # Their files go before their folder.
        del train, evals
    losses = (*losses, *map(float, history.get(_VALIDATION, {}).get("logloss", [])))
    return _checkpoint(booster, losses) if is_first else None


def xgboost_place(job: FitJob) -> dict[str, Any]:
    """Where XGBoost computes. Nannies set OMP_NUM_THREADS=1; without `nthread` it would obey that."""
    return {"nthread": job.cluster.threads_per_worker, "device": str(job.cluster.device), "verbosity": 0}


def _seed(options: BoostingOptions, last: Checkpoint | None) -> int:
    """Who goes on draws other columns than the first rounds did."""
    return (options.seed + (last.rounds if last else 0)) % (1 << 31)


def _checkpoint(booster: xgboost.Booster, losses: tuple[float, ...]) -> Checkpoint:
    return Checkpoint(
        rounds=booster.num_boosted_rounds(), losses=losses, booster=bytes(booster.save_raw(raw_format="ubj"))
    )


class _Watch(xgboost.callback.TrainingCallback):
    """Runs on every worker; the first one tells the client what is done. Rounds of a fit that is given up end."""

    def __init__(self, *, topic: str, losses: tuple[float, ...], patience: int, every: int) -> None:
        self._key = get_worker().get_current_task()
        self._topic = topic
        self._losses = losses
        self._patience = patience
        self._every = every

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        if not is_wanted(self._key):
            raise RuntimeError("nobody waits for this fit any longer")
        booster = cast(xgboost.Booster, model)
        # Over several workers they are numpy's floats, which no message may hold.
        losses = (*self._losses, *map(float, evals_log.get(_VALIDATION, {}).get("logloss", [])))
        rounds = booster.num_boosted_rounds()
        is_checkpoint = self._every > 0 and rounds % self._every == 0
        if xgboost.collective.get_rank() == 0:
            kept = _checkpoint(booster, losses).booster if is_checkpoint else b""
            get_worker().log_event(self._topic, {"rounds": rounds, "losses": list(losses), "booster": kept})
        return is_over(losses, self._patience)
