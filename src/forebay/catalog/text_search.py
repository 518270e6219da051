"""Which rows of a text column have a text in them. Pure.

All rows lie one behind the other in memory: a text is looked for in the whole at once, and where it is, the row is
found by its offset. Where it is in very many rows, comparing row by row is faster: so are all that are left then.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_MANY: Final = 4096


class TextColumn:
    """A column of UTF-8 strings without nulls, held once."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        whole: pa.LargeStringArray = pa.concat_arrays(column.cast(pa.large_string()).chunks or [_EMPTY])
        _, offsets, text = whole.buffers()
        self._offsets = np.frombuffer(offsets, np.int64, len(whole) + 1, 8 * whole.offset)
        self._text = b"" if text is None else text.to_pybytes()
        self.values = pa.LargeStringArray.from_buffers(
            len(whole), offsets, pa.py_buffer(self._text), offset=whole.offset
        )

    @property
    def nbytes(self) -> int:
        return self._offsets.nbytes + len(self._text)

    def rows_with(self, text: str) -> npt.NDArray[np.int64]:
        """The rows that have it in them, as it is written, in their order."""
        wanted = text.encode()
        if not wanted:
            return np.arange(len(self.values))
        found, row = self._one_by_one(wanted)
        if row == len(self.values):
            return np.array(found, np.int64)
        left = pc.indices_nonzero(pc.match_substring(self.values.slice(row), text))
        return np.concatenate([np.array(found, np.int64), left.to_numpy().astype(np.int64) + row])

    def _one_by_one(self, wanted: bytes) -> tuple[list[int], int]:
        """Rows that have it, and how many rows were looked at: not all where it turns up again and again."""
        found: list[int] = []
        at = int(self._offsets[0])
        for _ in range(_MANY):
            at = self._text.find(wanted, at)
            if at < 0:
                return found, len(self.values)
            row = int(self._offsets.searchsorted(at, "right")) - 1
            end = int(self._offsets[row + 1])
            if at + len(wanted) <= end:
                found.append(row)
                at = end
            else:
                at += 1
        return found, int(self._offsets.searchsorted(at, "right")) - 1


_EMPTY: Final = pa.array([], pa.large_string())
