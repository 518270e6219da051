"""Rows of what changed between versions, rolled up by folder, on both databases' hubs."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.board import diff
from forebay.hub.board.diff import Changes, Tables
from forebay.hub.board.row_changes import CountedRows, FolderRows, first_table
from forebay.hub.local import LocalHub
from forebay.testing.cached.world import add_version
from forebay.wire.previews import ROW_DIGEST_BYTES, FileRows

OLD = {"day=1/a.csv": "1", "day=1/b.csv": "2", "day=2/a.csv": "3", "day=2/moved.csv": "4", "same.csv": "5"}
NEW = {"day=1/a.csv": "6", "day=3/a.csv": "7", "day=3/moved.csv": "4", "readme.md": "8", "same.csv": "5"}


@pytest.fixture
def found(embedded: LocalHub) -> Changes:
    """Changed, removed twice, added, renamed, unchanged; and one without rows."""
    versions = []
    for files in (OLD, NEW):
        entries = [Entry(path=path, size_bytes=10, digest=mark * 64) for path, mark in files.items()]
        versions.append(add_version(embedded, "clicks", Manifest.committed(entries), "file:///lake"))
    return diff.changes(embedded.catalog, *(version.manifest_digest for version in versions))


def file(path: str, rows: str) -> FileRows:
    """One whose rows are letters."""
    digests = b"".join(letter.encode() * ROW_DIGEST_BYTES for letter in rows)
    return FileRows(path=path, rows=len(rows), digests=b64encode(digests).decode())


BEFORE = [
    file("day=1/a.csv", "abcd"), file("day=1/b.csv", "ef"), file("day=2/a.csv", "gh"),
    file("day=2/moved.csv", "xyz"), file("same.csv", "s"),
]  # fmt: skip
AFTER = [file("day=1/a.csv", "abq"), file("day=3/a.csv", "h"), file("day=3/moved.csv", "xyz"), file("same.csv", "s")]


def told(rows: FolderRows | None) -> tuple[int, int, int | None, int | None] | None:
    return None if rows is None else (rows.rows.before, rows.rows.after, rows.rows.added, rows.rows.removed)


def test_rows_are_rolled_up_by_folder(found: Changes) -> None:
    counted = CountedRows(found, BEFORE, AFTER)
    by_folder = {line.name: told(counted.of(line.begin, line.end)) for line in diff.page(found, "").lines}
    assert by_folder == {
        "day=1": (6, 3, 1, 4),
        "day=2": (2, 0, 0, 2),
        "day=3": (3, 4, 1, 0),
        "readme.md": None,
    }
    below = {line.name: told(counted.of(line.begin, line.end)) for line in diff.page(found, "day=3").lines}
    assert below == {"a.csv": (0, 1, 1, 0), "moved.csv": (3, 3, 0, 0)}


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"a.csv": "1", "b.csv": "", "c.csv": "3"}, {"a.csv": "1", "b.csv": "", "c.csv": "4", "d.csv": "5"}, "c.csv"),
        ({"a.csv": "1", "b.csv": ""}, {"a.csv": "1", "b.csv": "", "c.csv": "5"}, "b.csv"),
        ({"a.txt": "1", "b.csv": "2"}, {"a.txt": "3", "c.csv": "2"}, ""),
    ],
)
def test_the_first_table_that_changed_or_may_have(
    embedded: LocalHub, old: dict[str, str], new: dict[str, str], path: str
) -> None:
    versions = []
    for files in (old, new):
        entries = [Entry(path=path, size_bytes=10, etag=mark) for path, mark in files.items()]
        versions.append(add_version(embedded, "clicks", Manifest.registered(entries), "file:///lake"))
    found = diff.changes(embedded.catalog, *(version.manifest_digest for version in versions))
    assert diff.table_in_both(found) == path


def test_of_all_together_a_row_that_went_elsewhere_has_not_gone(found: Changes) -> None:
    assert told(CountedRows(found, BEFORE, AFTER).of_folder("")) == (11, 7, 1, 5)


def test_what_was_not_counted_makes_a_number_a_least_one(found: Changes) -> None:
    counted = CountedRows(found, BEFORE[:1], AFTER)
    rows = counted.of_folder("day=1")
    assert rows is not None
    assert (rows.files_before, rows.rows.counted_before, rows.is_whole) == (2, 1, False)
    assert told(rows) == (4, 3, None, None)
    assert told(counted.of_folder("day=2")) == (0, 0, None, None)


def test_large_files_that_came_or_went_are_told_by_their_number(found: Changes) -> None:
    before, after = ([replace(item, digests="") for item in side] for side in (BEFORE, AFTER))
    counted = CountedRows(found, before, after)
    assert told(counted.of_folder("day=2")) == (2, 0, 0, 2)
    assert told(counted.of_folder("day=1")) == (6, 3, None, None)


@pytest.mark.parametrize(
    ("folder", "side", "path"),
    [
        ("", Tables.OLD, "day=1/a.csv"),
        ("", Tables.NEW, "day=1/a.csv"),
        ("day=2", Tables.OLD, "day=2/a.csv"),
        ("day=2", Tables.NEW, ""),
        ("day=3", Tables.OLD, ""),
        ("day=3", Tables.NEW, "day=3/a.csv"),
        ("day=3/moved.csv", Tables.NEW, ""),
        ("no/such", Tables.NEW, ""),
    ],
)
def test_counting_begins_with_the_first_file_that_has_changed(
    found: Changes, folder: str, side: Tables, path: str
) -> None:
    assert first_table(found, folder, side) == path


def test_without_a_difference_there_is_nothing(embedded: LocalHub, found: Changes) -> None:
    entry = Entry(path="a.csv", size_bytes=1, etag="1")
    one = add_version(embedded, "other", Manifest.registered([entry]), "file:///lake").manifest_digest
    same = diff.changes(embedded.catalog, one, one)
    assert first_table(same, "", Tables.NEW) == ""
    assert CountedRows(same, BEFORE, AFTER).of_folder("") is None
    assert not found.same
