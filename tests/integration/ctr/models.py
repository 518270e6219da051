"""Every model with options for small days, and the AUC that it reaches at least on a law of CTR 10 %."""

from __future__ import annotations

from typing import Final

from forebay.ctr.models.options import (
    TR4904,
    BoostingOptions,
    ForestOptions,
    HybridOptions,
    LogisticOptions,
    ModelOptions,
)

BOOSTING: Final = BoostingOptions(rounds=25, max_depth=3, checkpoint_every=10, early_stopping=0, max_bin=32)
LOGISTIC: Final = LogisticOptions(bits=16, cross_at_most=10)
GAUSSIAN: Final = LogisticOptions(bits=18, cross_at_most=64, learner="gaussian")
MODELS: Final[dict[str, tuple[ModelOptions, float]]] = {
    "boosting": (BOOSTING, 0.62),
    "tr4904": (TR4904, 0.58),
    "forest": (ForestOptions(trees=20), 0.62),
    "logistic": (LOGISTIC, 0.62),
    "hybrid": (HybridOptions(boosting=BOOSTING, logistic=LOGISTIC), 0.62),
}
BELIEVING: Final[dict[str, tuple[ModelOptions, float]]] = {
    "hybrid-gaussian": (HybridOptions(boosting=BOOSTING, logistic=GAUSSIAN), 0.62),
}
"""The hybrid's default learner."""
