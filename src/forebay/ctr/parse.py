"""Click logs to typed Parquet: a byte range, or a compressed day as a stream; each call is a task on any executor.

Invariant: every row is in a Parquet file or counted in the report. A value is present or null, never a stand-in: 0 is a
legal integer and a legal hash. A part that is there already is not parsed again: the same task gives the same bytes.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.ctr.files import new_file, read_json, write_json
from forebay.ctr.scan import REASONS, BadRow, Room, ScannedRows, scan
from forebay.ctr.scan_on_gpu import scan_on_gpu
from forebay.ctr.schema import CATEGORIES, COLUMN_COUNT, COLUMNS, INTEGERS, LABEL
from forebay.ctr.source import RANGE_BYTES, ByteRange, Day, count_lines
from forebay.ctr.stream import read_blocks
from forebay.errors import DamagedError, InputError

OnBadRows = Literal["error", "skip"]
COMPRESSION: Final = "zstd"
_PARSERS: Final = 2  # threads beside the one that decompresses; gzip feeds about as many
_BLOCKS_AHEAD: Final = 3
_ALL_PARTS_FILE: Final = "all-parts.json"
_REPORT_KEY: Final = b"forebay"
_SHOWN_BYTES: Final = 40
_SHOWN_ROWS: Final = 1000
_EXPECTED: Final = {
    "label": "neither 0 nor 1",
    "integer": "no integer between -2147483648 and 2147483647, and not blank",
    "category": "not exactly 8 hexadecimal digits, and not blank",
}


class _Kept(threading.local):
    """What a thread keeps from one range to the next: each would cost as much to get anew as to fill."""

    def __init__(self) -> None:
        self.room = Room()
        self._bytes = np.empty(0, np.uint8)

    def read(self, source: ByteRange) -> NDArray[np.uint8]:
        """The bytes of a range, as many as there are, until the next one."""
        wanted = source.end - source.start
        if wanted > self._bytes.size:
            self._bytes = np.empty(wanted, np.uint8)
        with source.path.open("rb", buffering=0) as file:
            file.seek(source.start)
            got = 0
            while got < wanted and (more := file.readinto(self._bytes.data[got:wanted])):
                got += more
        return self._bytes[:got]


_kept = _Kept()


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
class SeenBadRow:
    """A bad row by its line, 1-based and counted from the start of its part, and what is wrong with it."""

    line: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedPart:
    """One range, parsed: `rows` are in the Parquet file at `path`."""

    path: Path
    rows: int
    clicks: int
    bad_rows: BadRows
    first_bad: tuple[SeenBadRow, ...] = ()

    @property
    def lines(self) -> int:
        """Of the log."""
        return self.rows + self.bad_rows.total


def parse_range(source: ByteRange, out: Path, *, on_bad_rows: OnBadRows, on_gpu: bool = False) -> ParsedPart:
    """Parse the lines of `source` into one Parquet file `out`: label uint8, I1..I13 int32, C1..C26 uint32, nullable.

    With "error" the first bad row raises InputError `bad-row` naming file, line (1-based, of the whole file), column
    and text; with "skip" bad rows are left out and counted. DamagedError where the file has become shorter.
    `on_gpu`: by cuDF, to the same bytes.
    """
    known = read_parsed(out)
    if known is not None:
        return known
    data = _kept.read(source)
    if data.size != source.end - source.start:
        raise DamagedError("file-changed", f"{source.path} became shorter while it was read", todo="fetch it again")
    return _parse(data, out, on_bad_rows, source.path, lambda: count_lines(source.path, source.start) + 1, on_gpu)


def parse_stream(
    day: Day, folder: Path, *, on_bad_rows: OnBadRows, block_bytes: int = RANGE_BYTES, on_gpu: bool = False
) -> tuple[ParsedPart, ...]:
    """Parse a compressed day, read once from start to end, into parts in `folder`; see `parse_range`.

    Memory: a few blocks, whatever the day's size. InputError `bad-row` and DamagedError `damaged-log`.
    """
    all_parts = folder / _ALL_PARTS_FILE
    if all_parts.is_file():
        known = [read_parsed(folder / part_name(number)) for number in range(read_json(all_parts, todo="")["parts"])]
        if None not in known:
            return tuple(part for part in known if part is not None)
    parts: list[ParsedPart] = []
    waiting: deque[Future[ParsedPart]] = deque()
    with ThreadPoolExecutor(_PARSERS, thread_name_prefix="forebay-parse") as pool:
        for number, block in enumerate(read_blocks(day, block_bytes=block_bytes)):
            if len(waiting) == _BLOCKS_AHEAD:
                parts.append(waiting.popleft().result())
            out = folder / part_name(number)
            waiting.append(pool.submit(_parse_block, block.data, out, on_bad_rows, day.path, block.first_line, on_gpu))
        parts += [future.result() for future in waiting]
    write_json(all_parts, {"parts": len(parts)})
    return tuple(parts)


def part_name(number: int) -> str:
    """The file name of a day's part."""
    return f"part-{number:05}.parquet"


def read_parsed(path: Path) -> ParsedPart | None:
    """What an earlier task left at `path`, if it is there and whole."""
    try:
        saved = json.loads(pq.read_metadata(path).metadata[_REPORT_KEY])
    except (OSError, pa.ArrowInvalid):  # also FileNotFoundError: the usual case
        return None
    return ParsedPart(
        path=path,
        rows=saved["rows"],
        clicks=saved["clicks"],
        bad_rows=BadRows(**saved["bad_rows"]),
        first_bad=tuple(SeenBadRow(**each) for each in saved["first_bad"]),
    )


def to_table(rows: ScannedRows) -> pa.Table:
    """The rows as an Arrow table, without copying the values."""
    columns = [pa.array(rows.label)]
    columns += [_nullable(pa.int32(), *pair) for pair in zip(rows.integers, rows.integers_valid, strict=True)]
    columns += [_nullable(pa.uint32(), *pair) for pair in zip(rows.categories, rows.categories_valid, strict=True)]
    return pa.Table.from_arrays(columns, names=[LABEL, *INTEGERS, *CATEGORIES])


def _nullable(kind: pa.DataType, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> pa.Array:
    bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, values.size, [bitmap, pa.py_buffer(values)])


def _parse_block(
    data: bytes, out: Path, on_bad_rows: OnBadRows, source: Path, first_line: int, on_gpu: bool
) -> ParsedPart:
    known = read_parsed(out)
    if known is not None:
        return known
    return _parse(np.frombuffer(data, np.uint8), out, on_bad_rows, source, lambda: first_line, on_gpu)


def _parse(
    data: NDArray[np.uint8],
    out: Path,
    on_bad_rows: OnBadRows,
    source: Path,
    first_line: Callable[[], int],
    on_gpu: bool,
) -> ParsedPart:
    scanned: ScannedRows | BadRow | None = scan_on_gpu(data) if on_gpu else None
    if scanned is None:
        scanned = scan(data, skip_bad_rows=on_bad_rows == "skip", room=_kept.room)
    if isinstance(scanned, BadRow):
        raise bad_row_error(source, data, scanned, first_line=first_line())
    part = ParsedPart(
        path=out,
        rows=scanned.label.size,
        clicks=int(np.count_nonzero(scanned.label)),
        bad_rows=BadRows(**dict(zip(REASONS, scanned.bad_rows, strict=True))),
        first_bad=tuple(_seen(data, bad) for bad in scanned.first_bad),
    )
    saved: dict[str, Any] = {"rows": part.rows, "clicks": part.clicks, "bad_rows": asdict(part.bad_rows)}
    saved["first_bad"] = [asdict(each) for each in part.first_bad]
    table = to_table(scanned).replace_schema_metadata({_REPORT_KEY: json.dumps(saved).encode()})
    with new_file(out) as file:
        # Nobody asks for the least and the largest of a part's hashes.
        pq.write_table(table, file, compression=COMPRESSION, write_statistics=False, **encodings(scanned))
    return part


def encodings(rows: ScannedRows) -> dict[str, Any]:
    """For `write_table`: a dictionary for categories of few values, else each value's bytes apart (BYTE_STREAM_SPLIT).

    An integer's upper bytes hardly vary, and of a hash no byte tells anything: zstd is quick with both. Which
    categories are of few values the first rows show.
    """
    shown = rows.categories[:, :_SHOWN_ROWS]
    few = [name for name, values in zip(CATEGORIES, shown, strict=True) if np.unique(values).size * 4 <= values.size]
    apart = [name for name in (*INTEGERS, *CATEGORIES) if name not in few]
    return {"use_dictionary": few, "column_encoding": dict.fromkeys(apart, "BYTE_STREAM_SPLIT")}


def bad_row_error(source: Path, data: NDArray[np.uint8], bad: BadRow, *, first_line: int) -> InputError:
    """The error `bad-row` for a bad row of `data`, lines of `source` of which the first has this number (1-based)."""
    seen = _seen(data, bad)
    return InputError(
        "bad-row",
        f"{source}, line {first_line + seen.line - 1}: {seen.told}",
        todo="Mend the file where it comes from, or leave such rows out and counted with --on-bad-rows skip.",
    )


def _seen(data: NDArray[np.uint8], bad: BadRow) -> SeenBadRow:
    line = int(np.count_nonzero(data[: bad.start] == ord("\n"))) + 1
    text = data[bad.start : bad.end].tobytes().removesuffix(b"\r")
    return SeenBadRow(line=line, told=describe_bad_row(text, bad.reason, bad.column))


def describe_bad_row(text: bytes, reason: str, column: int) -> str:
    """What is wrong with a row: `column` (0-based) matters unless the number of columns is the reason."""
    fields = text.split(b"\t")
    if reason == "columns":
        return f"{len(fields)} columns instead of {COLUMN_COUNT}"
    shown = ascii(fields[column][:_SHOWN_BYTES].decode("latin-1"))
    return f"column {column + 1} ({COLUMNS[column]}) is {_EXPECTED[reason]}: {shown}"
