"""A trained model on disk: `model.json` (what made it), the model's own files, and `calibration.json` if it has one.

Whoever predicts, evaluation or a server, asks the same `Model`; what is in the folder decides how it computes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.feature_set import read_categories, read_part
from forebay.ctr.files import new_directory, read_json, write_json
from forebay.ctr.models import calibration as calibrations
from forebay.ctr.models.boosting import TreesPredictor, load_booster
from forebay.ctr.models.calibration import Calibration
from forebay.ctr.models.forest import load_forest
from forebay.ctr.models.forest_cuda import FOREST_GLOB, load_cuda_forest
from forebay.ctr.models.hybrid import load_hybrid
from forebay.ctr.models.logistic import load_logistic
from forebay.ctr.models.options import (
    BoostingOptions,
    ForestOptions,
    HybridOptions,
    LogisticOptions,
    ModelOptions,
    options_of,
)
from forebay.ctr.models.protocol import Categories, Predictor
from forebay.errors import DamagedError

MODEL_FORMAT: Final = 2
_JSON_FILE: Final = "model.json"
_CALIBRATION_FILE: Final = "calibration.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """The content of `model.json`."""

    model: str
    """a name in `OPTIONS`"""
    features: tuple[str, ...]
    """the columns that it takes, in order"""
    features_digest: str
    """of the features directory it was trained on"""
    train_days: tuple[int, ...]
    validation_day: int | None
    train_rows: int
    best_round: int | None
    """of boosting"""
    options: ModelOptions
    workers: int
    threads_per_worker: int
    device: str
    versions: Mapping[str, str]

    @property
    def learnt_days(self) -> tuple[int, ...]:
        """Those whose labels the predictor has seen, so that its quality on them says nothing.

        The log-odds of a hybrid are, in use, of all days before: of the validation day, too.
        """
        if self.validation_day is None or not isinstance(self.options, HybridOptions):
            return self.train_days
        return (*self.train_days, self.validation_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A predictor, calibrated where there was a day for it."""

    description: ModelDescription
    predictor: Predictor
    calibration: Calibration | None

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None = None) -> NDArray[np.float64]:
        """(n,) probabilities of a click for (n, features) rows; `categories` where the predictor needs them."""
        predictions = self.predictor.predict(matrix, categories)
        return predictions if self.calibration is None else self.calibration.apply(predictions)

    def predict_part(self, path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """(n,) probabilities and (n,) labels of one part of a features directory."""
        matrix, label, categories = read_rows(self.predictor, path)
        return self.predict(matrix, categories), label


def read_rows(predictor: Predictor, path: Path) -> tuple[NDArray[np.float32], NDArray[np.uint8], Categories | None]:
    """What the predictor takes of a part, and the labels; it reads no other column."""
    matrix, label = read_part(path, predictor.features)
    return matrix, label, read_categories(path) if predictor.needs_categories else None


def save_model(model: Model, directory: Path) -> None:
    """Make `directory` (absent or empty) with all files."""
    with new_directory(directory) as building:
        model.predictor.save(building)
        if model.calibration is not None:
            write_json(building / _CALIBRATION_FILE, calibrations.to_json(model.calibration))
        write_json(building / _JSON_FILE, {"format": MODEL_FORMAT, **dataclasses.asdict(model.description)})


def load_model(directory: Path) -> Model:
    """NotFoundError where there is no model; DamagedError where it cannot be read."""
    value = read_json(directory / _JSON_FILE, todo="make a model with `forebay ctr train`")
    try:
        if value.pop("format") != MODEL_FORMAT:
            raise DamagedError(
                "unknown-format", f"{directory} was written by another version of forebay", todo="train again"
            )
        options = options_of(value["model"], value.pop("options"))
        features, train_days = (tuple(value.pop(name)) for name in ("features", "train_days"))
        description = ModelDescription(options=options, features=features, train_days=train_days, **value)
    except (KeyError, TypeError) as error:
        raise DamagedError("bad-model", f"{directory / _JSON_FILE} lacks or has unknown fields: {error}") from error
    return Model(
        description=description,
        predictor=_load_predictor(directory, description),
        calibration=_load_calibration(directory / _CALIBRATION_FILE),
    )


def _load_predictor(directory: Path, description: ModelDescription) -> Predictor:
    match description.options:
        case BoostingOptions():
            return TreesPredictor(booster=load_booster(directory))
        case ForestOptions() as options if any(directory.glob(FOREST_GLOB)):
            return load_cuda_forest(directory, description.features, options)
        case ForestOptions() as options:
            return load_forest(directory, options)
        case LogisticOptions():
            return load_logistic(directory)
        case _:
            return load_hybrid(directory)


def _load_calibration(path: Path) -> Calibration | None:
    if not path.is_file():
        return None
    try:
        return calibrations.from_json(read_json(path, todo="train again"))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError("bad-model", f"{path} is no calibration: {error}", todo="train again") from error
