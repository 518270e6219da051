"""Click logs to typed Parquet, one byte range at a time: each call is a task of its own on any executor.

Invariant: every row of the range is in the Parquet file or counted in the report. A value is present or null, never
a stand-in: 0 is a legal integer and a legal hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.ctr.files import new_file
from forebay.ctr.scan import REASONS, BadRow, ScannedRows, scan
from forebay.ctr.schema import CATEGORIES, COLUMN_COUNT, COLUMNS, INTEGERS, LABEL
from forebay.ctr.source import ByteRange, count_lines
from forebay.errors import DamagedError, InputError

OnBadRows = Literal["error", "skip"]
COMPRESSION: Final = "zstd"
_SHOWN_BYTES: Final = 40
_EXPECTED: Final = {
    "label": "neither 0 nor 1",
    "integer": "no integer between -2147483648 and 2147483647, and not blank",
    "category": "not exactly 8 hexadecimal digits, and not blank",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRows:
    """Rows left out, by the first reason found."""

    columns: int = 0
    """wrong number of columns"""
    label: int = 0
    integer: int = 0
    category: int = 0

    @property
    def total(self) -> int:
        return self.columns + self.label + self.integer + self.category

    def __add__(self, other: BadRows) -> BadRows:
        return BadRows(**{reason: getattr(self, reason) + getattr(other, reason) for reason in REASONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPart:
    """One range, parsed: `rows` are in the Parquet file at `path`."""

    path: Path
    rows: int
    clicks: int
    bad_rows: BadRows


def parse_range(source: ByteRange, out: Path, *, on_bad_rows: OnBadRows) -> ParsedPart:
    """Parse the lines of `source` into one Parquet file `out`: label uint8, I1..I13 int32, C1..C26 uint32, nullable.

    With "error" the first bad row raises InputError `bad-row` naming file, line (1-based, of the whole file), column
    and text; with "skip" bad rows are left out and counted. DamagedError where the file has become shorter.
    """
    data = np.fromfile(source.path, np.uint8, count=source.end - source.start, offset=source.start)
    if data.size != source.end - source.start:
        raise DamagedError("file-changed", f"{source.path} became shorter while it was read", todo="fetch it again")
    scanned = scan(data, skip_bad_rows=on_bad_rows == "skip")
    if isinstance(scanned, BadRow):
        raise _bad_row_error(source, data, scanned)
    with new_file(out) as file:
        pq.write_table(to_table(scanned), file, compression=COMPRESSION, use_dictionary=False)
    bad_rows = BadRows(**dict(zip(REASONS, scanned.bad_rows, strict=True)))
    clicks = int(np.count_nonzero(scanned.label))
    return ParsedPart(path=out, rows=scanned.label.size, clicks=clicks, bad_rows=bad_rows)


def to_table(rows: ScannedRows) -> pa.Table:
    """The rows as an Arrow table, without copying the values."""
    columns = [pa.array(rows.label)]
    columns += [_nullable(pa.int32(), *pair) for pair in zip(rows.integers, rows.integers_valid, strict=True)]
    columns += [_nullable(pa.uint32(), *pair) for pair in zip(rows.categories, rows.categories_valid, strict=True)]
    return pa.Table.from_arrays(columns, names=[LABEL, *INTEGERS, *CATEGORIES])


def _nullable(kind: pa.DataType, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> pa.Array:
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, values.size, [bitmap, pa.py_buffer(values)])


def _bad_row_error(source: ByteRange, data: NDArray[np.uint8], bad: BadRow) -> InputError:
    line = count_lines(source.path, source.start) + int(np.count_nonzero(data[: bad.start] == ord("\n"))) + 1
    text = data[bad.start : bad.end].tobytes().removesuffix(b"\r")
    return InputError(
        "bad-row",
        f"{source.path}, line {line}: {describe_bad_row(text, bad.reason, bad.column)}",
        todo="Mend the file where it comes from, or leave such rows out and counted with --on-bad-rows skip.",
    )


def describe_bad_row(text: bytes, reason: str, column: int) -> str:
    """What is wrong with a row: `column` (0-based) matters unless the number of columns is the reason."""
    fields = text.split(b"\t")
    if reason == "columns":
        return f"{len(fields)} columns instead of {COLUMN_COUNT}"
    shown = ascii(fields[column][:_SHOWN_BYTES].decode("latin-1"))
    return f"column {column + 1} ({COLUMNS[column]}) is {_EXPECTED[reason]}: {shown}"
