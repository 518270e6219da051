"""Compressed days: the same rows and the same line numbers as the plain file, in blocks of any size."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.generate import generate
from forebay.ctr.parse import OnBadRows, ParsedPart, parse_stream
from forebay.ctr.source import MAX_LINE_BYTES, Day, find_days
from forebay.ctr.stream import open_day, read_blocks
from forebay.errors import DamagedError, InputError
from tests.unit.ctr.reference import Row, parse_lines

GOOD = b"0\t1" + b"\t-2" * 12 + b"\t0000000f" * 26


def packed(folder: Path, data: bytes, ending: str = ".gz") -> Day:
    path = folder / f"day_0{ending}"
    path.write_bytes(gzip.compress(data) if ending == ".gz" else pa.compress(data, "zstd", asbytes=True))
    (day,) = find_days(folder)
    return day


def parse(day: Day, out: Path, *, on_bad_rows: OnBadRows = "error", block_bytes: int = 1 << 20) -> list[ParsedPart]:
    out.mkdir(exist_ok=True)
    return list(parse_stream(day, out, on_bad_rows=on_bad_rows, block_bytes=block_bytes))


@given(data=st.text(alphabet="ab\n\r", max_size=60).map(str.encode), block_bytes=st.integers(1, 20))
def test_blocks_cover_the_content_and_end_with_lines(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, block_bytes: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "stream"
    folder.mkdir(exist_ok=True)
    blocks = list(read_blocks(packed(folder, data), block_bytes=block_bytes))
    joined = b"".join(block.data for block in blocks)
    assert all(block.data for block in blocks)
    assert data.removeprefix(joined).strip(b"\r\n") == b""
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])
    content = data.rstrip(b"\r\n")
    assert joined.removesuffix(b"\n").removesuffix(b"\r") == content or b"\r" in data
    starts = [b"".join(block.data for block in blocks[:number]) for number in range(len(blocks))]
    assert [block.first_line for block in blocks] == [start.count(b"\n") + 1 for start in starts]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("block_bytes", [1_000, 1 << 20])
def test_like_the_reference_however_the_stream_is_cut(tmp_path: Path, ending: str, block_bytes: int) -> None:
    generate(tmp_path / "plain", days=1, rows_per_day=200)
    data = (tmp_path / "plain" / "day_0").read_bytes()
    parts = parse(packed(tmp_path, data, ending), tmp_path / "out", block_bytes=block_bytes)
    table = pa.concat_tables([pq.read_table(part.path) for part in parts])
    expected = [row for row in parse_lines(data) if isinstance(row, Row)]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (row.label, *row.integers, *row.categories) for row in expected
    ]
    assert (len(parts) > 1) == (block_bytes == 1_000)


@pytest.mark.parametrize("block_bytes", [50, 1 << 20])
def test_the_first_bad_row_is_named_by_its_line(tmp_path: Path, block_bytes: int) -> None:
    day = packed(tmp_path, b"\n".join([GOOD] * 6 + [b"2" + GOOD[1:]] + [GOOD] * 20))
    with pytest.raises(InputError, match=r"day_0\.gz, line 7: column 1 \(label\)") as caught:
        parse(day, tmp_path / "out", block_bytes=block_bytes)
    assert caught.value.kind == "bad-row"
    parts = parse(day, tmp_path / "out", on_bad_rows="skip", block_bytes=block_bytes)
    assert sum(part.rows for part in parts) == 26
    assert sum(part.bad_rows.total for part in parts) == 1


def test_files_of_several_members_are_read_to_their_end(tmp_path: Path) -> None:
    path = tmp_path / "day_0.gz"
    path.write_bytes(gzip.compress(GOOD + b"\n") + gzip.compress(GOOD + b"\n\n") + gzip.compress(b"\n"))
    (day,) = find_days(tmp_path)
    assert [part.rows for part in parse(day, tmp_path / "out")] == [2]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "other"])
def test_a_damaged_file_is_said_and_nothing_is_taken_for_whole(tmp_path: Path, ending: str, damage: str) -> None:
    day = packed(tmp_path, (GOOD + b"\n") * 3_000, ending)
    data = day.path.read_bytes()
    day.path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"no such format" * 9)
    with pytest.raises(DamagedError, match="day_0") as caught:
        parse(day, tmp_path / "out")
    assert caught.value.kind == "damaged-log"


def test_lines_without_an_end_and_blank_ones_without_number_stay_within_memory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: longer than"):
        list(read_blocks(packed(tmp_path, b"1\n" + b"x" * (3 * MAX_LINE_BYTES)), block_bytes=1 << 18))
    blank = packed(tmp_path, b"\n" * (3 * MAX_LINE_BYTES) + GOOD)
    blocks = list(read_blocks(blank, block_bytes=1 << 18))
    assert max(len(block.data) for block in blocks) < 2 * MAX_LINE_BYTES
    assert blocks[-1].data.endswith(GOOD)


def test_a_day_that_is_parsed_already_is_not_read_again(tmp_path: Path) -> None:
    day = packed(tmp_path, (GOOD + b"\n") * 10)
    first = parse(day, tmp_path / "out", block_bytes=300)
    day.path.unlink()
    assert parse(day, tmp_path / "out", block_bytes=300) == first


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_readers_that_take_a_file_get_the_bytes(tmp_path: Path, ending: str) -> None:
    with open_day(packed(tmp_path, GOOD * 3, ending)) as file:
        assert file.read() == GOOD * 3
