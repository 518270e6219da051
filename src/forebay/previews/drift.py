"""Whether the values of a file have drifted since another version: what is to be said of each column. Pure.

One rule for all who tell of it: what stands on the overview and what the comparison of two versions shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from forebay.previews.shift import LARGE, MODERATE, ColumnShift, shifts
from forebay.wire.previews import ColumnPreview, TablePreview

LEAST_ROWS = 500
"""Of fewer rows chance alone moves the index: of one law drawn twice its mean is (groups - 1)(1 / n + 1 / m)."""

_MOVING = ("timestamp", "date", "time")
_KEY_SHARE = 0.9


class Verdict(StrEnum):
    """What is to be said of a column's values.

    `moves on`: times and keys, whose values hardly ever repeat, do so by themselves, which is no drift. `too few rows`:
    they look moved, which may be chance.
    """

    NOT_COMPARED = "not compared"
    STEADY = "steady"
    MOVED = "moved"
    DRIFTED = "another population"
    MOVES_ON = "moves on"
    TOO_FEW = "too few rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The column that moved farthest, its population stability index, and how many columns are beyond `LARGE`."""

    column: str
    psi: float
    columns: int


def drift(before: TablePreview, after: TablePreview) -> Drift | None:
    """None where nothing has drifted, and where too few rows were seen to say so."""
    large = [
        (item.psi, item.name)
        for item, verdict in judged(before, after)
        if verdict is Verdict.DRIFTED and item.psi is not None
    ]
    if not large:
        return None
    most, name = max(large)
    return Drift(column=name, psi=most, columns=len(large))


def judged(before: TablePreview, after: TablePreview) -> tuple[tuple[ColumnShift, Verdict], ...]:
    """Every column of both, in the order of `shifts`, with what is to be said of its values."""
    has_few = min(before.seen_rows, after.seen_rows) < LEAST_ROWS
    return tuple((item, _verdict(item, after, has_few=has_few)) for item in shifts(before, after))


def _verdict(shift: ColumnShift, table: TablePreview, *, has_few: bool) -> Verdict:
    if shift.psi is None or shift.after is None:
        return Verdict.NOT_COMPARED
    if shift.psi < MODERATE:
        return Verdict.STEADY
    if shift.after.type.startswith(_MOVING) or _is_key(shift.after, table):
        return Verdict.MOVES_ON
    if has_few:
        return Verdict.TOO_FEW
    return Verdict.DRIFTED if shift.psi >= LARGE else Verdict.MOVED


def _is_key(column: ColumnPreview, table: TablePreview) -> bool:
    if not column.type.startswith(("int", "uint")):
        return False
    if column.distinct is None or table.rows is None:
        return not column.top
    return column.distinct >= _KEY_SHARE * table.rows
