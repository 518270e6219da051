"""The parser's kernel against the plain reference, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebay.ctr.law import LawOptions, build_law, draw
from forebay.ctr.render import MAX_ROW_BYTES, render
from forebay.ctr.scan import REASONS, SHOWN_BAD_ROWS, BadRow, ScannedRows, scan
from tests.unit.ctr.reference import Bad, Row, parse_lines

GOOD_INTEGERS = st.one_of(st.just(b""), st.integers(-(2**31), 2**31 - 1).map(lambda n: str(n).encode()))
GOOD_CATEGORIES = st.one_of(st.just(b""), st.integers(0, 2**32 - 1).map(lambda n: f"{n:08x}".encode()))
ODD_INTEGERS = (b"-", b"--1", b"+1", b"1 ", b"1.0", b"2147483648", b"-2147483648", b"-2147483649", b"9" * 30, b"0" * 30)
ODD_CATEGORIES = (b"0123456", b"012345678", b"0123456g", b"ABCDEF01", b"\xff" * 8)
ODD_FIELDS = st.sampled_from([*ODD_INTEGERS, *ODD_CATEGORIES, b"\x00", b"\r", b"", b"2", b"01", b"a\tb"])


@st.composite
def lines(draw_from: st.DrawFn) -> bytes:
    fields = [draw_from(st.sampled_from([b"0", b"1"]))]
    fields += [draw_from(GOOD_INTEGERS) for _ in range(13)]
    fields += [draw_from(GOOD_CATEGORIES) for _ in range(26)]
    for _ in range(draw_from(st.sampled_from([0, 0, 0, 1, 2]))):
        fields[draw_from(st.integers(0, 39))] = draw_from(ODD_FIELDS)
    length = draw_from(st.sampled_from([40, 40, 40, 40, 39, 1, 0]))
    return b"\t".join(fields[:length]) + draw_from(st.sampled_from([b"\n", b"\n", b"\r\n"]))


def to_array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(bytearray(data), np.uint8)


def to_rows(scanned: ScannedRows) -> list[Row]:
    def values(kind: NDArray[np.generic], valid: NDArray[np.bool_], row: int) -> tuple[int | None, ...]:
        return tuple(int(v) if ok else None for v, ok in zip(kind[:, row], valid[:, row], strict=True))

    return [
        Row(
            label=int(scanned.label[row]),
            integers=values(scanned.integers, scanned.integers_valid, row),
            categories=values(scanned.categories, scanned.categories_valid, row),
        )
        for row in range(scanned.label.size)
    ]


def assert_like_reference(data: bytes) -> None:
    expected = parse_lines(data)
    bad = [row for row in expected if isinstance(row, Bad)]
    skipped = scan(to_array(data), skip_bad_rows=True)
    assert isinstance(skipped, ScannedRows)
    assert to_rows(skipped) == [row for row in expected if isinstance(row, Row)]
    assert skipped.bad_rows == tuple(sum(row.reason == reason for row in bad) for reason in REASONS)
    assert [row.reason for row in skipped.first_bad] == [row.reason for row in bad[:SHOWN_BAD_ROWS]]
    assert [data[: row.start].count(b"\n") for row in skipped.first_bad] == [
        number for number, row in enumerate(expected) if isinstance(row, Bad)
    ][:SHOWN_BAD_ROWS]
    strict = scan(to_array(data), skip_bad_rows=False)
    if not bad:
        assert isinstance(strict, ScannedRows)
        assert to_rows(strict) == to_rows(skipped)
        return
    assert isinstance(strict, BadRow)
    assert strict.reason == bad[0].reason
    assert bad[0].column in {None, strict.column}
    assert data[: strict.start].count(b"\n") == expected.index(bad[0])


@settings(max_examples=150)
@given(st.lists(lines(), max_size=9), st.booleans())
def test_like_the_reference(rows: list[bytes], drop_last_newline: bool) -> None:
    data = b"".join(rows)
    assert_like_reference(data.removesuffix(b"\n") if drop_last_newline else data)


@settings(max_examples=200)
@given(st.text(alphabet="01-\t\n\raf9", max_size=300).map(str.encode))
def test_like_the_reference_on_noise(data: bytes) -> None:
    assert_like_reference(data)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_blank_fields_are_null_and_zero_is_a_value(ending: bytes) -> None:
    row = b"1\t0" + b"\t" * 12 + b"\t00000000" + b"\t" * 25 + ending
    scanned = scan(to_array(row), skip_bad_rows=False)
    assert isinstance(scanned, ScannedRows)
    assert scanned.integers_valid[:, 0].tolist() == [True] + [False] * 12
    assert scanned.categories_valid[:, 0].tolist() == [True] + [False] * 25


def test_reads_back_what_the_generator_writes() -> None:
    drawn = draw(build_law(LawOptions(seed=3)), day=1, first_row=0, rows=2_000)
    scanned = scan(to_array(render(drawn, np.empty(2_000 * MAX_ROW_BYTES, np.uint8)).tobytes()), skip_bad_rows=False)
    assert isinstance(scanned, ScannedRows)
    np.testing.assert_array_equal(scanned.label, drawn.label)
    np.testing.assert_array_equal(scanned.integers_valid.T, drawn.integers_valid)
    np.testing.assert_array_equal(scanned.categories_valid.T, drawn.categories_valid)
    np.testing.assert_array_equal(scanned.integers.T, drawn.integers)
    np.testing.assert_array_equal(scanned.categories.T, drawn.categories)
