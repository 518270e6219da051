"""What may be chosen about each model, and the presets. Light to import: no numpy, no XGBoost.

The same options, features, workers and threads give the same model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from forebay.ctr.schema import INTEGERS
from forebay.errors import InputError

_SEEDS: Final = 1 << 31


def _refuse(options: object, model: str, **wrong: bool) -> None:
    for name in (name for name, is_wrong in wrong.items() if is_wrong):
        raise InputError("bad-option", f"{name}={getattr(options, name)} is outside the range of {model}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingOptions:
    """Gradient boosting, in XGBoost's words.

    `early_stopping`: so many rounds without a smaller log loss on the validation day end it (0: never; nor without
    such a day). `checkpoint_every`: rounds between two checkpoints (0: none).
    """

    rounds: int = 500
    max_depth: int = 4
    learning_rate: float = 0.1
    column_share: float = 0.5
    max_bin: int = 256
    early_stopping: int = 20
    checkpoint_every: int = 25
    seed: int = 1

    def __post_init__(self) -> None:
        _refuse(
            self,
            "boosting",
            rounds=not 1 <= self.rounds <= 100_000,
            max_depth=not 1 <= self.max_depth <= 16,
            learning_rate=not 0.0 < self.learning_rate <= 1.0,
            column_share=not 0.0 < self.column_share <= 1.0,
            max_bin=not 2 <= self.max_bin <= 65_536,
            early_stopping=self.early_stopping < 0,
            checkpoint_every=self.checkpoint_every < 0,
            seed=not 0 <= self.seed < _SEEDS,
        )

    def parameters(self) -> dict[str, Any]:
        """For XGBoost, without threads and device."""
        return {
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "tree_method": "hist",
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "colsample_bytree": self.column_share,
            "max_bin": self.max_bin,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestOptions:
    """A random forest. `features`: its columns, None for all; `blank`: what stands for a blank, None for NaN.

    `max_bin`: bins per column. Each tree sees `row_share` of the rows and, per node, the square root of the columns.
    """

    trees: int = 100
    max_depth: int = 10
    max_bin: int = 64
    row_share: float = 0.632
    features: tuple[str, ...] | None = None
    blank: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        _refuse(
            self,
            "a forest",
            trees=not 1 <= self.trees <= 10_000,
            max_depth=not 1 <= self.max_depth <= 16,
            max_bin=not 2 <= self.max_bin <= 255,
            row_share=not 0.0 < self.row_share <= 1.0,
            seed=not 0 <= self.seed < _SEEDS,
        )


LEARNERS: Final = ("ftrl", "gaussian")
"""How logistic regression learns: by FTRL-Proximal, or with a Gaussian for each weight (see `gaussian`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticOptions:
    """Hashed logistic regression; each row is seen once.

    `learner`: one of LEARNERS; alpha, beta, l1 and l2 are those of FTRL-Proximal, in the paper's words (see `ftrl`).
    `bits`: 2^bits weights. `integer_bins`: bins per factor e. `cross_at_most`: fields with at most so many distinct
    values in the first part are crossed with each other (0: none).
    """

    learner: str = "ftrl"
    alpha: float = 0.05
    beta: float = 1.0
    l1: float = 0.0
    l2: float = 0.0
    bits: int = 22
    integer_bins: float = 2.0
    cross_at_most: int = 256
    seed: int = 1

    def __post_init__(self) -> None:
        _refuse(
            self,
            "logistic regression",
            learner=self.learner not in LEARNERS,
            alpha=not 0.0 < self.alpha <= 10.0,
            beta=not 0.0 < self.beta <= 1e6,
            l1=not 0.0 <= self.l1 <= 1e6,
            l2=not 0.0 <= self.l2 <= 1e6,
            bits=not 10 <= self.bits <= 30,
            integer_bins=not 0.1 <= self.integer_bins <= 100.0,
            cross_at_most=not 0 <= self.cross_at_most <= 65_536,
            seed=not 0 <= self.seed < _SEEDS,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridOptions:
    """Boosting with the logistic model's log-odds as one more feature."""

    boosting: BoostingOptions = field(default_factory=BoostingOptions)
    logistic: LogisticOptions = field(default_factory=lambda: LogisticOptions(learner="gaussian"))


Options = TypeVar("Options", BoostingOptions, LogisticOptions)
ModelOptions = BoostingOptions | ForestOptions | LogisticOptions | HybridOptions

OPTIONS: Final[Mapping[str, type[ModelOptions]]] = {
    "boosting": BoostingOptions,
    "forest": ForestOptions,
    "logistic": LogisticOptions,
    "hybrid": HybridOptions,
}
"""By the name of the model."""

TR4904: Final = ForestOptions(trees=10, max_depth=10, max_bin=16, features=INTEGERS, blank=0.0)
"""NetApp's report TR-4904: its forest, on the 13 integers with blanks as 0."""
PRESETS: Final[Mapping[str, ForestOptions]] = {"tr4904": TR4904}


def model_name(options: ModelOptions) -> str:
    """The name that `OPTIONS` has for such options."""
    return next(name for name, kind in OPTIONS.items() if type(options) is kind)


def options_of(model: str, values: Mapping[str, Any]) -> ModelOptions:
    """The inverse of `dataclasses.asdict`, also after JSON; KeyError and TypeError where it can't be."""
    if model == "hybrid":
        return HybridOptions(**{name: OPTIONS[name](**value) for name, value in values.items()})  # type: ignore[arg-type]
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return OPTIONS[model](**{**values, **lists})


def has_checkpoints(options: ModelOptions) -> bool:
    """Whether such a fit leaves checkpoints, and can go on from one."""
    return isinstance(options, BoostingOptions | HybridOptions)


def check_resume(options: ModelOptions) -> None:
    """InputError `option-of-another-model` where there is nothing to go on from, ever."""
    if not has_checkpoints(options):
        raise InputError(
            "option-of-another-model",
            f"--resume means nothing for --model {model_name(options)}, which has no checkpoints",
            todo="give the command without it: it begins anew",
        )


def choose(model: str | None, preset: str | None, given: Mapping[str, Any]) -> ModelOptions:
    """The options of a model or preset, with what is `given` (None: left as it is) in place of its defaults.

    InputError `option-of-another-model` where something given means nothing for it, `other-model` where the preset is
    of another model.
    """
    start = OPTIONS[model or "boosting"]() if preset is None else PRESETS[preset]
    if preset is not None and model not in (None, model_name(start)):
        raise InputError("other-model", f"--preset {preset} is a {model_name(start)}, not --model {model}")
    changed = {name: value for name, value in given.items() if value is not None}
    parts = (start.boosting, start.logistic) if isinstance(start, HybridOptions) else (start,)
    known = {each.name for part in parts for each in dataclasses.fields(part)}
    for name in (name for name in changed if name not in known):
        meant = ", ".join(_flag(each) for each in given if each in known)
        raise InputError(
            "option-of-another-model",
            f"{_flag(name)} means nothing for --model {model_name(start)}",
            todo=f"it has {meant}",
        )
    if isinstance(start, HybridOptions):
        return HybridOptions(boosting=_changed(start.boosting, changed), logistic=_changed(start.logistic, changed))
    return dataclasses.replace(start, **changed)


def _changed(options: Options, changed: Mapping[str, Any]) -> Options:
    names = {each.name for each in dataclasses.fields(options)} & set(changed)
    return dataclasses.replace(options, **{name: changed[name] for name in names})


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
