"""A version's files as folders, from its manifest: a page shows one folder, whatever the number of files.

The paths and sizes of manifests that were looked at lately stay in memory, by digest: they never change. Who may see
them is decided before, by whoever names the version.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.folders import Child, File, Folders
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from forebay.catalog.text_search import TextColumn
from forebay.hub.board.kept import Kept

KEPT_BYTES = 256 << 20
_FOUND = 200
_OVERHEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """A file, or a folder with all that lies below it: how many files, and their bytes."""

    name: str
    path: str
    is_folder: bool
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPage:
    """Part of what lies directly in a folder, by name; the counts are of all below it.

    `start` and `next_start` are rows of the manifest: the next page starts there (0: there is none).
    """

    folder: str
    lines: tuple[FileLine, ...]
    files: int
    size_bytes: int
    start: int
    next_start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesFound:
    """Files whose path has a text in it, some of them by path, after `before` others; `files` counts all.

    `next_start` is the manifest's row where the next page starts (0: there is none).
    """

    lines: tuple[FileLine, ...]
    files: int
    before: int = 0
    next_start: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """All paths of a manifest and how many bytes there are up to each."""

    file: Path
    paths: TextColumn
    folders: Folders
    up_to: pa.Array

    def bytes_of(self, begin: int, end: int) -> int:
        """The bytes of the rows from `begin` to before `end`."""
        if end <= begin:
            return 0
        before = int(self.up_to[begin - 1].as_py()) if begin else 0
        return int(self.up_to[end - 1].as_py()) - before

    @property
    def weight(self) -> int:
        return int(self.paths.nbytes + self.up_to.nbytes) + _OVERHEAD_BYTES


_kept: Kept[Listing] = Kept(KEPT_BYTES)


def listing(manifest_digest: str, path_of: Callable[[str], Path]) -> Listing:
    """The listing of a manifest that `path_of` brings and checks where it is not known yet; its errors."""
    return _kept.get(manifest_digest, lambda: _read(path_of(manifest_digest)), lambda made: made.weight)


def page(listed: Listing, folder: str, *, start: int = 0, limit: int = 100) -> FilesPage:
    """A page of a folder; NotFoundError `file-not-found`."""
    if folder:
        found = listed.folders.find(folder)
        if isinstance(found, File):
            begin, end = found.row, found.row + 1
            line = FileLine(
                name=folder.rpartition("/")[2],
                path=folder,
                is_folder=False,
                files=1,
                size_bytes=listed.bytes_of(begin, end),
            )
            return FilesPage(
                folder=folder, lines=(line,), files=1, size_bytes=line.size_bytes, start=begin, next_start=0
            )
    begin, end = listed.folders.span(folder)
    children, next_start = listed.folders.page(folder, start, limit)
    return FilesPage(
        folder=folder,
        lines=tuple(_line(listed, child) for child in children),
        files=end - begin,
        size_bytes=listed.bytes_of(begin, end),
        start=start if begin < start < end else 0,
        next_start=next_start,
    )


def find(listed: Listing, text: str, *, start: int = 0, limit: int = _FOUND) -> FilesFound:
    """The files whose path has that text in it, as it is written, from the manifest's row `start` on."""
    rows = listed.paths.rows_with(text)
    before = bisect_left(range(len(rows)), start, key=lambda place: rows[place].as_py())
    first = rows.slice(before, limit)
    after = before + len(first)
    lines = [
        FileLine(name=path, path=path, is_folder=False, files=1, size_bytes=listed.bytes_of(row, row + 1))
        for row, path in zip(first.to_pylist(), listed.paths.values.take(first).to_pylist(), strict=True)
    ]
    next_start = int(rows[after].as_py()) if after < len(rows) else 0
    return FilesFound(lines=tuple(lines), files=len(rows), before=before, next_start=next_start)


def entry(listed: Listing, path: str, seal: Path | None) -> Entry | None:
    """All that is known of one file, its digest where a seal has it; None for a folder. NotFoundError."""
    found = listed.folders.find(path)
    if not isinstance(found, File):
        return None
    with Manifest.opened(listed.file) as file:
        values = file.row(found.row)
    digest = values.pop("digest")
    if digest is None and seal is not None:
        digest = Seal.read(seal).digests[found.row].as_py()
    return Entry(digest=None if digest is None else digest.hex(), **values)


def _read(file: Path) -> Listing:
    with Manifest.opened(file) as opened:
        paths, sizes = opened.column("path"), opened.column("size_bytes")
    held = TextColumn(paths)
    summed = pc.cumulative_sum(sizes.combine_chunks())
    return Listing(file=file, paths=held, folders=Folders(pa.chunked_array([held.values])), up_to=summed)


def _line(listed: Listing, child: Child) -> FileLine:
    return FileLine(
        name=child.name,
        path=child.path,
        is_folder=child.is_folder,
        files=child.end - child.begin,
        size_bytes=listed.bytes_of(child.begin, child.end),
    )
