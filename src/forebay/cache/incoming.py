"""One holder's folder under incoming/: temp files by entry number, and the journal of what they hold.

A new holder never writes to an old holder's files, which may still be open there: whole files move over, parts are
copied. Nothing of an earlier try is believed before its bytes hashed to what its journal says.
"""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.cache import journal as journals
from forebay.cache.digests import Digests
from forebay.cache.journal import Journal, Record, read_journal, read_placing, write_placing
from forebay.cache.plan import Range
from forebay.cache.volume import RESERVED
from forebay.digest import new_hasher
from forebay.fsio import Disk, used_bytes_below

# Small folders: in a large one the makers of files wait for each other, and ext4 looks long for a place for the next.
_SHARD = 64
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Verified ranges of one entry in an earlier holder's temp file; `digest` is known when it is whole."""

    path: Path
    ranges: tuple[Range, ...]
    digest: bytes | None

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) in chunks; OSError when the file is shorter by now."""
        return _read(self.path, start, end)


class Leftovers:
    """What earlier holders left of the entries, verified: whole files in a few bytes each, parts as `Leftover`s.

    `whole` has for every entry the number of the holder that left all of it, counted from 1; 0 when none did.
    """

    def __init__(self, folders: Sequence[Path], count: int) -> None:
        self._folders = folders
        self._digests = Digests(count if folders else 0)
        self.whole = array("i", bytes(array("i").itemsize * count))
        self.parts: dict[int, Leftover] = {}

    def get(self, index: int, size: int) -> Leftover | None:
        """What was left of an entry of this size."""
        if not self.whole[index]:
            return self.parts.get(index)
        path = _temp(self._folders[self.whole[index] - 1], index)
        return Leftover(path=path, ranges=(Range(0, size),), digest=self._digests[index])

    def add(self, number: int, index: int, leftover: Leftover) -> None:
        """Remember what the holder with this number left."""
        if leftover.digest is None:
            self.parts[index] = leftover
        else:
            self.whole[index] = number
            self._digests[index] = leftover.digest

    def drop_unlike(self, digests: Digests) -> None:
        """Forget whole ones that are not what the manifest says."""
        for index in self._digests.known():
            if digests[index] not in (None, self._digests[index]):
                self.whole[index] = 0

    def keeps(self, number: int, index: int) -> bool:
        """Whether this holder's temp file is one of those that are remembered."""
        if index < len(self.whole) and self.whole[index]:
            return self.whole[index] == number
        return index in self.parts and self.parts[index].path == _temp(self._folders[number - 1], index)


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
        path = _temp(self.folder, index)
        shard = index // _SHARD
        if shard not in self._shards:
            self._disk.make_directories(path.parent)
            self._shards.add(shard)
        return path

    def leftovers(self, sizes: Sequence[int], cancelled: Callable[[], bool] = bool) -> Leftovers:
        """What earlier holders left that hashes to what their journals say; the newest holder's word goes first."""
        folders = self._earlier_holders()
        found = Leftovers(folders, len(sizes))
        for number, folder in enumerate(folders, 1):
            for index, records in _by_index(folder / journals.NAME, sizes):
                if cancelled():
                    return found
                if not found.whole[index] and index not in found.parts:
                    leftover = _verified(_temp(folder, index), records, sizes[index])
                    if leftover is not None:
                        found.add(number, index, leftover)
        return found

    def take_whole(self, index: int, leftovers: Leftovers, size: int) -> bytes:
        """Move an earlier holder's finished file here; its digest."""
        leftover = leftovers.get(index, size)
        assert leftover is not None
        assert leftover.digest is not None, "a whole file was hashed"
        self._disk.rename(leftover.path, self.temp(index))
        self.journal.add(Record(index, 0, size, leftover.digest))
        return leftover.digest

    def drop_earlier(self, kept: Leftovers) -> int:
        """Delete what earlier holders left but `kept`, trees and useless temp files; the bytes that stay."""
        folders = self._earlier_holders()
        for number, folder in enumerate(folders, 1):
            for shard in folder.iterdir():
                if shard.name.isdigit():
                    for path in shard.iterdir():
                        # Other names are a file server's own, of files that were removed while they were open.
                        index = int(shard.name) * _SHARD + int(path.name) if path.name.isdigit() else None
                        if index is None or not kept.keeps(number, index):
                            self._disk.unlink(path)
                elif shard.is_dir():
                    self._disk.remove_tree(shard)
        return used_bytes_below(*folders)

    def begin_placing(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Write down which temp files (entry index, size) may become blobs from now on."""
        write_placing(self.folder / journals.PLACING, sizes, self._disk)

    def close(self) -> None:
        self.journal.close()

    def _earlier_holders(self) -> list[Path]:
        own = int(self.folder.name)
        return [folder for folder in holders(self._fill_folder) if int(folder.name) != own]


def temp_file(holder: Path, index: int) -> Path:
    """Where a holder keeps an entry's temp file; for readers, who must not make its folder."""
    return _temp(holder, index)


def remove_holders(fill_folder: Path, token: int, disk: Disk) -> None:
    """Delete what the holder with this token and those before it left; never a newer one's files."""
    for folder in holders(fill_folder):
        if int(folder.name) <= token:
            disk.remove_tree(folder)


def placed_bytes(fill_folder: Path) -> int:
    """The bytes that a fill's holders, dead ones included, have turned into blobs and not reported to the hub yet.

    A temp file that was about to become a blob and is gone has become one, unless a newer holder took it over. What an
    older holder has of the same entry is a part that was copied.
    """
    newer: list[_TempNames] = []
    decided = bytearray()
    total = 0
    for folder in holders(fill_folder):
        newer.append(_TempNames(folder))
        for index, size in read_placing(folder / journals.PLACING):
            if index >= len(decided):
                decided.extend(bytes(index + _SHARD - len(decided)))
            if not decided[index] and not any(names.hold(index) for names in newer):
                total += size
            decided[index] = 1
    return total


def held_bytes(fill_folder: Path) -> int:
    """What a fill's folder takes by itself: temp files, journals and records, not the links of unfinished trees."""
    return used_bytes_below(*held_paths(fill_folder))


def held_paths(fill_folder: Path) -> list[Path]:
    """The files and folders that `held_bytes` counts."""
    found = [path for holder in holders(fill_folder) for path in holder.iterdir()]
    return [path / RESERVED if path.is_dir() and not path.name.isdigit() else path for path in found]


def holders(fill_folder: Path) -> list[Path]:
    """The folders of a fill's holders, the newest first."""
    if not fill_folder.is_dir():
        return []
    return sorted((path for path in fill_folder.iterdir() if path.name.isdigit()), key=lambda path: -int(path.name))


def _temp(folder: Path, index: int) -> Path:
    return Path(f"{folder}/{index // _SHARD}/{index % _SHARD}")


class _TempNames:
    """Which temp files a holder has: a folder is listed once for all entries that lie in it, one after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shard = -1
        self._names: frozenset[str] = frozenset()

    def hold(self, index: int) -> bool:
        shard, name = divmod(index, _SHARD)
        if shard != self._shard:
            self._shard, self._names = shard, _names(f"{self._folder}/{shard}")
        return str(name) in self._names


def _names(folder: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except FileNotFoundError:
        return frozenset()


def _by_index(journal: Path, sizes: Sequence[int]) -> Iterator[tuple[int, list[Record]]]:
    """A journal's records by entry. Most entries have one, of the whole file, which is kept in 33 bytes meanwhile."""
    whole = Digests(len(sizes))
    others: dict[int, list[Record]] = {}
    for record in read_journal(journal):
        if record.index < len(sizes):
            if (record.start, record.end) == (0, sizes[record.index]):
                whole[record.index] = record.digest
            else:
                others.setdefault(record.index, []).append(record)
    for index in whole.known():
        digest = whole[index]
        assert digest is not None
        yield index, [*others.pop(index, ()), Record(index, 0, sizes[index], digest)]
    yield from others.items()


def _verified(path: Path, records: Sequence[Record], size: int) -> Leftover | None:
    """The ranges of a temp file that hash to their records: for each start, the longest one that agrees."""
    ranges: list[Range] = []
    try:
        held = path.stat().st_size
        for start in sorted({record.start for record in records}):
            digests = {r.end: r.digest for r in records if r.start == start and r.end <= min(held, size)}
            end = _longest(path, start, digests)
            if end is None:
                continue
            if (start, end) == (0, size) and held == size:
                return Leftover(path=path, ranges=(Range(0, size),), digest=digests[size])
            ranges.append(Range(start, end))
    except FileNotFoundError:
        return None
    return Leftover(path=path, ranges=tuple(ranges), digest=None) if ranges else None


def _longest(path: Path, start: int, digests: Mapping[int, bytes]) -> int | None:
    """The last end up to which the bytes from `start` have the digest recorded there; they are read once."""
    hasher, position, agreed = new_hasher(), start, None
    for end in sorted(digests):
        for data in _read(path, position, end):
            hasher.update(data)
        position = end
        if hasher.digest() == digests[end]:
            agreed = end
    return agreed


def _read(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as source:
        source.seek(start)
        while start < end:
            data = source.read(min(_COPY_BYTES, end - start))
            if not data:
                raise OSError(errno.EIO, f"{path} shrank while it was copied")
            start += len(data)
            yield data
