"""Rows of what changed between two versions, by folder, from the files whose rows were counted.

Only changed files count: the rows of the others are the same before and after.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from forebay.catalog.diff import ChangeKind
from forebay.catalog.folders import File
from forebay.errors import NotFoundError
from forebay.hub.board.diff import Changes, Tables
from forebay.previews.row_diff import Pair, RowChange, row_change
from forebay.wire.previews import FileRows


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRows:
    """The rows of a folder's changed files, of which `files_before` and `files_after` have rows."""

    rows: RowChange
    files_before: int
    files_after: int

    @property
    def is_whole(self) -> bool:
        """Whether all of them were counted."""
        counted = (self.rows.counted_before, self.rows.counted_after)
        return counted == (self.files_before, self.files_after)


def first_table(found: Changes, folder: str, side: Tables) -> str:
    """The first changed file with rows below a folder, on one side; "" where there is none."""
    begin, end = found.folders.span(folder)
    before = found.sum_of(side.value, 0, begin)
    values = found.up_to[side.value]
    row = bisect_right(range(end), before, lo=begin, key=lambda at: int(values[at].as_py()))
    return str(found.table["path"][row].as_py()) if row < end else ""


class CountedRows:
    """What is known of a difference's rows."""

    def __init__(self, found: Changes, before: Iterable[FileRows], after: Iterable[FileRows]) -> None:
        self._found = found
        self._before, self._after = self._placed(before), self._placed(after)

    def of(self, begin: int, end: int) -> FolderRows | None:
        """Of the changes from `begin` to before `end`; None where none of them has rows."""
        old, new, moved = (self._found.sum_of(side.value, begin, end) for side in Tables)
        if not old and not new:
            return None
        places = sorted({place for side in (self._before, self._after) for place in side if begin <= place < end})
        rows = row_change([self._pair(place) for place in places])
        found = FolderRows(rows=rows, files_before=old + moved, files_after=new)
        return found if found.is_whole else replace(found, rows=replace(rows, added=None, removed=None))

    def of_folder(self, folder: str) -> FolderRows | None:
        """Of all below a folder."""
        return self.of(*self._found.folders.span(folder))

    def _placed(self, files: Iterable[FileRows]) -> dict[int, FileRows]:
        """By their place among the changes; those that did not change have none."""
        placed = {}
        for file in files:
            try:
                item = self._found.folders.find(file.path)
            except NotFoundError:
                continue
            if isinstance(item, File):
                placed[item.row] = file
        return placed

    def _pair(self, place: int) -> Pair:
        kind = ChangeKind(self._found.table["kind"][place].as_py())
        before, after = self._before.get(place), self._after.get(place)
        if kind is ChangeKind.RENAMED:
            before = after  # the same contents at another path
        return Pair(
            was=kind is not ChangeKind.ADDED,
            is_there=kind is not ChangeKind.REMOVED,
            before=None if kind is ChangeKind.ADDED else before,
            after=None if kind is ChangeKind.REMOVED else after,
        )
