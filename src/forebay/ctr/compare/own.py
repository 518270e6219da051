"""Forebay's own contenders, on plain paths, as a user runs them: `prepare`, `train`, `evaluate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from forebay.ctr.compare.answer import Answer
from forebay.ctr.evaluate import evaluate
from forebay.ctr.models.options import choose
from forebay.ctr.prepare import prepare
from forebay.ctr.stages import Progress
from forebay.ctr.train import train

_PRESETS: Final[Mapping[str, str]] = {"forest": "tr4904"}


def run_forebay(
    model: str, folder: Path, scratch: Path, *, rounds: int | None, seed: int, progress: Progress
) -> Answer:
    """From the days in `folder` to the quality of `model` on the last one. Who watches the trial ends it in time."""
    options = choose(model, _PRESETS.get(model), {"rounds": rounds, "seed": seed})
    prepared = prepare(folder, scratch / "features", progress=progress)
    trained = train(scratch / "features", scratch / "model", options=options, time_limit_s=math.inf, progress=progress)
    evaluated = evaluate(scratch / "features", scratch / "model", progress=progress)
    return Answer(
        train_rows=trained.rows,
        seconds={**prepared.seconds, **trained.seconds, **evaluated.seconds},
        metrics=evaluated.metrics,
    )
