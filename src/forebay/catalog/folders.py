"""A manifest seen as folders: what lies directly in one, and what a path is. Pure.

Paths are sorted, so a folder is a run of rows: a listing reads its own children and leaps over what lies below them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from forebay.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the version: `row` is its place in the manifest."""

    path: str
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder: the version's own is ""."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What lies directly in a folder: its rows are `begin` to `end`, which is not among them. A file has one."""

    name: str
    path: str
    begin: int
    end: int
    is_folder: bool


class Folders:
    """Over a manifest's `path` column. Errors are NotFoundError `file-not-found`."""

    def __init__(self, paths: pa.ChunkedArray) -> None:
        # In one piece, so that any row can be had at once.
        self._paths: pa.Array = paths.combine_chunks()

    def find(self, path: str) -> File | Folder:
        """What the path is."""
        row = self._first(path)
        if path and row < len(self._paths) and self._path(row) == path:
            return File(path=path, row=row)
        if path == "" or self._is_folder(path):
            return Folder(path=path)
        raise NotFoundError("file-not-found", f"There is no file {path!r} in this version.")

    def children(self, folder: str) -> Iterator[File | Folder]:
        """What lies directly in a folder, by path; nothing in a folder that is not there."""
        prefix = f"{folder}/" if folder else ""
        row = self._first(prefix)
        while row < len(self._paths) and (path := self._path(row)).startswith(prefix):
            name, below, _ = path[len(prefix) :].partition("/")
            child = prefix + name
            if not below:
                yield File(path=child, row=row)
                row += 1
                continue
            yield Folder(path=child)
            # "0" comes right after "/": the first row behind all that lies in the child.
            row = self._first(child + "0", row)

    def span(self, folder: str) -> tuple[int, int]:
        """The rows of all that lies below a folder, the first and the one behind the last."""
        if not folder:
            return 0, len(self._paths)
        begin = self._first(folder + "/")
        # "0" comes right after "/": the first row behind all that lies in the folder.
        return begin, self._first(folder + "0", begin)

    def page(self, folder: str, start: int, limit: int) -> tuple[list[Child], int]:
        """Up to `limit` children whose rows begin at `start` or behind it, and where the next page starts (0: nowhere).

        However many files there are, it looks at a few paths for each child.
        """
        begin, end = self.span(folder)
        skip = len(folder) + 1 if folder else 0
        row, found = max(begin, start), list[Child]()
        while row < end and len(found) < limit:
            path = self._path(row)
            name, below, _ = path[skip:].partition("/")
            child = path[:skip] + name
            after = self._first(child + "0", row) if below else row + 1
            found.append(Child(name=name, path=child, begin=row, end=after, is_folder=bool(below)))
            row = after
        return found, row if row < end else 0

    def _is_folder(self, path: str) -> bool:
        row = self._first(path + "/")
        return row < len(self._paths) and self._path(row).startswith(path + "/")

    def _first(self, path: str, start: int = 0) -> int:
        """The first row that is not before `path`. Python compares code points and Arrow bytes: the same order."""
        return bisect_left(range(len(self._paths)), path, lo=start, key=self._path)

    def _path(self, row: int) -> str:
        path: str = self._paths[row].as_py()
        return path
