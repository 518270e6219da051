"""Looks into a Parquet file: its footer, and rows from several places of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.previews.bounds import Bounds
from forebay.previews.seen import Seen

_BATCH_BYTES = 8 << 20
_BATCH_ROWS = 8192


def see_parquet(path: Path, bounds: Bounds) -> Seen:
    """ArrowException or OSError where it is no Parquet file, or a damaged one."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
        names = schema.names[: bounds.columns]
        chosen = schema.empty_table().select(list(range(len(names)))).schema
        batches = _batches(file, names, bounds)
        table = pa.Table.from_batches(batches, schema=batches[0].schema if batches else chosen)
    return Seen(
        table=table, size_bytes=path.stat().st_size, rows=rows, more_columns=max(0, len(schema.names) - len(names))
    )


def _batches(file: pq.ParquetFile, names: list[str], bounds: Bounds) -> list[pa.RecordBatch]:
    """Rows from the beginnings of row groups that are spread evenly over the file."""
    held = 0
    found: list[pa.RecordBatch] = []
    groups = _spread(file.num_row_groups, bounds.row_groups)
    for place, group in enumerate(groups):
        wanted = (bounds.rows - sum(batch.num_rows for batch in found)) // (len(groups) - place)
        size = _batch_rows(file.metadata.row_group(group))
        for batch in file.iter_batches(batch_size=min(size, max(1, wanted)), row_groups=[group], columns=names):
            batch = batch.slice(0, wanted)
            found.append(batch)
            wanted -= batch.num_rows
            held += batch.nbytes
            if wanted <= 0 or held >= bounds.held_bytes:
                break
        if held >= bounds.held_bytes:
            break
    return found


def _spread(groups: int, most: int) -> list[int]:
    """At most `most` numbers below `groups`, the first and the last among them."""
    if groups <= most:
        return list(range(groups))
    return sorted({round(step * (groups - 1) / (most - 1)) for step in range(most)})


def _batch_rows(group: pq.RowGroupMetaData) -> int:
    """How many rows are decoded at once: few where each is big."""
    row_bytes = int(group.total_byte_size) // max(1, int(group.num_rows))
    return min(_BATCH_ROWS, max(1, _BATCH_BYTES // max(1, row_bytes)))
