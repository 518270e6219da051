"""How two previews differ: which columns came, went or changed type, and how far each one's values moved. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from forebay.wire.previews import ColumnPreview, Histogram, TablePreview

_GROUPS = 10
_HALF_A_ROW = 0.5
MODERATE, LARGE = 0.1, 0.25
"""By custom (Siddiqi 2006): below the first there is nothing to see, from the second on it is another population."""


class Change(StrEnum):
    """What became of a column."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    RETYPED = "another type"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnShift:
    """One column, before and after. `psi` is None where the two can't be compared."""

    name: str
    change: Change
    before: ColumnPreview | None
    after: ColumnPreview | None
    psi: float | None = None


def shifts(before: TablePreview, after: TablePreview) -> tuple[ColumnShift, ...]:
    """Every column of both, in the order of `after`, those that went at the end. Of one name only the first counts."""
    was = {column.name: column for column in reversed(before.columns)}
    now = {column.name: column for column in reversed(after.columns)}
    names = [*dict.fromkeys(column.name for column in after.columns)]
    names += [name for name in dict.fromkeys(column.name for column in before.columns) if name not in now]
    return tuple(_shift(name, was.get(name), now.get(name), before.seen_rows, after.seen_rows) for name in names)


def _shift(
    name: str, before: ColumnPreview | None, after: ColumnPreview | None, rows_before: int, rows_after: int
) -> ColumnShift:
    if before is None or after is None:
        change = Change.ADDED if before is None else Change.REMOVED
        return ColumnShift(name=name, change=change, before=before, after=after)
    change = Change.SAME if before.type == after.type else Change.RETYPED
    moved = _moved(before, after, rows_before, rows_after)
    return ColumnShift(name=name, change=change, before=before, after=after, psi=moved)


def psi(before: Sequence[float], after: Sequence[float]) -> float:
    """Population stability index: sum of (after - before) ln(after / before) over the shares of (groups,) counts.

    The symmetric divergence of Jeffreys (1946) as credit scoring uses it (Siddiqi, Credit Risk Scorecards, 2006). Half
    a row is added to each group, so that one that was empty makes no infinity; what is empty in both is no group.
    """
    some = [(one, other) for one, other in zip(before, after, strict=True) if one or other]
    was, now = ([pair[at] + _HALF_A_ROW for pair in some] for at in (0, 1))
    all_was, all_now = sum(was), sum(now)
    pairs = ((one / all_was, other / all_now) for one, other in zip(was, now, strict=True))
    return sum((other - one) * math.log(other / one) for one, other in pairs)


def _moved(before: ColumnPreview, after: ColumnPreview, rows_before: int, rows_after: int) -> float | None:
    """Over the tenths of `before` where both have histograms, else over its frequent values; the missing apart."""
    if not rows_before or not rows_after:
        return None
    nulls = [float(before.nulls)], [float(after.nulls)]
    if before.histogram is not None and after.histogram is not None:
        cuts = _tenths(before.histogram)
        was, now = (_between(histogram, cuts) for histogram in (before.histogram, after.histogram))
        return psi(nulls[0] + was, nulls[1] + now)
    # The top values of both: a value that came in from nowhere is a group of its own, too.
    names = list(dict.fromkeys(top.value for column in (before, after) for top in column.top))
    only_nulls = before.nulls == rows_before or after.nulls == rows_after
    if not (before.top and after.top) and not (only_nulls and (before.top or after.top)):
        return None
    counts = [_frequent(column, names, rows) for column, rows in ((before, rows_before), (after, rows_after))]
    return psi(nulls[0] + counts[0], nulls[1] + counts[1])


def _frequent(column: ColumnPreview, names: Sequence[str], rows: int) -> list[float]:
    """(names + 1,) rows with each of the values, and with none of them. A value that is not told comes less often than
    those that are: it counts among the others.
    """
    told = {top.value: top.count for top in column.top}
    counts = [float(told.get(name, 0)) for name in names]
    return [*counts, max(0.0, rows - column.nulls - sum(counts))]


def _tenths(histogram: Histogram) -> list[float]:
    """At most nine growing numbers that cut the values into tenths; those in a bin are taken for spread evenly."""
    total, cuts = sum(histogram.counts), list[float]()
    below, at = 0, 0
    for step in range(1, _GROUPS):
        wanted = total * step / _GROUPS
        while at < len(histogram.counts) - 1 and below + histogram.counts[at] < wanted:
            below += histogram.counts[at]
            at += 1
        low, high, inside = histogram.edges[at], histogram.edges[at + 1], histogram.counts[at]
        cut = low + (high - low) * (wanted - below) / inside if inside else low
        if not cuts or cut > cuts[-1]:
            cuts.append(cut)
    return cuts


def _between(histogram: Histogram, cuts: Sequence[float]) -> list[float]:
    """(cuts + 1,) how many values are below the first cut, between two, above the last."""
    ends = [0.0, *(below(histogram, cut) for cut in cuts), float(sum(histogram.counts))]
    return [high - low for low, high in itertools.pairwise(ends)]


def below(histogram: Histogram, cut: float) -> float:
    """How many values are below the cut, where those in a bin are taken for spread evenly."""
    found = 0.0
    for low, high, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        if cut >= high:
            found += count
        elif cut > low:
            found += count * (cut - low) / (high - low)
    return found
