"""A folder as inodes and names, in memory: read from a disk, changed, and built on a disk again, hard links and all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = 0


@dataclass(slots=True)
class Inode:
    """A directory (`names`: inode by name) or a file (`data`)."""

    mode: int
    data: bytes = b""
    names: dict[str, int] | None = None


@dataclass(slots=True)
class Image:
    """Inodes by number; `ROOT` is the folder itself."""

    inodes: dict[int, Inode] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Image:
        """A folder as it is."""
        image = cls()
        seen: dict[tuple[int, int], int] = {}
        image._read(folder, seen)
        return image

    def copy(self) -> Image:
        return Image(
            {
                number: Inode(inode.mode, inode.data, None if inode.names is None else dict(inode.names))
                for number, inode in self.inodes.items()
            }
        )

    def add(self, inode: Inode) -> int:
        number = len(self.inodes)
        self.inodes[number] = inode
        return number

    def find(self, path: str) -> int:
        """The inode with this relative path; KeyError when there is none."""
        number = ROOT
        for name in filter(None, path.split("/")):
            number = self.entries(number)[name]
        return number

    def entries(self, number: int) -> dict[str, int]:
        names = self.inodes[number].names
        if names is None:
            raise KeyError(number)
        return names

    def walk(self) -> Iterator[tuple[str, int]]:
        """(relative path, inode) of all that can be reached, parents first."""
        pending = [("", ROOT)]
        while pending:
            path, number = pending.pop()
            yield path, number
            names = self.inodes[number].names
            pending += [(f"{path}/{name}".lstrip("/"), child) for name, child in sorted((names or {}).items())]

    def build(self, folder: Path) -> None:
        """Make it below an empty or absent folder."""
        first: dict[int, Path] = {}
        modes: list[tuple[Path, int]] = []
        for relative, number in self.walk():
            path, inode = folder / relative, self.inodes[number]
            if inode.names is not None:
                path.mkdir(exist_ok=True, parents=True)
                modes.append((path, inode.mode))
            elif number in first:
                os.link(first[number], path)
            else:
                path.write_bytes(inode.data)
                path.chmod(inode.mode)
                first[number] = path
        for path, mode in reversed(modes):
            path.chmod(mode)

    def fingerprint(self) -> int:
        """The same for images that look the same on a disk."""
        numbers: dict[int, int] = {}
        seen: list[object] = []
        for path, number in self.walk():
            inode = self.inodes[number]
            known = numbers.setdefault(number, len(numbers))
            seen.append((path, known, inode.mode, inode.data, inode.names is None))
        return hash(tuple(seen))

    def _read(self, path: Path, seen: dict[tuple[int, int], int]) -> int:
        facts = path.lstat()
        mode = stat.S_IMODE(facts.st_mode)
        if stat.S_ISDIR(facts.st_mode):
            number = self.add(Inode(mode, names={}))
            for name in sorted(os.listdir(path)):
                self.entries(number)[name] = self._read(path / name, seen)
            return number
        key = facts.st_dev, facts.st_ino
        if key not in seen:
            seen[key] = self.add(Inode(mode, data=path.read_bytes()))
        return seen[key]
