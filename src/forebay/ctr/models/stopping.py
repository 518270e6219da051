"""When boosting has learnt enough: pure, of the validation losses so far."""

from __future__ import annotations

from collections.abc import Sequence


def best_round(losses: Sequence[float]) -> int:
    """The round (from 1) after which the loss was smallest, the first of equals."""
    return min(range(len(losses)), key=lambda place: losses[place]) + 1


def is_over(losses: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` rounds brought nothing better; never for a patience of 0."""
    return patience > 0 and len(losses) - best_round(losses) >= patience if losses else False
