"""Byte ranges to Parquet: the same rows however the file is cut, and errors that name the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forebay.ctr.generate import generate
from forebay.ctr.parse import BadRows, OnBadRows, ParsedPart, parse_range
from forebay.ctr.schema import COLUMNS
from forebay.ctr.source import plan_ranges
from forebay.errors import DamagedError, InputError
from tests.unit.ctr.reference import Row, parse_lines

GOOD = b"0\t1" + b"\t-2" * 12 + b"\t0000000f" * 26


def replaced(column: int, text: bytes) -> bytes:
    fields = GOOD.split(b"\t")
    fields[column] = text
    return b"\t".join(fields)


def parse_file(path: Path, *, on_bad_rows: OnBadRows = "error", range_bytes: int = 1 << 20) -> Sequence[ParsedPart]:
    return [
        parse_range(each, path.with_name(f"{number}.parquet"), on_bad_rows=on_bad_rows)
        for number, each in enumerate(plan_ranges(path, range_bytes=range_bytes))
    ]


def read_rows(parts: Sequence[ParsedPart]) -> pa.Table:
    return pa.concat_tables([pq.read_table(part.path) for part in parts])


@pytest.mark.parametrize("range_bytes", [100, 5_000, 1 << 20])
def test_like_the_reference_however_the_file_is_cut(tmp_path: Path, range_bytes: int) -> None:
    generate(tmp_path, days=1, rows_per_day=300)
    path = tmp_path / "day_0"
    parts = parse_file(path, range_bytes=range_bytes)
    table = read_rows(parts)
    expected = [row for row in parse_lines(path.read_bytes()) if isinstance(row, Row)]
    assert table.column_names == list(COLUMNS)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (row.label, *row.integers, *row.categories) for row in expected
    ]
    assert sum(part.rows for part in parts) == 300
    assert sum(part.clicks for part in parts) == sum(row.label for row in expected)


def test_columns_are_typed_and_nullable(tmp_path: Path) -> None:
    (tmp_path / "day_0").write_bytes(GOOD)
    schema = read_rows(parse_file(tmp_path / "day_0")).schema
    assert [schema.field(name).type for name in ("label", "I1", "I13", "C1", "C26")] == [
        pa.uint8(), pa.int32(), pa.int32(), pa.uint32(), pa.uint32()
    ]  # fmt: skip


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n\n"])
def test_line_ends_and_blank_lines_at_the_end_of_the_file(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "day_0").write_bytes(GOOD + (b"\r\n" if b"\r" in end else b"\n") + GOOD + end)
    parts = parse_file(tmp_path / "day_0")
    assert [(part.rows, part.bad_rows.total) for part in parts] == [(2, 0)]


def test_an_empty_file_has_no_part(tmp_path: Path) -> None:
    (tmp_path / "day_0").touch()
    assert parse_file(tmp_path / "day_0") == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replaced(0, b"2"), r"column 1 \(label\) is neither 0 nor 1: '2'"),
        (replaced(0, b""), r"column 1 \(label\)"),
        (replaced(3, b"12x4"), r"column 4 \(I3\) is no integer .*: '12x4'"),
        (replaced(13, b"99999999999"), r"column 14 \(I13\) is no integer between .*: '99999999999'"),
        (replaced(14, b"abcdefg0"), r"column 15 \(C1\) is not exactly 8 hexadecimal digits.*: 'abcdefg0'"),
        (replaced(39, b"abc"), r"column 40 \(C26\) .*: 'abc'"),
        (replaced(39, b"123456789"), r"column 40 \(C26\) .*: '123456789'"),
        (replaced(20, b"\x1b[31m\xff\x00"), r"column 21 \(C7\) .*: '\\x1b\[31m\\xff\\x00'"),
        (GOOD + b"\t", "41 columns instead of 40"),
        (GOOD[: GOOD.rindex(b"\t")], "39 columns instead of 40"),
        (b"", "1 columns instead of 40"),
    ],
)
@pytest.mark.parametrize("range_bytes", [50, 1 << 20])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_first_bad_row_is_named_by_its_line(
    tmp_path: Path, row: bytes, words: str, range_bytes: int, newline: bytes
) -> None:
    (tmp_path / "day_0").write_bytes(newline.join([GOOD] * 6 + [row] + [GOOD] * 2 + [row, GOOD]))
    with pytest.raises(InputError, match=f"day_0, line 7: {words}") as caught:
        parse_file(tmp_path / "day_0", range_bytes=range_bytes)
    assert caught.value.kind == "bad-row"


@pytest.mark.parametrize("range_bytes", [50, 1 << 20])
def test_skipped_rows_are_counted_by_reason(tmp_path: Path, range_bytes: int) -> None:
    bad = [b"", replaced(0, b"x"), replaced(1, b"x"), replaced(2, b"-"), replaced(14, b"x"), GOOD + b"\t"]
    (tmp_path / "day_0").write_bytes(b"\n".join([GOOD, *bad, GOOD, *bad, GOOD]))
    parts = parse_file(tmp_path / "day_0", on_bad_rows="skip", range_bytes=range_bytes)
    assert sum(part.rows for part in parts) == 3
    total = sum((part.bad_rows for part in parts), BadRows())
    assert total == BadRows(columns=4, label=2, integer=4, category=2)
    assert total.total == 12


def test_a_file_that_became_shorter_is_said(tmp_path: Path) -> None:
    path = tmp_path / "day_0"
    path.write_bytes(GOOD + b"\n" + GOOD)
    (planned,) = plan_ranges(path)
    path.write_bytes(GOOD)
    with pytest.raises(DamagedError, match="shorter"):
        parse_range(planned, tmp_path / "out.parquet", on_bad_rows="error")
    assert not (tmp_path / "out.parquet").exists()


def test_categories_of_few_values_are_written_as_a_dictionary(tmp_path: Path) -> None:
    few, many = COLUMNS.index("C3"), COLUMNS.index("C4")
    lines = []
    for number in range(1200):
        fields = [b"1", b"7"] + [b""] * (len(COLUMNS) - 2)
        fields[few], fields[many] = b"%08x" % (number % 250), b"%08x" % (number % 251)
        lines.append(b"\t".join(fields) + b"\n")
    path = tmp_path / "day_0"
    path.write_bytes(b"".join(lines))
    [part] = parse_file(path)
    written = pq.read_metadata(part.path).row_group(0)
    used = {name: set(written.column(place).encodings) for place, name in enumerate(COLUMNS)}
    assert "RLE_DICTIONARY" in used["C3"]
    assert "BYTE_STREAM_SPLIT" in used["C4"]
    assert "BYTE_STREAM_SPLIT" in used["I1"]
    assert "RLE_DICTIONARY" not in used["C4"] | used["I1"]
    table = read_rows([part])
    assert table["C3"].to_pylist() == [number % 250 for number in range(1200)]
    assert table["C4"].to_pylist() == [number % 251 for number in range(1200)]
