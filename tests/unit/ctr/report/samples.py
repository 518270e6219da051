"""A report as training would make it, from clicks drawn with known probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.metrics import measure
from forebay.ctr.report.build import ScoredDay, build_report, stage_times
from forebay.ctr.report.training_report import DayRole, Provenance, TrainingReport
from forebay.ctr.score_histogram import ScoreHistogram

GAINS = {f"C{number}_rate": 900.0 / number**1.3 for number in range(1, 20)} | {
    f"I{number}": 60.0 / number for number in range(1, 14)
}


def scored(rows: int, *, seed: int, drift: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """(rows,) labels and predictions; `drift` is how far in logit predictions are off."""
    random = np.random.default_rng(seed)
    logit = random.normal(-4.0, 1.3, rows)
    clicked = random.random(rows) < 1 / (1 + np.exp(-logit))
    return clicked.astype(np.uint8), 1 / (1 + np.exp(-logit - random.normal(drift, 0.3 + drift, rows)))


def sample(
    *, rows: int = 20_000, later: int = 2, gains: dict[str, float] | None = None, features: str = "criteo-features@v3"
) -> TrainingReport:
    """Of a validation day, a test day and some later ones."""
    labels, predictions = scored(rows, seed=5)
    days = [
        ScoredDay(
            day=day,
            role=DayRole.VALIDATE if day == 4 else DayRole.TEST if day == 5 else DayRole.LATER,
            scores=ScoreHistogram.of(*scored(rows, seed=day, drift=0.1 * max(0, day - 5))),
        )
        for day in range(4, 6 + later)
    ]
    return build_report(
        model="boosting",
        metrics=measure(labels, predictions),
        days=days,
        importance=GAINS if gains is None else gains,
        stages=stage_times(
            {"cluster": 1.9, "load": 3.2, "fit": 41.73, "save": 0.04, "predict": 1.3, "measure": 0.5},
            {"load": 4 * rows, "fit": 4 * rows, "predict": rows, "measure": rows},
        ),
        provenance=Provenance(
            forebay="0.1.0",
            code="git:2f1d6c0b8f6e4b7a9c1d2e3f4a5b6c7d8e9f0a1b+changes",
            command=f"forebay ctr train {features} --out ./model --rounds 200",
            made_at=1_796_000_000.0,
            features=features,
            features_digest="9f2c" * 16,
            parents=("criteo@v7",),
            train_days=(0, 1, 2, 3),
            train_rows=4 * rows,
            seeds={"seed": 1},
            options={"rounds": "200", "max_depth": "4", "learning_rate": "0.1", "workers": "2"},
            versions={"python": "3.11.9", "numpy": "2.4.6", "xgboost": "3.2.0", "dask": "2026.7.1"},
        ),
    )
