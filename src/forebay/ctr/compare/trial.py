"""What is tried and what came of it. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What a contender learns, and from what: within a family only the implementation differs."""

    REPORT_FOREST = "report-forest"
    """the report's algorithm: 10 trees of depth 10 on the 13 integers; forebay's has 16 bins, as the report's own"""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way from click logs to predictions. `rounds`: the efforts to try, growing, the last is the usual one; empty
    where there is nothing to choose. `needs`: packages beyond those of the `train` extra."""

    name: str
    what: str
    family: Family = Family.OTHER
    rounds: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def usual_rounds(self) -> int | None:
        return self.rounds[-1] if self.rounds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One contender on so many train rows; the rows to test on are the same for all."""

    contender: str
    rows: int
    rounds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of the whole process tree, measured from outside, from its start to its end."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """On the test rows; see `forebay.ctr.metrics`."""

    rows: int
    clicks: int
    auc: float
    log_loss: float
    normalised_entropy: float
    calibration: float
    calibration_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSeconds:
    """Wall seconds by the contender's own watch. `other`: the rest of its life: start, imports, cluster, measuring."""

    read: float
    features: float
    fit: float
    predict: float
    other: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A trial that came to its end."""

    trial: Trial
    cost: Cost
    seconds: StageSeconds
    quality: Quality


class Reason(StrEnum):
    """Why a trial has no figures."""

    OUT_OF_MEMORY = "out-of-memory"
    TOO_LONG = "too-long"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A trial without figures. `cost`: what it had taken when it ended."""

    trial: Trial
    cost: Cost
    reason: Reason
    error: str


Outcome = Done | Failed

_STAGES = {
    "read": "read",
    "parse": "read",
    "load": "read",
    "features": "features",
    "count": "features",
    "add up": "features",
    "encode": "features",
    "learn": "fit",
    "fit": "fit",
    "recover": "fit",
    "calibrate": "fit",
    "predict": "predict",
}


def stage_seconds(seconds: Mapping[str, float], wall_s: float) -> StageSeconds:
    """The four stages of all contenders, from the names that each has for its own; unknown ones belong to `other`."""
    told = dict.fromkeys(("read", "features", "fit", "predict"), 0.0)
    for name, taken in seconds.items():
        if name in _STAGES:
            told[_STAGES[name]] += taken
    return StageSeconds(**told, other=max(0.0, wall_s - sum(told.values())))
