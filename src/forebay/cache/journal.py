"""What a fill has written so far, so that the next holder can go on after a kill.

A record says "bytes [start, end) of the file of entry `index` have this digest". It is a hint, never trusted: whoever
resumes hashes the bytes again and keeps what agrees. A torn last record is ignored.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.fsio import Disk

_RECORD = struct.Struct("<QQQ32s")
_INTENT = struct.Struct("<QQ")
NAME = "journal"
PLACING = "placing"
RECORD_BYTES = _RECORD.size
INTENT_BYTES = _INTENT.size
_READ_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes [start, end) of entry `index` hash to `digest` (32 bytes)."""

    index: int
    start: int
    end: int
    digest: bytes


class Journal:
    """Appends records, one write each, so that a kill loses none; many threads may share it."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        self._descriptor = disk.append(path)
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        packed = _RECORD.pack(record.index, record.start, record.end, record.digest)
        with self._lock:
            self._disk.write(self._descriptor, packed)

    def close(self) -> None:
        with self._lock:
            self._disk.close(self._descriptor)


def read_journal(path: Path) -> Iterator[Record]:
    """All whole records of a journal, in the order written; nothing when it is absent."""
    for index, start, end, digest in _rows(path, _RECORD):
        if start <= end:
            yield Record(index, start, end, digest)


def write_placing(path: Path, sizes: Iterable[tuple[int, int]], disk: Disk) -> None:
    """Say which temp files (entry index, size) are about to become blobs; from then on a temp file gone is a blob."""
    rows = bytearray()
    for index, size in sizes:
        rows += _INTENT.pack(index, size)
    disk.write_durable(path, rows)


def read_placing(path: Path) -> Iterator[tuple[int, int]]:
    """What `write_placing` wrote, in its order; nothing when it is absent."""
    yield from _rows(path, _INTENT)


def _rows(path: Path, row: struct.Struct) -> Iterator[Any]:
    """All whole rows of a file; a few thousand are held at a time."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        while data := file.read(row.size * _READ_ROWS):
            yield from row.iter_unpack(data[: len(data) - len(data) % row.size])
