"""One holder's folder under incoming/: temp files by entry number, and the journal of what they hold.

A new holder never writes to an old holder's files, which may still be open there: whole files move over, parts are
copied. Nothing of an earlier try is believed before its bytes hashed to what its journal says.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay import digest
from forebay.cache import journal as journals
from forebay.cache.journal import Journal, Record, read_journal
from forebay.cache.plan import Range
from forebay.fsio import Disk

_SHARD = 4096
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Verified ranges of one entry in an earlier holder's temp file; `digest` is known when it is whole."""

    path: Path
    ranges: tuple[Range, ...]
    digest: bytes | None

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) in chunks; OSError when the file is shorter by now."""
        with self.path.open("rb", buffering=0) as source:
            source.seek(start)
            while start < end:
                data = source.read(min(_COPY_BYTES, end - start))
                if not data:
                    raise OSError(errno.EIO, f"{self.path} shrank while it was copied")
                start += len(data)
                yield data


class Incoming:
    """Temp files and journal of the holder with `token`."""

    def __init__(self, fill_folder: Path, token: int, disk: Disk) -> None:
        self.folder = fill_folder / str(token)
        self._fill_folder = fill_folder
        self._disk = disk
        self._shards: set[int] = set()
        disk.make_directories(self.folder)
        self.journal = Journal(self.folder / journals.NAME, disk)

    def temp(self, index: int) -> Path:
        """The temp file of an entry, in a folder that exists."""
        shard = index // _SHARD
        folder = self.folder / str(shard)
        if shard not in self._shards:
            self._disk.make_directories(folder)
            self._shards.add(shard)
        return folder / str(index % _SHARD)

    def leftovers(self, sizes: Sequence[int], cancelled: Callable[[], bool] = bool) -> dict[int, Leftover]:
        """What earlier holders left that hashes to what their journals say; the newest holder's word goes first."""
        found: dict[int, Leftover] = {}
        for folder in self._earlier_holders():
            for index, records in _by_index(folder / journals.NAME).items():
                if cancelled():
                    return found
                if index not in found and index < len(sizes):
                    path = folder / str(index // _SHARD) / str(index % _SHARD)
                    leftover = _verified(path, records, sizes[index])
                    if leftover is not None:
                        found[index] = leftover
        return found

    def take_whole(self, index: int, leftover: Leftover, size: int) -> None:
        """Move an earlier holder's finished file here."""
        self._disk.rename(leftover.path, self.temp(index))
        if leftover.digest is not None:
            self.journal.add(Record(index, 0, size, leftover.digest))

    def close(self) -> None:
        self.journal.close()

    def remove(self) -> list[Path]:
        """Delete the fill's folder with every holder's files; what could not be removed is returned."""
        return self._disk.remove_tree(self._fill_folder)

    def _earlier_holders(self) -> list[Path]:
        tokens = [int(path.name) for path in self._fill_folder.iterdir() if path.name.isdigit()]
        own = int(self.folder.name)
        return [self._fill_folder / str(token) for token in sorted(tokens, reverse=True) if token != own]


def _by_index(journal: Path) -> Mapping[int, list[Record]]:
    records: dict[int, list[Record]] = {}
    for record in read_journal(journal):
        records.setdefault(record.index, []).append(record)
    return records


def _verified(path: Path, records: Sequence[Record], size: int) -> Leftover | None:
    """The ranges of a temp file that hash to their records: for each start, the longest one that agrees."""
    ranges: list[Range] = []
    whole: bytes | None = None
    try:
        held = path.stat().st_size
        for start in sorted({record.start for record in records}):
            for record in sorted((r for r in records if r.start == start), key=lambda r: -r.end):
                if record.end <= min(held, size) and _agrees(path, record):
                    ranges.append(Range(record.start, record.end))
                    if (record.start, record.end) == (0, size):
                        whole = record.digest
                    break
            if whole is not None:
                break
    except FileNotFoundError:
        return None
    if not ranges:
        return None
    if whole is not None and held == size:
        return Leftover(path=path, ranges=(Range(0, size),), digest=whole)
    return Leftover(path=path, ranges=tuple(ranges), digest=None)


def _agrees(path: Path, record: Record) -> bool:
    return digest.digest_file(path, start=record.start, end=record.end) == record.digest
