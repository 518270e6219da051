"""What changed between two versions, rolled up by folder: each folder says how much of what changed below it.

Differences that were looked at lately stay in memory, by the digests of what they are of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.diff import ChangeKind, Tally, diff
from forebay.catalog.folders import Folders
from forebay.catalog.manifest import Manifest
from forebay.catalog.seal import Seal
from forebay.hub.board.kept import Kept
from forebay.previews.kinds import TABLE_PATTERN
from forebay.wire.hub import Catalog

KEPT_BYTES = 128 << 20
_OVERHEAD_BYTES = 4096
_SHOWN = tuple(kind for kind in ChangeKind if kind is not ChangeKind.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """A changed file, or a folder with what changed below it.

    `files` counts files by kind. Bytes are those of the changed files before and after. Of a file that was renamed
    `old_path` is where it was. Its changes are those from `begin` to before `end`.
    """

    name: str
    path: str
    is_folder: bool
    files: Mapping[ChangeKind, int]
    old_bytes: int
    new_bytes: int
    begin: int
    end: int
    old_path: str = ""

    @property
    def kind(self) -> ChangeKind:
        """Of a file: what became of it."""
        return next(kind for kind in _SHOWN if self.files.get(kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """Part of a folder's changes, by name; `next_start` is where the next page starts (0: there is none)."""

    folder: str
    lines: tuple[ChangeLine, ...]
    next_start: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """All changes from one version to another. `tallies` are as in `catalog.diff`."""

    tallies: Mapping[ChangeKind, Tally]
    table: pa.Table
    folders: Folders
    up_to: Mapping[str, pa.Array]

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return len(self.table) == 0

    @property
    def weight(self) -> int:
        return int(self.table.nbytes + sum(item.nbytes for item in self.up_to.values())) + _OVERHEAD_BYTES

    def sum_of(self, column: str, begin: int, end: int) -> int:
        """A column's sum over the rows from `begin` to before `end`."""
        if end <= begin:
            return 0
        values = self.up_to[column]
        return int(values[end - 1].as_py()) - (int(values[begin - 1].as_py()) if begin else 0)


_kept: Kept[Changes] = Kept(KEPT_BYTES)


def changes(catalog: Catalog, old_digest: str, new_digest: str) -> Changes:
    """What leads from one manifest to another, with all that was learned of both; errors of the catalog."""
    seals = {digest: catalog.seal_path(digest) for digest in (old_digest, new_digest)}
    key = (old_digest, _name(seals[old_digest]), new_digest, _name(seals[new_digest]))

    def made() -> Changes:
        old, new = (_manifest(catalog.manifest_path(digest), seals[digest]) for digest in (old_digest, new_digest))
        return _changes(old, new)

    return _kept.get(key, made, lambda found: found.weight)


def page(found: Changes, folder: str, *, start: int = 0, limit: int = 100) -> ChangesPage:
    """A page of a folder's changes; a folder without any is empty."""
    children, next_start = found.folders.page(folder, start, limit)
    lines = []
    for child in children:
        old_path = "" if child.is_folder else found.table["old_path"][child.begin].as_py() or ""
        lines.append(
            ChangeLine(
                name=child.name,
                path=child.path,
                is_folder=child.is_folder,
                files=_files(found, child.begin, child.end),
                old_bytes=found.sum_of("old", child.begin, child.end),
                new_bytes=found.sum_of("new", child.begin, child.end),
                begin=child.begin,
                end=child.end,
                old_path=old_path if old_path != child.path else "",
            )
        )
    return ChangesPage(folder=folder, lines=tuple(lines), next_start=next_start)


def _files(found: Changes, begin: int, end: int) -> dict[ChangeKind, int]:
    counted = {kind: found.sum_of(kind.value, begin, end) for kind in _SHOWN}
    return {kind: count for kind, count in counted.items() if count}


def _changes(old: Manifest, new: Manifest) -> Changes:
    compared = diff(old, new)
    table = compared.table.combine_chunks()
    up_to = {kind.value: _summed(pc.equal(table["kind"], kind.value).cast(pa.int64())) for kind in _SHOWN}
    up_to |= {name: _summed(pc.coalesce(table[column], 0)) for name, column in _SIZES.items()}
    up_to |= {side.value: _summed(mask.cast(pa.int64())) for side, mask in _with_rows(table).items()}
    return Changes(tallies=compared.tallies, table=table, folders=Folders(table["path"]), up_to=up_to)


def table_in_both(found: Changes) -> str:
    """The first file with rows that is in both and has changed, or may have; "" where there is none."""
    is_table = pc.match_substring_regex(found.table["path"], TABLE_PATTERN)
    for kind in (ChangeKind.CHANGED, ChangeKind.UNKNOWN):
        row = pc.index(pc.and_(is_table, pc.equal(found.table["kind"], kind.value)), True).as_py()
        if row >= 0:
            return str(found.table["path"][row].as_py())
    return ""


class Tables(StrEnum):
    """Changed files with rows: those that an older version had, that the newer one has, that were only renamed.

    The renamed ones are in the newer version, too, and not among those of the older.
    """

    OLD = "old-tables"
    NEW = "new-tables"
    MOVED = "moved-tables"


def _with_rows(table: pa.Table) -> dict[Tables, Any]:
    """Masks over the changes."""
    is_table = pc.match_substring_regex(table["path"], TABLE_PATTERN)
    moved = pc.and_(is_table, pc.equal(table["kind"], ChangeKind.RENAMED.value))
    old = pc.and_(pc.and_(is_table, pc.is_valid(table["old_size_bytes"])), pc.invert(moved))
    return {Tables.OLD: old, Tables.NEW: pc.and_(is_table, pc.is_valid(table["size_bytes"])), Tables.MOVED: moved}


_SIZES = {"old": "old_size_bytes", "new": "size_bytes"}


def _summed(column: Any) -> pa.Array:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pc.cumulative_sum(whole)


def _manifest(file: Path, seal: Path | None) -> Manifest:
    """The catalog has recomputed it as it gave the path."""
    facts = Manifest.facts(file)
    with Manifest.opened(file) as opened:
        read = Manifest(
            origin=facts.origin,
            manifest_digest=facts.manifest_digest,
            table=opened.table(),
            recipe_digest=facts.recipe_digest,
        )
    return read if seal is None else read.with_seal(Seal.read(seal))


def _name(seal: Path | None) -> str:
    return "" if seal is None else seal.stem
