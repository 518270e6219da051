"""Two histograms over common edges, so that they can be drawn one beside the other and compared by eye. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise

from forebay.previews.histogram import edges
from forebay.previews.shift import below
from forebay.wire.previews import Histogram

BINS = 24
_REST = 0.02
"""A little more than what `histogram.edges` leaves to the wide bins at the ends, inside of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Shares of the values of each, (bins,), between (bins + 1,) `edges` that grow. Of no values all are 0."""

    edges: tuple[float, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]


def beside(before: Histogram, after: Histogram, *, whole: bool) -> Beside | None:
    """The values in a bin are taken for spread evenly; `whole`: they are whole numbers, as in `histogram.edges`.

    None where the range is no number.
    """
    found = before.edges if before.edges == after.edges else _common(before, after, whole=whole)
    if found is None:
        return None
    return Beside(edges=found, before=_shares(before, found), after=_shares(after, found))


def _common(before: Histogram, after: Histogram, *, whole: bool) -> tuple[float, ...] | None:
    both = (before, after)
    low, high = min(one.edges[0] for one in both), max(one.edges[-1] for one in both)
    if not math.isfinite(high - low):
        return None
    inner = min(_quantile(one, _REST) for one in both), max(_quantile(one, 1 - _REST) for one in both)
    return edges(low, high - 1 if whole else high, inner, whole=whole, bins=BINS)


def _quantile(histogram: Histogram, share: float) -> float:
    """Where so large a share of the values lies below."""
    wanted = share * sum(histogram.counts)
    bins = zip(pairwise(histogram.edges), histogram.counts, accumulate(histogram.counts), strict=True)
    for (low, high), count, up_to in bins:
        if count and up_to >= wanted:
            return high - (high - low) * (up_to - wanted) / count
    return histogram.edges[-1]


def _shares(histogram: Histogram, found: tuple[float, ...]) -> tuple[float, ...]:
    total = sum(histogram.counts)
    # At the ends rather than at the edges there: all of them are in some bin, however edges were rounded.
    up_to = [0.0, *(below(histogram, edge) for edge in found[1:-1]), float(total)]
    return tuple((high - low) / total if total else 0.0 for low, high in pairwise(up_to))
