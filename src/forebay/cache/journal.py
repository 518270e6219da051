"""What a fill has written so far, so that the next holder can go on after a kill.

A record says "bytes [start, end) of the file of entry `index` have this digest". It is a hint, never trusted: whoever
resumes hashes the bytes again and keeps what agrees. A torn last record is ignored.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from forebay.fsio import Disk

_RECORD = struct.Struct("<QQQ32s")
_INTENT = struct.Struct("<QQ")
NAME = "journal"
PLACING = "placing"
RECORD_BYTES = _RECORD.size
_FOLLOW_BYTES = RECORD_BYTES << 14
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
    """Appends records, one write each, so that a kill loses none.

    Many threads may share it: the system appends each record in one piece. A lock around that would make them queue for
    it with the interpreter's own lock given away.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._disk = disk
        self._descriptor: int | None = disk.append(path)

    def add(self, record: Record) -> None:
        packed = _RECORD.pack(record.index, record.start, record.end, record.digest)
        assert self._descriptor is not None, "the journal was closed"
        self._disk.write(self._descriptor, packed)

    def close(self) -> None:
        """Closed already is fine. Whoever closes has seen its writers end."""
        if self._descriptor is not None:
            self._disk.close(self._descriptor)
            self._descriptor = None


def read_journal(path: Path) -> Iterator[Record]:
    """All whole records of a journal, in the order written; nothing when it is absent."""
    for index, start, end, digest in _rows(path, _RECORD):
        if start <= end:
            yield Record(index, start, end, digest)


class JournalFollowed:
    """Where another process's journal says what, read on as it grows; eight bytes of memory an entry."""

    def __init__(self, path: Path, entries: int) -> None:
        self._path = path
        self._read_bytes = 0
        # The number of the last record of each entry that begins at its first byte, counted from 1.
        self._numbers = array("q", bytes(8 * entries))

    def whole(self, index: int, size: int) -> bytes | None:
        """The digest of an entry's whole file, when its record is there: it is written once the file was accepted."""
        try:
            with self._path.open("rb", buffering=0) as file:
                self._read_on(file)
                if not self._numbers[index]:
                    return None
                file.seek((self._numbers[index] - 1) * RECORD_BYTES)
                entry, start, end, digest = _RECORD.unpack(file.read(RECORD_BYTES))
        except FileNotFoundError:
            return None
        return digest if (entry, start, end) == (index, 0, size) else None

    def _read_on(self, file: FileIO) -> None:
        file.seek(self._read_bytes)
        while data := file.read(_FOLLOW_BYTES):
            whole = len(data) - len(data) % RECORD_BYTES
            first = self._read_bytes // RECORD_BYTES + 1
            for number, (index, start, _, _) in enumerate(_RECORD.iter_unpack(data[:whole]), first):
                if start == 0 and index < len(self._numbers):
                    self._numbers[index] = number
            self._read_bytes += whole
            if whole < len(data):
                return


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
