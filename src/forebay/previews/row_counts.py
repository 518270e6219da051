"""How many rows files have, and a digest of each row of small ones, so that two versions can be told apart by rows.

A file that can't be read has no number, and fails no other. Cells of a text are taken as they are written: of what type
a column looks is decided by all its rows, and one more would change every digest.
"""

from __future__ import annotations

import csv
import hashlib
import io
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.previews.bounds import Bounds
from forebay.previews.kinds import Format, format_of
from forebay.previews.text_file import beginning
from forebay.wire.previews import ROW_DIGEST_BYTES, FileRows


def count_rows(files: Mapping[str, Path], bounds: Bounds) -> tuple[FileRows, ...]:
    """Of each file, in their order. FileNotFoundError for one that went meanwhile."""
    counter = _Counter(bounds)
    return tuple(counter.look(path, file) for path, file in files.items())


class _Counter:
    """What is left of the bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._left_rows = bounds.told_rows
        self._left_bytes = bounds.counted_bytes

    def look(self, path: str, file: Path) -> FileRows:
        kind, compression = format_of(path)
        try:
            found = self._parquet(file) if kind is Format.PARQUET else self._text(file, kind, compression)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, csv.Error):
            return FileRows(path=path)
        rows, digests = found
        self._left_rows -= len(digests)
        return FileRows(path=path, rows=rows, digests=b64encode(b"".join(digests)).decode())

    def _parquet(self, file: Path) -> tuple[int, list[bytes]]:
        with pq.ParquetFile(file, pre_buffer=False) as opened:
            told = opened.metadata
            size = sum(told.row_group(at).total_byte_size for at in range(told.num_row_groups))
            rows = int(told.num_rows)
            if rows > self._left_rows or size > self._bounds.told_bytes:
                return rows, []
            try:
                table = opened.read(use_threads=False)
                return self._counted(table.column_names, _rows_of(table))
            except (pa.ArrowException, OSError, ValueError):
                return rows, []  # its footer is in order

    def _text(self, file: Path, kind: Format, compression: str | None) -> tuple[int | None, list[bytes]]:
        begin = beginning(file, kind, compression, min(self._bounds.read_bytes, max(1, self._left_bytes)))
        self._left_bytes -= len(begin.data)
        if not begin.is_whole:
            return None, []
        text = io.StringIO(begin.data.decode("utf-8-sig", "replace"), newline="")
        rows = filter(None, csv.reader(text, delimiter=begin.delimiter))
        if begin.is_header:
            next(rows)
        return self._counted(begin.names, rows)

    def _counted(self, names: Sequence[str], rows: Iterable[Sequence[object]]) -> tuple[int, list[bytes]]:
        """All rows, and the digests where they are few enough."""
        digest, told, count = digest_of(names), list[bytes](), 0
        for count, row in enumerate(rows, 1):
            if count <= self._left_rows:
                told.append(digest(row))
        return count, told if count <= self._left_rows else []


def digest_of(names: Sequence[str]) -> Callable[[Sequence[object]], bytes]:
    """What makes of a row `ROW_DIGEST_BYTES`: of its values with their columns' names, in any order of the columns."""
    order = sorted(range(len(names)), key=lambda at: names[at])
    key = hashlib.blake2b(_bytes([names[at] for at in order]), digest_size=32).digest()

    def digest(row: Sequence[object]) -> bytes:
        values = [row[at] for at in order] if len(row) == len(order) else list(row)
        return hashlib.blake2b(_bytes(values), digest_size=ROW_DIGEST_BYTES, key=key).digest()

    return digest


def _bytes(values: list[Any]) -> bytes:
    return repr(values).encode("utf-8", "surrogatepass")


def _rows_of(table: pa.Table) -> Iterable[Sequence[object]]:
    """By column: a table may have two of one name."""
    if not table.num_columns:
        return [()] * table.num_rows
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
