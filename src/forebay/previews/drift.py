"""Whether the values of a file have drifted since the version before: which columns are of another population. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.previews.shift import LARGE, ColumnShift, shifts
from forebay.wire.previews import ColumnPreview, TablePreview

LEAST_ROWS = 500
"""Of fewer rows chance alone moves the index: of one law drawn twice its mean is (groups - 1)(1 / n + 1 / m)."""

_MOVING = ("timestamp", "date", "time")
_KEY_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The column that moved farthest, its population stability index, and how many columns are beyond `LARGE`."""

    column: str
    psi: float
    columns: int


def drift(before: TablePreview, after: TablePreview) -> Drift | None:
    """None where nothing has, and where too few rows were seen to say so.

    Times move on by themselves, and so do keys, whose values hardly ever repeat: neither is a drift.
    """
    if min(before.seen_rows, after.seen_rows) < LEAST_ROWS:
        return None
    found = [(item.psi, item.name) for item in shifts(before, after) if item.psi is not None and _counts(item, after)]
    large = [item for item in found if item[0] >= LARGE]
    if not large:
        return None
    most, name = max(large)
    return Drift(column=name, psi=most, columns=len(large))


def _counts(shift: ColumnShift, table: TablePreview) -> bool:
    column = shift.after
    return column is not None and not column.type.startswith(_MOVING) and not _is_key(column, table)


def _is_key(column: ColumnPreview, table: TablePreview) -> bool:
    if not column.type.startswith(("int", "uint")):
        return False
    if column.distinct is None or table.rows is None:
        return not column.top
    return column.distinct >= _KEY_SHARE * table.rows
