"""The parser's kernel: bytes of a click log to columns. Pure; no file, no line numbers, no messages.

A row is 40 tab-separated fields ended by `\\n`, `\\r\\n` or the end of the bytes. What each field may be: label `0` or
`1`; integer blank or `-?[0-9]+` within int32; category blank or exactly eight hexadecimal digits of either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, Bytes, compiled
from forebay.ctr.schema import CATEGORY_COUNT, COLUMN_COUNT, INTEGER_COUNT

REASONS: Final = ("columns", "label", "integer", "category")
"""Why a row is bad, by code: wrong number of columns, else the leftmost field that is wrong."""
SHOWN_BAD_ROWS: Final = 5

_TAB, _NEWLINE, _RETURN, _MINUS = 9, 10, 13, 45
_BAD_DIGIT: Final = 255
_FIELDS: Final = COLUMN_COUNT
_INTEGERS: Final = INTEGER_COUNT
_BLANK, _VALUE, _BAD = 0, 1, 2
_INT32_LIMIT: Final = 1 << 31


def _hex_table() -> NDArray[np.uint8]:
    table = np.full(256, _BAD_DIGIT, np.uint8)
    for value, digit in enumerate("0123456789abcdef"):
        table[ord(digit)] = table[ord(digit.upper())] = value
    return table


_HEX: Final = _hex_table()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedRows:
    """n rows by column; a value whose `valid` is False is blank and 0."""

    label: NDArray[np.uint8]
    """(n,)"""
    integers: NDArray[np.int32]
    """(13, n)"""
    integers_valid: NDArray[np.bool_]
    categories: NDArray[np.uint32]
    """(26, n)"""
    categories_valid: NDArray[np.bool_]
    bad_rows: tuple[int, ...]
    """rows left out, by reason, in the order of REASONS"""
    first_bad: tuple[BadRow, ...]
    """the first SHOWN_BAD_ROWS of them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A bad row: its bytes [start, end), why, and the column (0-based) that is wrong."""

    start: int
    end: int
    reason: str
    column: int


class Room:
    """Arrays for one range after another: fresh ones of this size cost as much as what is written to them."""

    def __init__(self) -> None:
        self._lines = 0

    def of(
        self, lines: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.bool_], NDArray[np.uint32], NDArray[np.bool_]]:
        """Label, integers, categories and their validity for so many rows, with whatever was in them."""
        if lines > self._lines:
            self._lines = lines
            self._label = np.empty(lines, np.uint8)
            self._integers = np.empty((INTEGER_COUNT, lines), np.int32)
            self._integers_valid = np.empty((INTEGER_COUNT, lines), np.bool_)
            self._categories = np.empty((CATEGORY_COUNT, lines), np.uint32)
            self._categories_valid = np.empty((CATEGORY_COUNT, lines), np.bool_)
        return (
            self._label,
            self._integers,
            self._integers_valid,
            self._categories,
            self._categories_valid,
        )


def scan(data: NDArray[np.uint8], *, skip_bad_rows: bool, room: Room | None = None) -> ScannedRows | BadRow:
    """Parse whole lines. Without `skip_bad_rows` the first bad row is the answer.

    The rows hold until the `room` is used again.
    """
    lines = _count(data, _NEWLINE) + 1
    label, integers, integers_valid, categories, categories_valid = (room or Room()).of(lines)
    counts = np.zeros(len(REASONS), np.int64)
    first = np.full((SHOWN_BAD_ROWS, 4), -1, np.int64)
    rows = _scan(data, skip_bad_rows, label, integers, integers_valid, categories, categories_valid, counts, first)
    first_bad = tuple(
        BadRow(start=start, end=end, reason=REASONS[reason], column=column)
        for start, end, reason, column in first.tolist()
        if start >= 0
    )
    if first_bad and not skip_bad_rows:
        return first_bad[0]
    return ScannedRows(
        label=label[:rows],
        integers=integers[:, :rows],
        integers_valid=integers_valid[:, :rows],
        categories=categories[:, :rows],
        categories_valid=categories_valid[:, :rows],
        bad_rows=tuple(int(count) for count in counts),
        first_bad=first_bad,
    )


@compiled
def _count(data: Bytes, byte: int) -> int:
    found = 0
    for at in range(data.size):
        found += data[at] == byte
    return found


@compiled
def _scan(
    data: Bytes, skip: bool, label: Array, integers: Array, integers_valid: Array, categories: Array,
    categories_valid: Array, counts: Array, first: Array,
) -> int:  # fmt: skip
    row = 0
    at = 0
    while at < data.size:
        after, column = _row(data, at, row, label, integers, integers_valid, categories, categories_valid)
        if column < 0:
            row += 1
            at = after
            continue
        end = _line_end(data, at)
        reason = _reason(data, at, end, column)
        seen = counts.sum()
        if seen < first.shape[0]:
            first[seen, 0], first[seen, 1], first[seen, 2], first[seen, 3] = at, end, reason, column
        counts[reason] += 1
        if not skip:
            return row
        at = end + 1
    return row


@compiled
def _row(
    data: Bytes, at: int, row: int, label: Array, integers: Array, integers_valid: Array, categories: Array,
    categories_valid: Array,
) -> tuple[int, int]:  # fmt: skip
    """Parse the row at `at` into place `row`: (where the next begins, -1), or (at, the first column that is wrong)."""
    if data[at] != 48 and data[at] != 49:
        return at, 0
    label[row] = data[at] - 48
    at += 1
    for column in range(1, _FIELDS):
        if at >= data.size or data[at] != _TAB:
            return at, column - 1
        at += 1
        if column <= _INTEGERS:
            value, at, state = _integer(data, at)
            if state == _BAD:
                return at, column
            integers[column - 1, row] = value
            integers_valid[column - 1, row] = state == _VALUE
        else:
            category, at, state = _category(data, at)
            if state == _BAD:
                return at, column
            categories[column - 1 - _INTEGERS, row] = category
            categories_valid[column - 1 - _INTEGERS, row] = state == _VALUE
    return _after_row(data, at)


@compiled
def _after_row(data: Bytes, at: int) -> tuple[int, int]:
    if at < data.size and data[at] == _RETURN:
        at += 1
    if at >= data.size:
        return at, -1
    if data[at] == _NEWLINE:
        return at + 1, -1
    return at, _FIELDS - 1


@compiled
def _integer(data: Bytes, at: int) -> tuple[int, int, int]:
    start = at
    negative = at < data.size and data[at] == _MINUS
    if negative:
        at += 1
    digits = 0
    value = 0
    while at < data.size:
        digit = np.int64(data[at]) - 48
        if digit < 0 or digit > 9:
            break
        value = min(value * 10 + int(digit), _INT32_LIMIT + 1)
        digits += 1
        at += 1
    if at == start:
        return 0, at, _BLANK
    if digits == 0 or value > _INT32_LIMIT or (value == _INT32_LIMIT and not negative):
        return 0, at, _BAD
    return (-value if negative else value), at, _VALUE


@compiled
def _category(data: Bytes, at: int) -> tuple[np.uint32, int, int]:
    """A field that ends before its eighth digit is blank or bad; what may follow it is the caller's question."""
    if at >= data.size or data[at] == _TAB or data[at] == _NEWLINE or data[at] == _RETURN:
        return np.uint32(0), at, _BLANK
    if at + 8 > data.size:
        return np.uint32(0), at, _BAD
    value = np.uint32(0)
    worst = np.uint8(0)
    for place in range(8):
        digit = _HEX[data[at + place]]
        worst |= digit
        value = np.uint32((value << np.uint32(4)) | np.uint32(digit))
    if worst == _BAD_DIGIT:
        return np.uint32(0), at, _BAD
    return value, at + 8, _VALUE


@compiled
def _line_end(data: Bytes, at: int) -> int:
    while at < data.size and data[at] != _NEWLINE:
        at += 1
    return at


@compiled
def _reason(data: Bytes, start: int, end: int, column: int) -> int:
    tabs = 0
    for at in range(start, end):
        tabs += data[at] == _TAB
    if tabs != _FIELDS - 1:
        return 0
    if column == 0:
        return 1
    return 2 if column <= _INTEGERS else 3
