"""What every model takes and gives: a job to fit, a predictor to ask and to save."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.engines.cluster import Cluster
from forebay.ctr.feature_set import FeatureDay, FeatureSet
from forebay.ctr.stages import Progress, Stages, no_progress

TIME_LIMIT_S: Final = 3600.0

Categories = tuple[NDArray[np.uint32], NDArray[np.bool_]]
"""(26, n) raw categories and their validity, as `read_categories` gives them."""


class Predictor(Protocol):
    """A fitted model, before calibration."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of the matrix that `predict` takes, in order."""
        ...

    @property
    def needs_categories(self) -> bool: ...

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None) -> NDArray[np.float64]:
        """(n,) probabilities of a click for (n, features) rows."""
        ...

    def importance(self) -> Mapping[str, float]:
        """Feature to what its splits gain on average; empty for a model that has no splits, or does not tell."""
        ...

    def save(self, directory: Path) -> None:
        """Write the model's own files."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A fit so far: after `rounds`, with the validation log loss of each round, if there is a validation day."""

    rounds: int
    losses: tuple[float, ...]
    booster: bytes = field(repr=False)


class Checkpoints(Protocol):
    """Where boosting leaves and finds what it has done."""

    def last(self) -> Checkpoint | None: ...

    def keep(self, checkpoint: Checkpoint) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FitJob:
    """What a model is fitted from, and on. It is given up `time_limit_s` after `began_s` of the monotonic clock."""

    features: FeatureSet
    cluster: Cluster
    stages: Stages
    checkpoints: Checkpoints
    progress: Progress = no_progress
    time_limit_s: float = TIME_LIMIT_S
    began_s: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds until it is given up, all of its stages together; negative where they are over."""
        return self.began_s + self.time_limit_s - time.monotonic()

    def paths(self, day: FeatureDay) -> list[Path]:
        """The day's parts, in order."""
        return [self.features.directory.resolve() / part.path for part in day.parts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """`predictor` is for the test day and later, `on_validation` for the validation day: it has not seen that day."""

    predictor: Predictor
    on_validation: Predictor
    best_round: int | None = None
    lost_workers: int = 0
    """how often a worker was lost and the fit went on from its last checkpoint"""
