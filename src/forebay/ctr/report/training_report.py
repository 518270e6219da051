"""What a report on a trained model says: plain values, and `report.json`, which is read back as it was written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from forebay.ctr.curves import Bounded, CalibrationPoint, LiftPart, PrecisionPoint, RocPoint
from forebay.ctr.files import read_json
from forebay.ctr.metrics import Metrics
from forebay.errors import DamagedError

REPORT_JSON: Final = "report.json"
REPORT_FORMAT: Final = 1
DASK_HTML: Final = "dask.html"
"""Dask's own report of the training, beside the model and its report."""


class DayRole(StrEnum):
    """What a day that the model was not trained on is for."""

    VALIDATE = "validate"
    """before the test day: training may have stopped and been calibrated on it"""
    TEST = "test"
    """the figures of the report are of this one"""
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayQuality:
    """How good the same model is on one day."""

    day: int
    role: DayRole
    rows: int
    clicks: int
    ctr: float
    auc: float
    auc_low: float
    auc_high: float
    """95 %: what another draw of as many rows would give"""
    log_loss: float
    normalised_entropy: float
    calibration: float
    """mean prediction / CTR"""
    calibration_low: float
    calibration_high: float
    """95 %: by where the true CTR lies"""
    shift: float | None
    """population stability index of the predictions against the first day's, which has none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What a feature's splits gain on average, in XGBoost's units, and its share of the sum."""

    feature: str
    gain: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTime:
    """Wall seconds of a stage; `rows` is None where it works on none."""

    stage: str
    seconds: float
    rows: int | None
    rows_s: float | None
    """rows a second"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made the model and the report."""

    forebay: str
    """its version"""
    code: str
    """`git:<commit>`, `+changes` where files differ from it; empty outside of a repository"""
    command: str
    made_at: float
    """Unix seconds"""
    features: str
    features_digest: str
    parents: tuple[str, ...]
    """the versions that the features were made of"""
    train_days: tuple[int, ...]
    train_rows: int
    seeds: Mapping[str, int]
    options: Mapping[str, str]
    versions: Mapping[str, str]
    """of the environment"""
    dask_report: str = ""
    """the file beside the report that says what each worker did when; empty where there is none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """A model's quality on its test day and the days around, and what made it."""

    model: str
    """its kind"""
    day: int
    """the test day"""
    metrics: Metrics
    """exact, of the test day"""
    auc_low: float
    auc_high: float
    """95 %: what another draw of as many rows would give"""
    average_precision: Bounded
    roc: tuple[RocPoint, ...]
    precision_recall: tuple[PrecisionPoint, ...]
    lift: tuple[LiftPart, ...]
    calibration: tuple[CalibrationPoint, ...]
    importance: tuple[Importance, ...]
    """the largest first; empty for a model that has none"""
    days: tuple[DayQuality, ...]
    stages: tuple[StageTime, ...]
    provenance: Provenance


def report_json(report: TrainingReport) -> dict[str, Any]:
    """The content of `report.json`."""
    return {"format": REPORT_FORMAT, **dataclasses.asdict(report)}


def read_report(folder: Path) -> TrainingReport:
    """NotFoundError where `folder` holds no report; DamagedError where it is not what this version writes."""
    path = folder / REPORT_JSON
    value = read_json(path, todo="make one with `forebay ctr evaluate --report`")
    if value.pop("format", None) != REPORT_FORMAT:
        raise DamagedError("unknown-format", f"{path} was written by another version of forebay")
    try:
        return TypeAdapter(TrainingReport).validate_python(value)
    except ValidationError as error:
        raise DamagedError("bad-report", f"{path} lacks or has unknown fields: {error}") from error
