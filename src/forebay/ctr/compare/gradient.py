"""A peer: what a careful user of polars and LightGBM writes. No part of forebay is in their way.

No label of a later row, nor of a row itself, gets into a feature of it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import polars as pl
from lightgbm.callback import CallbackEnv, EarlyStopException
from numpy.typing import NDArray

from forebay.ctr.compare.answer import Answer
from forebay.ctr.compare.given import given
from forebay.ctr.metrics import measure
from forebay.ctr.schema import CATEGORIES, COLUMNS, INTEGERS, LABEL
from forebay.ctr.source import Day
from forebay.ctr.stages import Progress, Stages

PATIENCE: Final = 20
"""Rounds without a smaller loss on the validation rows, as forebay's own."""
LEAVES: Final = 63
_PRIOR_ROWS: Final = 20.0
"""A rate is of its rows and of so many with the mean rate."""
_FOLDS: Final = 5
_FOLD: Final = "fold"


def polars_lightgbm(
    folder: Path, *, rounds: int, seed: int, time_limit_s: float = math.inf, progress: Progress
) -> Answer:
    """LightGBM on 65 features: integers (blanks as they are), and of each category its target rate, and its count among
    the train rows. A train row's rate comes from the other folds, a later row's from all before its day. The validation
    rows, where there are some, end it early, and the first round after `time_limit_s` from here is the last."""
    deadline = time.monotonic() + time_limit_s
    stages, days = Stages(), given(folder)
    with stages.stage("read"):
        train, *later = (_read(each) for each in (days.train, *([day] for day in days.later)))
    progress("read", 1, 4)
    with stages.stage("features"):
        folds = np.random.default_rng(seed).integers(0, _FOLDS, train.height, np.uint8)
        before = [pl.concat([train, *later[:place]]) for place in range(len(later))]
        matrices = [_of_train(train, folds), *map(partial(_of_later, train), before, later)]
    progress("features", 2, 4)
    with stages.stage("fit"):
        labels = [_label(each) for each in (train, *later[:-1])]
        model = _fitted(matrices[:-1], labels, rounds=rounds, seed=seed, deadline=deadline)
    progress("fit", 3, 4)
    with stages.stage("predict"):
        predictions = np.asarray(model.predict(matrices[-1]), np.float64)
    progress("predict", 4, 4)
    return Answer(train_rows=train.height, seconds=stages.seconds, metrics=measure(_label(later[-1]), predictions))


def _fitted(
    matrices: Sequence[NDArray[np.float32]],
    labels: Sequence[NDArray[np.uint8]],
    *,
    rounds: int,
    seed: int,
    deadline: float,
) -> lightgbm.Booster:
    """The first are train rows, the second, if there are such, validation rows."""
    train = lightgbm.Dataset(matrices[0], labels[0], params={"verbosity": -1})
    later = [train.create_valid(*each) for each in zip(matrices[1:], labels[1:], strict=True)]
    settings: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "learning_rate": 0.1,
        "feature_fraction": 0.5,
        "num_threads": len(os.sched_getaffinity(0)),
        "seed": seed,
        "deterministic": True,
        "verbosity": -1,
    }
    stop: list[Callable[..., Any]] = [partial(_stop_after, deadline)]
    stop += [lightgbm.early_stopping(PATIENCE, verbose=False)] if later else []
    return lightgbm.train(settings, train, num_boost_round=rounds, valid_sets=later, callbacks=stop)


def _stop_after(deadline: float, state: CallbackEnv) -> None:
    if time.monotonic() > deadline:
        raise EarlyStopException(state.iteration, state.evaluation_result_list or [])


def _read(days: Sequence[Day]) -> pl.DataFrame:
    types = {LABEL: pl.UInt8, **dict.fromkeys(INTEGERS, pl.Float32), **dict.fromkeys(CATEGORIES, pl.String)}
    logs = [
        pl.scan_csv(day.path, separator="\t", has_header=False, new_columns=list(COLUMNS), schema=types) for day in days
    ]
    hashes = [pl.col(field).str.to_integer(base=16, dtype=pl.UInt32) for field in CATEGORIES]
    return pl.concat(logs).with_columns(hashes).collect()


def _label(rows: pl.DataFrame) -> NDArray[np.uint8]:
    return rows[LABEL].to_numpy()


def _of_train(train: pl.DataFrame, folds: NDArray[np.uint8]) -> NDArray[np.float32]:
    mean = _mean(train)
    shown = [pl.col(field) for field in INTEGERS]
    for field in CATEGORIES:
        rows, clicks = (pl.len().over(field), pl.col(LABEL).cast(pl.Int64).sum().over(field))
        own_rows, own_clicks = (
            pl.len().over(field, _FOLD),
            pl.col(LABEL).cast(pl.Int64).sum().over(field, _FOLD),
        )
        others = rows.cast(pl.Int64) - own_rows.cast(pl.Int64)
        shown += [_rate(clicks - own_clicks, others, mean).alias(f"{field}-rate"), rows.alias(f"{field}-count")]
    return _matrix(train.with_columns(pl.Series(_FOLD, folds)).select(shown))


def _of_later(train: pl.DataFrame, before: pl.DataFrame, rows: pl.DataFrame) -> NDArray[np.float32]:
    """Rates from all `before`, as in deployment and as forebay's own; counts, which must not grow with the days, from
    `train`."""
    mean = _mean(before)
    shown = [rows.select(INTEGERS)]
    for field in CATEGORIES:
        rates = before.group_by(field).agg(_rate(pl.col(LABEL).cast(pl.Int64).sum(), pl.len(), mean).alias("rate"))
        found = rows.select(field)
        for known in (rates, train.group_by(field).agg(pl.len().alias("count"))):
            found = found.join(known, on=field, how="left", nulls_equal=True, maintain_order="left")
        shown.append(
            found.select(
                pl.col("rate").fill_null(mean).alias(f"{field}-rate"),
                pl.col("count").fill_null(0).alias(f"{field}-count"),
            )
        )
    return _matrix(pl.concat(shown, how="horizontal"))


def _mean(train: pl.DataFrame) -> float:
    return float(_label(train).mean())


def _rate(clicks: pl.Expr, rows: pl.Expr, mean: float) -> pl.Expr:
    return (clicks + mean * _PRIOR_ROWS) / (rows + _PRIOR_ROWS)


def _matrix(frame: pl.DataFrame) -> NDArray[np.float32]:
    """(n, features), blanks as NaN."""
    return frame.cast(pl.Float32).fill_null(float("nan")).to_numpy(order="c")
