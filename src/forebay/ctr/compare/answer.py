"""What a contender says of itself when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from forebay.ctr.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Stages in `seconds` under its own names (wall seconds)."""

    train_rows: int
    seconds: Mapping[str, float]
    metrics: Metrics
