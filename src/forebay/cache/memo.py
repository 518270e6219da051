"""Remembers which files were hashed and what they were then, so that verifying need not read them again.

A file is the same while device, inode, size, mtime and ctime are; after 30 days it is hashed anyway, since no storage
is trusted to scrub itself. Kept beside the hub's files, never on the volume. Losing it costs only time.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.log import get_logger

_log = get_logger("memo")

EXPIRES_SECONDS = 30 * 86400.0

Fingerprint = tuple[int, int, int, int, int]

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
    """The memo of one tree, in one Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[Fingerprint, float]] = {}
        self._load()

    def fresh(self, name: str, seen: Fingerprint, now: float) -> bool:
        """Whether this very file was hashed, with the right result, not too long ago."""
        known = self._known.get(name)
        return known is not None and known[0] == seen and 0 <= now - known[1] < EXPIRES_SECONDS

    def remember(self, name: str, seen: Fingerprint, now: float) -> None:
        self._known[name] = (seen, now)

    def forget(self, name: str) -> None:
        self._known.pop(name, None)

    def save(self) -> None:
        """Replace the file in one step; a reader sees the old one or the new one."""
        rows = [(name, *seen, at) for name, (seen, at) in sorted(self._known.items())]
        columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
        table = pa.table(
            [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], _SCHEMA
        )
        partial = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}.partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, partial)
            os.replace(partial, self._path)
        except OSError as error:
            _log.warning("memo-not-saved", path=str(self._path), why=error.strerror)
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _load(self) -> None:
        try:
            table = pq.read_table(self._path, schema=_SCHEMA)
        except (OSError, pa.ArrowException):
            return
        names, device, inode, size, mtime, ctime, at = (column.to_pylist() for column in table.columns)
        for row in zip(names, device, inode, size, mtime, ctime, at, strict=True):
            self._known[row[0]] = ((row[1], row[2], row[3], row[4], row[5]), row[6])
