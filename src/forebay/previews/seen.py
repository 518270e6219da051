"""What was seen of a file with rows, before it is summed up; and the summing up."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from forebay.previews.bounds import Bounds
from forebay.previews.cells import cell
from forebay.previews.column import column_preview
from forebay.wire.previews import TablePreview


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`table` is the rows that were seen, in at most as many columns as the bounds have; the file has `rows` (None:
    nobody knows).
    """

    table: pa.Table
    size_bytes: int
    rows: int | None
    bad_rows: int = 0
    more_columns: int = 0


def summed_up(seen: Seen, bounds: Bounds) -> TablePreview:
    """The preview of what was seen."""
    table = seen.table
    names = table.column_names
    return TablePreview(
        size_bytes=seen.size_bytes,
        columns=tuple(column_preview(names[at], table.column(at), seen.rows, bounds) for at in range(len(names))),
        sample=_sample(table, bounds),
        seen_rows=table.num_rows,
        rows=seen.rows,
        bad_rows=seen.bad_rows,
        more_columns=seen.more_columns,
    )


def _sample(table: pa.Table, bounds: Bounds) -> tuple[tuple[str | None, ...], ...]:
    """The first rows, as many as fit."""
    first = table.slice(0, bounds.sample_rows)
    # By column: a table may have two of one name.
    columns = [[cell(value, bounds.cell_chars) for value in column.to_pylist()] for column in first.columns]
    rows: list[tuple[str | None, ...]] = []
    left = bounds.sample_chars
    for row in zip(*columns, strict=True):
        left -= sum(len(text or "") + 4 for text in row)
        if left < 0:
            break
        rows.append(row)
    return tuple(rows)
