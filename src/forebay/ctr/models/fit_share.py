"""What each worker does of a fit of boosted trees, at the same time as the others. Runs on workers alone."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import xgboost
from distributed import get_worker

from forebay.ctr.gpu import required
from forebay.ctr.models.held_out import HeldOut
from forebay.ctr.models.matrix import Share
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.pages import Pages, Reading, no_room, paged
from forebay.ctr.models.protocol import Checkpoint
from forebay.ctr.models.stopping import is_over
from forebay.ctr.models.together import Seat, check_wanted, joined

_FULL_BYTES: Final = 64 << 20
"""Where a disk has less left when a fit breaks, that was why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all workers of a fit are told. `parameters`: XGBoost's; `last`: whence it goes on."""

    options: BoostingOptions
    parameters: Mapping[str, Any]
    reading: Reading
    patience: int
    topic: str
    last: Checkpoint | None


def fit_share(plan: Plan, share: Share, seat: Seat, given: Sequence[Sequence[Any]]) -> Checkpoint | None:
    """The outcome, from the first worker; None from the others. CapacityError `disk-too-little`."""
    folder = get_worker().local_directory
    # A nanny sets OMP_NUM_THREADS=1 in its worker. XGBoost obeys that whatever a booster's `nthread` is, unless this
    # configuration says otherwise. Joined before anything can fail: who never came would be waited for.
    with (
        xgboost.config_context(verbosity=0, nthread=plan.parameters["nthread"]),
        joined(seat),
        tempfile.TemporaryDirectory(prefix="forebay-bins-", dir=folder) as scratch,
    ):
        try:
            return _fitted(plan, share, given, Path(scratch))
        except Exception as error:
            # What XGBoost holds of its files must go before they do.
            traceback.clear_frames(error.__traceback__)
            full = shutil.disk_usage(scratch).free < _FULL_BYTES
            if full and isinstance(error, (xgboost.core.XGBoostError, OSError)):
                raise no_room(f"the disk of a worker's folder {folder} is full") from error
            raise


def _fitted(plan: Plan, share: Share, given: Sequence[Sequence[Any]], scratch: Path) -> Checkpoint | None:
    worker, options, last = get_worker(), plan.options, plan.last
    key = worker.get_current_task()

    def told(rows: int) -> None:
        check_wanted(key)
        if rows:
            worker.log_event(plan.topic, {"rows": rows})

    is_here = plan.parameters["device"] == "cpu"
    pages = Pages(
        share.train,
        plan.reading,
        given,
        cache=scratch / "train" if is_here else None,
        told=told,
        put=None if is_here else required("cupy", what="boosting with --device cuda").asarray,
    )
    train = paged(pages, max_bin=options.max_bin, threads=plan.parameters["nthread"])
    held_out = None
    if share.validation:
        held_out = HeldOut(share.validation, plan.reading, given, file=scratch / "validation", told=told)
    is_first = xgboost.collective.get_rank() == 0
    if is_first:
        worker.log_event(plan.topic, {"loaded": True})
    watch = _Watch(plan, held_out, key)
    booster = xgboost.train(
        dict(plan.parameters),
        train,
        num_boost_round=options.rounds - (last.rounds if last else 0),
        xgb_model=xgboost.Booster(model_file=bytearray(last.booster)) if last else None,
        callbacks=[watch],
        verbose_eval=False,
    )
    return _checkpoint(booster, watch.losses) if is_first else None


def _checkpoint(booster: xgboost.Booster, losses: tuple[float, ...]) -> Checkpoint:
    return Checkpoint(
        rounds=booster.num_boosted_rounds(), losses=losses, booster=bytes(booster.save_raw(raw_format="ubj"))
    )


class _Watch(xgboost.callback.TrainingCallback):
    """After each round: the loss of the rows held out, of all workers; the first one tells the client what is done."""

    def __init__(self, plan: Plan, held_out: HeldOut | None, key: Any) -> None:
        self.losses = plan.last.losses if plan.last else ()
        self._plan = plan
        self._held_out = held_out
        self._key = key

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        check_wanted(self._key)
        booster = cast(xgboost.Booster, model)
        if self._held_out is not None:
            mine = np.array(self._held_out.loss(booster), np.float64)
            loss, rows = xgboost.collective.allreduce(mine, xgboost.collective.Op.SUM)
            # Not numpy's floats, which no message may hold.
            self.losses = (*self.losses, float(loss) / float(rows))
        if xgboost.collective.get_rank() == 0:
            self._tell(booster)
        return is_over(self.losses, self._plan.patience)

    def _tell(self, booster: xgboost.Booster) -> None:
        rounds, every = booster.num_boosted_rounds(), self._plan.options.checkpoint_every
        is_checkpoint = every > 0 and rounds % every == 0
        kept = _checkpoint(booster, self.losses).booster if is_checkpoint else b""
        get_worker().log_event(self._plan.topic, {"rounds": rounds, "losses": list(self.losses), "booster": kept})
