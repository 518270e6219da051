"""Which rows of a text column have a text in them. Pure.

All rows lie one behind the other in memory: a text is looked for in the whole at once, and where it is, the row is
found by its offset. Where it is in very many rows, comparing row by row is faster: so are all that are left then.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_MANY: Final = 4096


class TextColumn:
    """A column of UTF-8 strings without nulls, held once."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        whole: pa.LargeStringArray = pa.concat_arrays(column.cast(pa.large_string()).chunks or [_EMPTY])
        _, offsets, text = whole.buffers()
        self._offsets = memoryview(offsets).cast("B").cast("q")[whole.offset : whole.offset + len(whole) + 1]
        self._text = b"" if text is None else text.to_pybytes()
        self.values = pa.LargeStringArray.from_buffers(
            len(whole), offsets, pa.py_buffer(self._text), offset=whole.offset
        )

    @property
    def nbytes(self) -> int:
        return self._offsets.nbytes + len(self._text)

    def rows_with(self, text: str) -> pa.Int64Array:
        """The rows that have it in them, as it is written, in their order."""
        wanted = text.encode()
        found, row = self._one_by_one(wanted) if wanted else ([], 0)
        first = pa.array(found, pa.int64())
        if row == len(self.values):
            return first
        left = pc.indices_nonzero(pc.match_substring(self.values.slice(row), text))
        return pa.concat_arrays([first, pc.add(left.cast(pa.int64()), row)])

    def _one_by_one(self, wanted: bytes) -> tuple[list[int], int]:
        """Rows that have it, and how many rows were looked at: not all where it turns up again and again."""
        found: list[int] = []
        at = self._offsets[0]
        for _ in range(_MANY):
            at = self._text.find(wanted, at)
            if at < 0:
                return found, len(self.values)
            row = bisect_right(self._offsets, at) - 1
            end = self._offsets[row + 1]
            if at + len(wanted) <= end:
                found.append(row)
                at = end
            else:
                at += 1
        return found, bisect_right(self._offsets, at) - 1


_EMPTY: Final = pa.array([], pa.large_string())
