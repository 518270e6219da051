"""What one would do without forebay: pandas and scikit-learn's random forest on the 13 integers.

In the manner of NetApp's report TR-4904 (label and integers only, blanks as 0, 10 trees of depth 10), on all cores,
on the same rows: trained on all days but the last, measured on the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from forebay.ctr.metrics import Metrics, measure
from forebay.ctr.schema import INTEGERS, LABEL
from forebay.ctr.source import Day, find_days
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineReport:
    """Quality on the last day. Stages in `seconds`: read, fit, predict (wall seconds)."""

    train_rows: int
    day: int
    metrics: Metrics
    seconds: Mapping[str, float]


def baseline(source: Path, *, seed: int = 1, progress: Progress = no_progress) -> BaselineReport:
    """Train and measure on the files `day_N` in `source`; all rows are held in memory, as the report does.

    InputError `bad-row` where pandas cannot read a file: the baseline has no way to leave out bad rows.
    """
    days = find_days(source)
    if len(days) < 2:
        raise InputError("too-few-days", f"{source} holds one day; the last of at least two is for evaluation")
    stages = Stages()
    with stages.stage("read"):
        train, evaluation = _read(days[:-1]), _read(days[-1:])
    progress("read", 1, 3)
    forest = RandomForestClassifier(max_depth=10, n_estimators=10, n_jobs=-1, random_state=seed)
    with stages.stage("fit"):
        forest.fit(train[list(INTEGERS)], train[LABEL])
    progress("fit", 2, 3)
    with stages.stage("predict"):
        predictions = forest.predict_proba(evaluation[list(INTEGERS)])[:, 1]
    progress("predict", 3, 3)
    metrics = measure(evaluation[LABEL].to_numpy().astype("uint8"), predictions)
    return BaselineReport(train_rows=len(train), day=days[-1].number, metrics=metrics, seconds=stages.seconds)


def _read(days: Sequence[Day]) -> pd.DataFrame:
    return pd.concat([_read_day(day) for day in days], ignore_index=True)


def _read_day(day: Day) -> pd.DataFrame:
    names = [LABEL, *INTEGERS]
    try:
        frame = pd.read_csv(day.path, sep="\t", header=None, names=names, usecols=range(len(names)))
        return frame.fillna(0).astype("float64")
    except ValueError as error:
        raise InputError("bad-row", f"pandas cannot read {day.path}: {error}") from error
