"""Rows of files: counted, told apart where they are few, and compared between two versions."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.previews.bounds import Bounds
from forebay.previews.look import look
from forebay.previews.row_diff import Pair, RowChange, row_change
from forebay.wire.previews import FileRows, PreviewKind, RowsPreview


def counted(folder: Path, *names: str, bounds: Bounds | None = None) -> tuple[FileRows, ...]:
    found = look(PreviewKind.ROWS, {name: folder / name for name in names}, bounds)
    assert isinstance(found, RowsPreview)
    assert [item.path for item in found.files] == list(names)
    return found.files


def put(folder: Path, name: str, **columns: object) -> None:
    pq.write_table(pa.table(columns), folder / name)


def both(before: FileRows, after: FileRows) -> RowChange:
    return row_change([Pair(was=True, is_there=True, before=before, after=after)])


def told(change: RowChange) -> tuple[int | None, int | None]:
    return change.added, change.removed


def test_rows_are_counted_in_every_format(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", n=[1, 2, 3])
    (tmp_path / "b.csv").write_text('name,note\nx,"two\nlines"\n\ny,\n')
    (tmp_path / "c.tsv").write_text("1\t2\n3\t4\n")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"name\nx\n"))
    (tmp_path / "e.csv").write_text("")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    names = ("a.parquet", "b.csv", "c.tsv", "d.csv.gz", "e.csv", "torn.parquet")
    assert [item.rows for item in counted(tmp_path, *names)] == [3, 2, 2, 1, 0, None]


def test_rows_that_came_and_went_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", n=[1, 2, 2, 3], s=["x", None, None, "z"])
    put(tmp_path, "b.parquet", s=["z", None, "new"], n=[3, 2, 9])
    found = both(*counted(tmp_path, "a.parquet", "b.parquet"))
    assert found == RowChange(before=4, after=3, counted_before=1, counted_after=1, added=1, removed=2)


def test_cells_of_a_text_are_taken_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n2\n")
    (tmp_path / "b.csv").write_text("n\n2\n1\n1.5\n")
    assert told(both(*counted(tmp_path, "a.csv", "b.csv"))) == (1, 0)


def test_a_column_of_another_name_makes_other_rows(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", n=[1, 2])
    put(tmp_path, "b.parquet", m=[1, 2])
    assert told(both(*counted(tmp_path, "a.parquet", "b.parquet"))) == (2, 2)


@pytest.mark.parametrize("bounds", [Bounds(told_rows=5), Bounds(told_bytes=10)])
def test_what_is_too_large_is_counted_and_not_told_apart(tmp_path: Path, bounds: Bounds) -> None:
    put(tmp_path, "a.parquet", n=list(range(3)))
    put(tmp_path, "b.parquet", n=list(range(3)))
    before, after = counted(tmp_path, "a.parquet", "b.parquet", bounds=bounds)
    assert (before.rows, after.rows, after.digests) == (3, 3, "")
    assert told(both(before, after)) == (None, None)


def test_a_long_text_is_not_read_to_its_end(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_text("n\n" + "1\n" * 100)
    found = counted(tmp_path, "a.csv", "b.csv", "c.csv", bounds=Bounds(counted_bytes=300))
    assert [item.rows for item in found] == [100, None, None]
    assert counted(tmp_path, "a.csv", bounds=Bounds(told_rows=99))[0] == FileRows(path="a.csv", rows=100)


def test_a_damaged_part_behind_a_good_footer_is_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", n=list(range(1000)))
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[4:40] = bytes(36)
    (tmp_path / "a.parquet").write_bytes(data)
    assert counted(tmp_path, "a.parquet") == (FileRows(path="a.parquet", rows=1000),)


def test_a_file_that_came_or_went_does_so_with_all_its_rows() -> None:
    pairs = [
        Pair(was=False, is_there=True, after=FileRows(path="new", rows=70)),
        Pair(was=True, is_there=False, before=FileRows(path="old", rows=30)),
    ]
    assert row_change(pairs) == RowChange(before=30, after=70, counted_before=1, counted_after=1, added=70, removed=30)


def test_a_row_that_is_in_another_file_now_is_neither(tmp_path: Path) -> None:
    put(tmp_path, "a.parquet", n=[1, 2, 3])
    put(tmp_path, "b.parquet", n=[2, 3, 4])
    before, after = counted(tmp_path, "a.parquet", "b.parquet")
    pairs = [Pair(was=True, is_there=False, before=before), Pair(was=False, is_there=True, after=after)]
    assert told(row_change(pairs)) == (1, 1)


def test_of_files_that_nobody_counted_nothing_is_said() -> None:
    found = row_change([Pair(was=True, is_there=True, before=FileRows(path="a", rows=3))])
    assert found == RowChange(before=3, after=0, counted_before=1, counted_after=0, added=None, removed=None)


@given(st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(0, 9), max_size=30))
def test_what_came_less_what_went_is_the_difference(
    tmp_path_factory: pytest.TempPathFactory, old: list[int], new: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    put(folder, "a.parquet", n=pa.array(old, pa.int64()))
    put(folder, "b.parquet", n=pa.array(new, pa.int64()))
    found = both(*counted(folder, "a.parquet", "b.parquet"))
    assert told(found) == ((Counter(new) - Counter(old)).total(), (Counter(old) - Counter(new)).total())
