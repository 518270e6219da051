"""The parser on a GPU, by cuDF: bytes of a click log to columns, where every row of them is plainly good.

Thin: CI has no GPU, docs/ctr.md says where it ran. It takes fewer ways to write a row than `scan` does: ASCII,
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
_CATEGORY_COUNT: Final = COLUMN_COUNT - 1 - INTEGER_COUNT
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
    label = fields[0]
    if not label.str.match(_LABEL).all():
        return None
    # All columns of a kind in one: a call takes as long for one as for 26, and holds the interpreter's lock.
    numbers = _column_after_column(cudf, fields, range(1, 1 + INTEGER_COUNT))
    texts = numbers.where(numbers != "", _BLANK_INTEGER)
    if not texts.str.match(_INTEGER).all():
        return None
    integers = texts.astype("int64")
    if integers.min() < _INT32.min or integers.max() > _INT32.max:
        return None
    digits = _column_after_column(cudf, fields, range(1 + INTEGER_COUNT, COLUMN_COUNT))
    texts = digits.where(digits != "", _BLANK_CATEGORY)
    if not texts.str.match(_CATEGORY).all():
        return None
    return ScannedRows(
        label=label.astype("int64").to_numpy().astype(np.uint8),
        integers=_here(integers, INTEGER_COUNT, np.int32),
        integers_valid=_here(numbers != "", INTEGER_COUNT, np.bool_),
        categories=_here(texts.str.htoi(), _CATEGORY_COUNT, np.uint32),
        categories_valid=_here(digits != "", _CATEGORY_COUNT, np.bool_),
        bad_rows=(0,) * len(REASONS),
        first_bad=(),
    )


def _column_after_column(cudf: Any, fields: Any, columns: range) -> Any:
    """One series of cuDF's: all rows of the first of these columns, then all of the next one."""
    return cudf.concat([fields[column] for column in columns], ignore_index=True)


def _here(values: Any, columns: int, kind: type[np.int32] | type[np.uint32] | type[np.bool_]) -> NDArray[Any]:
    """(columns, rows) of a series of cuDF's, in this machine's memory."""
    array: NDArray[Any] = values.to_numpy().astype(kind)
    return array.reshape(columns, -1)
