"""Drawn rows as bytes of a click log. Pure; the inverse of the parser on valid rows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, Bytes, compiled
from forebay.ctr.law import DrawnRows
from forebay.ctr.schema import CATEGORY_COUNT, INTEGER_COUNT

MAX_ROW_BYTES: Final = 1 + INTEGER_COUNT * 12 + CATEGORY_COUNT * 9 + 1
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


def render(rows: DrawnRows, buffer: NDArray[np.uint8]) -> memoryview:
    """Write the rows to the start of `buffer` (at least rows x MAX_ROW_BYTES) and return that part of it."""
    end = _render(rows.label, rows.integers, rows.integers_valid, rows.categories, rows.categories_valid, buffer)
    return buffer[:end].data


@compiled
def _render(
    label: Array, integers: Array, integers_valid: Array, categories: Array, categories_valid: Array, out: Bytes
) -> int:
    at = 0
    for row in range(label.size):
        out[at] = 48 + label[row]
        at += 1
        for f in range(integers.shape[1]):
            out[at] = 9
            at += 1
            if integers_valid[row, f]:
                at = _decimal(out, at, integers[row, f])
        for f in range(categories.shape[1]):
            out[at] = 9
            at += 1
            if categories_valid[row, f]:
                value = categories[row, f]
                for digit in range(8):
                    out[at + digit] = _HEX[(value >> np.uint32(28 - 4 * digit)) & np.uint32(15)]
                at += 8
        out[at] = 10
        at += 1
    return at


@compiled
def _decimal(out: Bytes, at: int, value: int) -> int:
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    width = 1
    power = np.int64(10)
    while value >= power:
        width += 1
        power *= 10
    for place in range(at + width - 1, at - 1, -1):
        out[place] = 48 + value % 10
        value //= 10
    return at + width
