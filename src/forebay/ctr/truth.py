"""What the best possible model would score on generated click logs, kept beside them as `truth.json`.

The best model predicts each row's true probability. Its AUC and log loss against the clicks that were drawn are the
optimum; another model may pass them by luck only, within the noise of the draw. `truth.json` is written last: where
it is, the days are complete.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.files import read_json, write_json
from forebay.ctr.law import LawOptions
from forebay.ctr.metrics import auc_of_histograms, binary_entropy
from forebay.errors import DamagedError

TRUTH_FILE: Final = "truth.json"
_BINS_PER_LOGIT: Final = 8192
_LOGIT_LIMIT: Final = 16
_BINS: Final = 2 * _LOGIT_LIMIT * _BINS_PER_LOGIT
_FIXED_POINT: Final = float(1 << 40)  # integers add up the same in any order; floats do not


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthDay:
    """One generated day and its optimum. NaN-free: where a figure is undefined (one class only) it is None."""

    day: int
    file: str
    size_bytes: int
    rows: int
    clicks: int
    ctr: float
    """clicks / rows"""
    expected_ctr: float
    """mean true probability"""
    best_auc: float | None
    """AUC of the true probability, from bins of 1/8192 of logit: within 1e-5 of the exact figure"""
    best_log_loss: float
    best_normalised_entropy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The content of `truth.json`: what was asked for and what came out."""

    law_version: int
    options: LawOptions
    rows_per_day: int
    keep_probabilities: bool
    days: tuple[TruthDay, ...]

    def day(self, number: int) -> TruthDay | None:
        """The generated day with this number, if there is one."""
        return next((day for day in self.days if day.day == number), None)


class TruthTally:
    """Adds up one day's optimum from chunks of rows, in memory that does not grow with them."""

    def __init__(self) -> None:
        self._by_class = np.zeros((2, _BINS), np.int64)
        self._loss = 0
        self._probability = 0

    def add(self, label: NDArray[np.uint8], probability: NDArray[np.float64]) -> None:
        """One chunk: (n,) labels and true probabilities."""
        loss = -np.log(np.where(label == 1, probability, 1.0 - probability))
        self._loss += int(np.rint(loss * _FIXED_POINT).astype(np.int64).sum())
        self._probability += int(np.rint(probability * _FIXED_POINT).astype(np.int64).sum())
        logit = np.log(probability / (1.0 - probability))
        place = np.clip((logit + _LOGIT_LIMIT) * _BINS_PER_LOGIT, 0, _BINS - 1).astype(np.int64)
        for clicked in (0, 1):
            self._by_class[clicked] += np.bincount(place[label == clicked], minlength=_BINS)

    def day(self, number: int, file: str, size_bytes: int) -> TruthDay:
        """The optimum of everything added so far (at least one row)."""
        negatives, clicks = (int(count) for count in self._by_class.sum(axis=1))
        rows = negatives + clicks
        log_loss = self._loss / _FIXED_POINT / rows
        entropy = binary_entropy(clicks / rows)
        both = clicks > 0 and negatives > 0
        return TruthDay(
            day=number,
            file=file,
            size_bytes=size_bytes,
            rows=rows,
            clicks=clicks,
            ctr=clicks / rows,
            expected_ctr=self._probability / _FIXED_POINT / rows,
            best_auc=auc_of_histograms(self._by_class[1], self._by_class[0]) if both else None,
            best_log_loss=log_loss,
            best_normalised_entropy=log_loss / entropy if both else None,
        )


def write_truth(directory: Path, truth: Truth) -> None:
    """Write `truth.json` into `directory`."""
    write_json(directory / TRUTH_FILE, {"format": 1, **dataclasses.asdict(truth)})


def read_truth(directory: Path) -> Truth:
    """Read `truth.json`; NotFoundError where there is none, DamagedError where it is not what this version writes."""
    path = directory / TRUTH_FILE
    value = read_json(path, todo="only `forebay ctr generate` writes this file")
    try:
        days: Sequence[dict[str, Any]] = value["days"]
        return Truth(
            law_version=value["law_version"],
            options=LawOptions(**value["options"]),
            rows_per_day=value["rows_per_day"],
            keep_probabilities=value["keep_probabilities"],
            days=tuple(TruthDay(**day) for day in days),
        )
    except (KeyError, TypeError) as error:
        raise DamagedError("bad-truth", f"{path} lacks or has unknown fields: {error}") from error
