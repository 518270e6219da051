"""A trained model on disk: `model.ubj` (XGBoost's own format) and `model.json` (what made it)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import xgboost

from forebay.ctr.files import new_directory, read_json, write_json
from forebay.errors import DamagedError, InputError

MODEL_FORMAT: Final = 1
_BOOSTER_FILE: Final = "model.ubj"
_JSON_FILE: Final = "model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingOptions:
    """Gradient boosting, in XGBoost's words. The same options, features, workers and threads give the same model."""

    rounds: int = 200
    max_depth: int = 4
    learning_rate: float = 0.1
    column_share: float = 0.5
    max_bin: int = 256
    seed: int = 1

    def __post_init__(self) -> None:
        wrong = {
            "rounds": not 1 <= self.rounds <= 100_000,
            "max_depth": not 1 <= self.max_depth <= 16,
            "learning_rate": not 0.0 < self.learning_rate <= 1.0,
            "column_share": not 0.0 < self.column_share <= 1.0,
            "max_bin": not 2 <= self.max_bin <= 65_536,
            "seed": not 0 <= self.seed < 1 << 31,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise InputError("bad-option", f"{name}={getattr(self, name)} is outside the range of boosting")

    def parameters(self) -> dict[str, Any]:
        """For XGBoost, without the number of threads."""
        return {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "colsample_bytree": self.column_share,
            "max_bin": self.max_bin,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """The content of `model.json`."""

    features: tuple[str, ...]
    """the model's inputs, in order"""
    features_digest: str
    """of the features directory it was trained on"""
    train_days: tuple[int, ...]
    train_rows: int
    options: BoostingOptions
    workers: int
    threads_per_worker: int
    versions: Mapping[str, str]


def save_model(booster: xgboost.Booster, description: ModelDescription, directory: Path) -> None:
    """Make `directory` (absent or empty) with both files."""
    with new_directory(directory) as building:
        booster.save_model(building / _BOOSTER_FILE)
        write_json(building / _JSON_FILE, {"format": MODEL_FORMAT, **dataclasses.asdict(description)})


def load_model(directory: Path) -> tuple[xgboost.Booster, ModelDescription]:
    """NotFoundError where there is no model; DamagedError where it cannot be read."""
    value = read_json(directory / _JSON_FILE, todo="make a model with `forebay ctr train`")
    try:
        if value.pop("format") != MODEL_FORMAT:
            raise DamagedError("unknown-format", f"{directory} was written by another version of forebay")
        options = BoostingOptions(**value.pop("options"))
        features, train_days = (tuple(value.pop(name)) for name in ("features", "train_days"))
        description = ModelDescription(options=options, features=features, train_days=train_days, **value)
    except (KeyError, TypeError) as error:
        raise DamagedError("bad-model", f"{directory / _JSON_FILE} lacks or has unknown fields: {error}") from error
    return _load_booster(directory / _BOOSTER_FILE), description


def _load_booster(path: Path) -> xgboost.Booster:
    try:
        return xgboost.Booster(model_file=path)
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise DamagedError("bad-model", f"{path} cannot be read", todo="train again") from error
