"""Days of a directory, and ranges that cut files between lines only."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr import source
from forebay.ctr.source import count_lines, find_days, plan_ranges
from forebay.ctr.stream import open_day
from forebay.errors import InputError, NotFoundError


def test_days_ascend_by_number_not_by_name(tmp_path: Path) -> None:
    for name in ("day_10.gz", "day_2", "day_0", "day_3.zst", "truth.json", ".forebay-1-day_3"):
        (tmp_path / name).touch()
    days = find_days(tmp_path)
    assert [day.number for day in days] == [0, 2, 3, 10]
    assert [day.compression for day in days] == [None, None, "zstd", "gzip"]


@pytest.mark.parametrize("name", ["day_0.bz2", "day_1.gz.tmp", "day_01", "day_x", "day_", "day_01.gz"])
def test_what_only_resembles_a_day_is_not_left_out_silently(tmp_path: Path, name: str) -> None:
    (tmp_path / "day_0").touch()
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=name) as caught:
        find_days(tmp_path)
    assert caught.value.kind == "bad-day-name"


def test_no_days_and_no_directory_are_said(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NotFoundError):
            find_days(directory)


def test_a_day_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    for name in ("day_1", "day_1.gz"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"day_1 and .*day_1\.gz") as caught:
        find_days(tmp_path)
    assert caught.value.kind == "same-day-twice"


def test_kaggles_file_is_cut_into_seven_days_of_whole_lines_in_its_order(tmp_path: Path) -> None:
    lines = [b"%d\n" % number for number in range(700)]
    (tmp_path / "train.txt").write_bytes(b"".join(lines) + b"\n\n")
    (tmp_path / "test.txt").touch()
    days = find_days(tmp_path)
    assert [day.number for day in days] == list(range(7))
    pieces = []
    for day in days:
        with open_day(day) as file:
            pieces.append(file.read())
        assert pieces[-1] == b"".join(
            day.path.read_bytes()[each.start : each.end]
            for each in plan_ranges(day.path, range_bytes=50, start=day.start, end=day.end)
        )
        assert day.size_bytes == len(pieces[-1])
    assert b"".join(pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert max(map(len, pieces)) - min(map(len, pieces)) < 10


def test_kaggles_file_may_have_fewer_lines_than_days(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"a\nb")
    assert sum(day.size_bytes for day in find_days(tmp_path)) == 3
    (tmp_path / "train.txt").touch()
    assert len(find_days(tmp_path)) == 7


@pytest.mark.parametrize(
    ("names", "kind"),
    [(["test.txt"], "no-labels"), (["train.txt.gz"], "compressed-kaggle"), (["day_0", "train.txt"], "two-sources")],
)
def test_what_cannot_be_prepared_says_what_to_do(tmp_path: Path, names: list[str], kind: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"train\.txt") as caught:
        find_days(tmp_path)
    assert (caught.value.kind, bool(caught.value.todo)) == (kind, True)


@given(data=st.text(alphabet="ab\n\r", max_size=60).map(str.encode), range_bytes=st.integers(1, 20))
def test_ranges_cover_the_content_and_begin_after_newlines(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, range_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "ranges"
    path.write_bytes(data)
    with patch.object(source, "_WINDOW", 3):
        ranges = plan_ranges(path, range_bytes=range_bytes)
    pieces = [data[each.start : each.end] for each in ranges]
    assert all(pieces)
    rest = data.removeprefix(b"".join(pieces))
    assert rest.strip(b"\r\n") == b""
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    content = data.rstrip(b"\r\n")
    assert len(b"".join(pieces)) >= len(content)
    assert b"".join(pieces).removesuffix(b"\n").removesuffix(b"\r") == content or b"\r" in data


def test_an_empty_file_has_no_range(tmp_path: Path) -> None:
    for name, text in {"empty": b"", "blank": b"\n\r\n\n"}.items():
        (tmp_path / name).write_bytes(text)
        assert plan_ranges(tmp_path / name) == ()


def test_a_file_without_newlines_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "day_0").write_bytes(b"1\n" + b"x" * (source.MAX_LINE_BYTES + 200_000))
    with pytest.raises(InputError, match="line 2: longer than") as caught:
        plan_ranges(tmp_path / "day_0", range_bytes=100)
    assert caught.value.kind == "bad-row"


@pytest.mark.parametrize(("end", "lines"), [(0, 0), (1, 0), (2, 1), (6, 3), (99, 3)])
def test_lines_are_counted_up_to_a_place(tmp_path: Path, end: int, lines: int) -> None:
    (tmp_path / "f").write_bytes(b"a\nb\nc\nd")
    assert count_lines(tmp_path / "f", end) == lines
