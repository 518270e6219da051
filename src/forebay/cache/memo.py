"""Remembers which files were hashed and what they were then, so that verifying need not read them again.

A file is the same while device, inode, size, mtime and ctime are; after 30 days it is hashed anyway, since no storage
is trusted to scrub itself. Kept beside the hub's files, never on the volume. Losing it costs only time.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.log import get_logger

_log = get_logger("memo")

EXPIRES_SECONDS = 30 * 86400.0

_BATCH_ROWS = 1 << 13

Fingerprint = tuple[int, int, int, int, int]
_Row = tuple[Any, ...]
"""A file's name, its fingerprint, and when it was hashed: the columns of `_SCHEMA`."""

_SCHEMA = pa.schema(
    [("path", pa.string())]
    + [(name, pa.uint64()) for name in ("device", "inode", "size_bytes")]
    + [(name, pa.int64()) for name in ("mtime_ns", "ctime_ns")]
    + [("verified_at", pa.float64())]
)


def fingerprint(path: Path) -> Fingerprint:
    """What must not have changed since a file was hashed."""
    facts = path.lstat()
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


class Memo:
    """The memo of one tree, in one Parquet file; replaced when the block ends, kept as it was when that fails.

    Names come in ascending order, as a manifest has them: the old memo is read and the new one written beside it, a
    batch at a time. A file that `fresh` knows stays in the memo; one that was neither fresh nor remembered leaves it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        self._old = _read(path)
        self._row = next(self._old, None)
        self._new: list[_Row] = []
        self._writer: pq.ParquetWriter | None = None
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._old.close()
        self._try(self._close)
        if error is None and not self._failed:
            self._try(lambda: os.replace(self._partial, self._path))
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def fresh(self, name: str, seen: Fingerprint, now: float) -> bool:
        """Whether this very file was hashed, with the right result, not too long ago."""
        while self._row is not None and self._row[0] < name:
            self._row = next(self._old, None)
        if self._row is None or self._row[0] != name or self._row[1:-1] != seen:
            return False
        hashed_at: float = self._row[-1]
        if not 0 <= now - hashed_at < EXPIRES_SECONDS:
            return False
        self.remember(name, seen, hashed_at)
        return True

    def remember(self, name: str, seen: Fingerprint, hashed_at: float) -> None:
        """This file was hashed, with the right result."""
        self._new.append((name, *seen, hashed_at))
        if len(self._new) == _BATCH_ROWS:
            self._try(self._flush)
            self._new = []

    def _flush(self) -> None:
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._partial, _SCHEMA)
        columns = list(zip(*self._new, strict=True)) or [()] * len(_SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        self._writer.write_table(pa.table(arrays, _SCHEMA))

    def _close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _try(self, write: Callable[[], object]) -> None:
        """A memo that can't be written costs only time."""
        if self._failed:
            return
        try:
            write()
        except OSError as error:
            self._failed = True
            _log.warning("memo-not-saved", path=str(self._path), why=error.strerror)


def _read(path: Path) -> Generator[_Row, None, None]:
    """The rows of a memo, as far as it can be read."""
    with suppress(OSError, pa.ArrowException), pq.ParquetFile(path) as file:
        if file.schema_arrow.remove_metadata().equals(_SCHEMA):
            for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
