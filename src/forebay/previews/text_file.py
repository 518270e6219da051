"""Looks into a text file with a row a line, CSV or TSV, also compressed: the first megabytes of it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv

from forebay.previews.bounds import Bounds
from forebay.previews.kinds import Format
from forebay.previews.seen import Seen

_NULLS = ["", "NULL", "null", "NaN", "nan", "NA", "N/A", "None", "\\N"]
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DELIMITERS = (",", ";", "|", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The first whole lines of a text, and what the first of them tells: no `names` where there is none."""

    data: bytes
    is_whole: bool
    delimiter: str
    names: tuple[str, ...]
    is_header: bool


def beginning(path: Path, kind: Format, compression: str | None, most_bytes: int) -> Beginning:
    """At most so many bytes, unpacked; ArrowException or OSError where it is no such file, or a damaged one."""
    data, is_whole = _beginning(path, compression, most_bytes)
    first_line = data[: data.find(b"\n")] if b"\n" in data else data
    delimiter = "\t" if kind is Format.TABS else _delimiter(first_line)
    cells = _cells(first_line, delimiter)
    is_header = bool(cells) and _is_header(cells)
    names = _names(cells) if is_header else [f"column {at}" for at in range(1, len(cells) + 1)]
    return Beginning(data=data, is_whole=is_whole, delimiter=delimiter, names=tuple(names), is_header=is_header)


def see_text(path: Path, kind: Format, compression: str | None, bounds: Bounds) -> Seen:
    """ArrowException or OSError where it is no such file, or a damaged one."""
    begin = beginning(path, kind, compression, bounds.read_bytes)
    data, is_whole, names = begin.data, begin.is_whole, list(begin.names)
    if not names:
        return Seen(table=pa.table({}), size_bytes=path.stat().st_size, rows=0 if is_whole else None)
    bad_rows = 0

    def skip(row: arrow_csv.InvalidRow) -> str:
        nonlocal bad_rows
        bad_rows += 1
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        # One block: a type that fits the first rows and not the last would be an error.
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=max(1, len(data)) + 1, column_names=names, skip_rows=int(begin.is_header)
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=begin.delimiter, invalid_row_handler=skip),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=names[: bounds.columns], null_values=_NULLS, strings_can_be_null=True
        ),
    )
    return Seen(
        table=table.slice(0, bounds.rows),
        size_bytes=path.stat().st_size,
        rows=table.num_rows + bad_rows if is_whole else None,
        bad_rows=bad_rows,
        more_columns=max(0, len(names) - bounds.columns),
    )


def _beginning(path: Path, compression: str | None, most_bytes: int) -> tuple[bytes, bool]:
    """The first whole lines of a file, and whether they are all. One line that is longer is cut."""
    with pa.input_stream(str(path), compression=compression) as stream:
        data = stream.read(most_bytes)
        if not stream.read(1):
            return data, True
    end = data.rfind(b"\n")
    return data[: end + 1] if end >= 0 else data, False


def _delimiter(line: bytes) -> str:
    """What a file calls CSV need not have commas."""
    text = line.decode("utf-8", "replace")
    counts = {sign: len(_cells(line, sign)) for sign in _DELIMITERS if sign in text}
    return max(counts, key=lambda sign: counts[sign], default=",")


def _cells(line: bytes, delimiter: str) -> list[str]:
    text = line.decode("utf-8-sig", "replace").rstrip("\r")
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return text.split(delimiter)


def _is_header(cells: list[str]) -> bool:
    """Names are all there, all different, and none is a number."""
    some = [text.strip() for text in cells]
    return all(some) and len(set(some)) == len(some) and not any(_NUMBER.fullmatch(text) for text in some)


def _names(cells: list[str]) -> list[str]:
    return [text.strip() for text in cells]
