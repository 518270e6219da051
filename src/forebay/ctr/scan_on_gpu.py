"""The parser on a GPU, by cuDF: bytes of a click log to columns, where every row of them is plainly good.

Thin, and not run where this was written: no GPU was there. It takes fewer ways to write a row than `scan` does: ASCII,
lines ended by `\\n`, integers of ten digits at most. What it takes can mean one thing only, and all else is left to
`scan`, which also finds what is bad and names it. So the columns are the same, whoever parsed them.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.gpu import required
from forebay.ctr.scan import REASONS, ScannedRows
from forebay.ctr.schema import COLUMN_COUNT, INTEGER_COUNT

_ASCII: Final = 128
_LABEL: Final = r"^[01]$"
_INTEGER: Final = r"^-?[0-9]{1,10}$"
_CATEGORY: Final = r"^[0-9a-fA-F]{8}$"
_BLANK_INTEGER: Final = "0"
_BLANK_CATEGORY: Final = "00000000"
_INT32: Final = np.iinfo(np.int32)


def scan_on_gpu(data: NDArray[np.uint8]) -> ScannedRows | None:
    """What `scan` gives of whole lines; None where it has to be asked. InputError `missing-extra` without cuDF."""
    cudf = required("cudf", what="parsing with --device cuda")
    if not data.size or data.max() >= _ASCII:
        return None
    lines = cudf.read_text(BytesIO(data.tobytes()), delimiter="\n", strip_delimiters=True)
    if not (lines.str.count("\t") == COLUMN_COUNT - 1).all():
        return None
    fields = lines.str.split("\t", expand=True)
    if not fields[0].str.match(_LABEL).all():
        return None
    rows = len(lines)
    integers = _Columns(INTEGER_COUNT, rows, np.int32)
    categories = _Columns(COLUMN_COUNT - 1 - INTEGER_COUNT, rows, np.uint32)
    for column in range(1, COLUMN_COUNT):
        field = fields[column]
        given = field != ""
        if column <= INTEGER_COUNT:
            texts = field.where(given, _BLANK_INTEGER)
            if not texts.str.match(_INTEGER).all():
                return None
            values = texts.astype("int64")
            if values.min() < _INT32.min or values.max() > _INT32.max:
                return None
            integers.put(column - 1, values, given)
        else:
            texts = field.where(given, _BLANK_CATEGORY)
            if not texts.str.match(_CATEGORY).all():
                return None
            categories.put(column - 1 - INTEGER_COUNT, texts.str.htoi(), given)
    return ScannedRows(
        label=fields[0].astype("int64").to_numpy().astype(np.uint8),
        integers=integers.values,
        integers_valid=integers.valid,
        categories=categories.values,
        categories_valid=categories.valid,
        bad_rows=(0,) * len(REASONS),
        first_bad=(),
    )


class _Columns:
    """(count, rows) values and which of them were given, in this machine's memory."""

    def __init__(self, count: int, rows: int, kind: type[np.int32] | type[np.uint32]) -> None:
        self.values: NDArray[Any] = np.empty((count, rows), kind)
        self.valid = np.empty((count, rows), np.bool_)

    def put(self, column: int, values: Any, given: Any) -> None:
        """Of cuDF's series."""
        self.values[column] = values.to_numpy()
        self.valid[column] = given.to_numpy()
