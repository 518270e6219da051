"""What a fill has written so far, so that the next holder can go on after a kill.

A record says "bytes [start, end) of the file of entry `index` have this digest". It is a hint, never trusted: whoever
resumes hashes the bytes again and keeps what agrees. A torn last record is ignored.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay.fsio import Disk

_RECORD = struct.Struct("<QQQ32s")
_FLUSH_RECORDS = 64
NAME = "journal"


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes [start, end) of entry `index` hash to `digest` (32 bytes)."""

    index: int
    start: int
    end: int
    digest: bytes


class Journal:
    """Appends records, a batch at a time; many threads may share it."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        self._descriptor = disk.append(path)
        self._pending: list[bytes] = []
        self._lock = threading.Lock()

    def add(self, record: Record, *, flush: bool = False) -> None:
        packed = _RECORD.pack(record.index, record.start, record.end, record.digest)
        with self._lock:
            self._pending.append(packed)
            if flush or len(self._pending) >= _FLUSH_RECORDS:
                self._flush()

    def flush(self) -> None:
        with self._lock:
            self._flush()

    def close(self) -> None:
        with self._lock:
            self._flush()
            self._disk.close(self._descriptor)

    def _flush(self) -> None:
        if self._pending:
            self._disk.write(self._descriptor, b"".join(self._pending))
            self._pending.clear()


def read_journal(path: Path) -> Iterator[Record]:
    """All whole records of a journal, in the order written; nothing when it is absent."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    whole = len(data) - len(data) % _RECORD.size
    for index, start, end, digest in _RECORD.iter_unpack(data[:whole]):
        if start <= end:
            yield Record(index, start, end, digest)
