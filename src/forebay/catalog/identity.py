"""Which lake objects are certainly the same, by columns: what was learned of one then holds for the other.

Pure. The same means: same key, size, etag and version id, and not both of the last two empty. Both sides must be
relative to the same lake root.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

Column = Callable[[str], pa.ChunkedArray]
"""A manifest's columns by name: `manifest.table.column`, or those of an open file."""


def same_objects(old: Column, new: Column) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Row by row of `new`: a row of `old` with its key (null where there is none), and whether it is the same object.

    Every column is asked for once, by name, so that a file need not be read whole.
    """
    at = pc.index_in(new("key"), value_set=old("key"))
    same, _ = _compared(old, new, "size_bytes", at, 0)
    same_etag, has_etag = _compared(old, new, "etag", at, "")
    same_id, has_id = _compared(old, new, "version_id", at, "")
    return at, pc.and_(pc.and_(same, pc.and_(same_etag, same_id)), pc.or_(has_etag, has_id))


def _compared(
    old: Column, new: Column, name: str, at: pa.ChunkedArray, nothing: str | int
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Row by row of `new`: whether `old` has the same value at `at`, and whether there is a value at all."""
    values = new(name)
    return pc.fill_null(pc.equal(values, pc.take(old(name), at)), False), pc.not_equal(values, nothing)
