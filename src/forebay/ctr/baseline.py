"""What one would do without forebay: pandas and scikit-learn's random forest on the 13 integers.

In the manner of NetApp's report TR-4904 (label and integers only, blanks as 0, 10 trees of depth 10), on the same rows:
trained on the train days, measured on the test day. `forebay.ctr.compare` runs it on one core, as the report did.
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
from forebay.ctr.split import default_split
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.ctr.stream import open_day
from forebay.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineReport:
    """Quality on the test day. Stages in `seconds`: read, fit, predict (wall seconds)."""

    train_rows: int
    day: int
    metrics: Metrics
    seconds: Mapping[str, float]


def baseline(source: Path, *, seed: int = 1, jobs: int | None = -1, progress: Progress = no_progress) -> BaselineReport:
    """Train and measure on the click logs in `source` (see `find_days`), split as `default_split` says.

    All rows are held in memory, as reported; a day to validate on is of no use here and is not read.

    `jobs` as scikit-learn means it: -1 is all cores, None, as in the report, one.
    InputError `bad-row` where pandas cannot read a file: the baseline has no way to leave out bad rows.
    """
    days = {day.number: day for day in find_days(source)}
    split = default_split(list(days))
    stages = Stages()
    with stages.stage("read"):
        train, evaluation = _read([days[day] for day in split.train]), _read([days[split.test]])
    progress("read", 1, 3)
    forest = RandomForestClassifier(max_depth=10, n_estimators=10, n_jobs=jobs, random_state=seed)
    with stages.stage("fit"):
        forest.fit(train[list(INTEGERS)], train[LABEL])
    progress("fit", 2, 3)
    with stages.stage("predict"):
        predictions = forest.predict_proba(evaluation[list(INTEGERS)])[:, 1]
    progress("predict", 3, 3)
    metrics = measure(evaluation[LABEL].to_numpy().astype("uint8"), predictions)
    return BaselineReport(train_rows=len(train), day=split.test, metrics=metrics, seconds=stages.seconds)


def _read(days: Sequence[Day]) -> pd.DataFrame:
    return pd.concat([_read_day(day) for day in days], ignore_index=True)


def _read_day(day: Day) -> pd.DataFrame:
    names = [LABEL, *INTEGERS]
    try:
        with open_day(day) as file:
            # A path is faster for pandas, which opens a plain file itself.
            whole = day.path if day.compression is None and day.end is None else file
            frame = pd.read_csv(whole, sep="\t", header=None, names=names, usecols=range(len(names)))
        return frame.fillna(0).astype("float64")
    except ValueError as error:
        raise InputError("bad-row", f"pandas cannot read {day.path}: {error}") from error
