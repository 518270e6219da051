"""Where the edges of a small histogram lie. Pure: plain numbers in, plain numbers out."""

from __future__ import annotations

import math


def edges(low: float, high: float, inner: tuple[float, float], *, whole: bool, bins: int) -> tuple[float, ...]:
    """At most `bins` + 1 growing numbers from `low` to `high`.

    `inner` are the 1 % and the 99 % quantile: a rest that would make the range more than ten times as wide goes into
    one bin on each side. Of `whole` numbers each bin holds whole ones, and its upper edge is one more than its last.
    """
    if not low < high:
        return _growing((low, low + 1.0) if whole else (low - 0.5, low + 0.5))
    if bins >= 4 and (inner[1] - inner[0]) * 10 < high - low:
        between = _even(inner[0], inner[1], whole=whole, bins=bins - 2)
        return _growing((low, *between, high + 1.0 if whole else high))
    return _growing(_even(low, high, whole=whole, bins=bins))


def _even(low: float, high: float, *, whole: bool, bins: int) -> tuple[float, ...]:
    if not whole:
        return (*(low + (high - low) * step / bins for step in range(bins)), high)
    first, last = math.floor(low), math.floor(high)
    width = max(1, -(-(last - first + 1) // bins))
    count = -(-(last - first + 1) // width)
    return tuple(float(first + width * step) for step in range(count + 1))


def _growing(found: tuple[float, ...]) -> tuple[float, ...]:
    """Without those that are no higher than one before, which rounding makes, and ends that leave no bin."""
    kept = [found[0]]
    for edge in found[1:]:
        if edge > kept[-1]:
            kept.append(edge)
    return tuple(kept) if len(kept) > 1 else (kept[0], math.nextafter(kept[0], math.inf))
