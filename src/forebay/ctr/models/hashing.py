"""A row as hashed slots: the bias, each integer's log bin, each raw category, and crosses of small categories.

Pure: the slots are a function of the row and the options alone. No dictionary is kept, whatever the cardinality: two
values that share a slot share a weight (Weinberger et al., "Feature Hashing", ICML 2009).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled
from forebay.ctr.schema import CATEGORY_COUNT, INTEGER_COUNT

FIXED_FIELDS: Final = 1 + INTEGER_COUNT + CATEGORY_COUNT
"""Places of a row that are always there, before those of crosses."""
MAX_CROSSED: Final = 10
_CROSS_FIELD: Final = 1000  # field numbers from here on name crosses
_SLOPE_FIELD: Final = 3000
_SLOPE_BINS: Final = 1.0
"""Bins per factor e: a curve over an integer for each value of a category has few rows a bin."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_U27, _U30, _U31, _U32 = (np.uint64(n) for n in (27, 30, 31, 32))
_BLANK: Final = np.uint64(1 << 40)  # no 32-bit value is this


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashing:
    """`bits`: 2^bits slots. `integer_bins`: bins per factor e of an integer. `crosses`: pairs of category fields.

    `slopes`: an integer field, in coarse bins, with a category field each: how the one counts may depend on the other.
    """

    bits: int
    integer_bins: float
    crosses: tuple[tuple[int, int], ...] = ()
    slopes: tuple[tuple[int, int], ...] = ()

    @property
    def fields(self) -> int:
        """Slots per row."""
        return FIXED_FIELDS + len(self.crosses) + len(self.slopes)

    def chosen(self, wanted: NDArray[np.bool_]) -> Hashing:
        """With those of its crosses and slopes, in this order, that are wanted."""
        pairs = list(zip((*self.crosses, *self.slopes), wanted.tolist(), strict=True))
        count = len(self.crosses)
        return dataclasses.replace(
            self,
            crosses=tuple(pair for pair, is_wanted in pairs[:count] if is_wanted),
            slopes=tuple(pair for pair, is_wanted in pairs[count:] if is_wanted),
        )

    def slots(
        self, integers: NDArray[np.float32], categories: NDArray[np.uint32], valid: NDArray[np.bool_]
    ) -> NDArray[np.uint32]:
        """(n, fields) slots of (n, 13) integers, NaN where blank, and (26, n) categories with their validity."""
        out = np.empty((integers.shape[0], self.fields), np.uint32)
        crosses, slopes = (np.array(pairs, np.int64).reshape(-1, 2) for pairs in (self.crosses, self.slopes))
        _slots(integers, categories, valid, self.integer_bins, crosses, slopes, np.uint64(64 - self.bits), out)
        return out


def hashing_for(
    categories: NDArray[np.uint32], *, bits: int, integer_bins: float, cross_at_most: int = 0, with_slopes: bool = False
) -> Hashing:
    """With the crosses of the fields that are small in these first rows; see `small_fields`. None for 0.

    And, `with_slopes`, each integer's with each of them.
    """
    small = small_fields(categories, at_most=cross_at_most) if cross_at_most else ()
    slopes = tuple(itertools.product(range(INTEGER_COUNT), small)) if with_slopes else ()
    crosses = tuple(itertools.combinations(small, 2))
    return Hashing(bits=bits, integer_bins=integer_bins, crosses=crosses, slopes=slopes)


def small_fields(categories: NDArray[np.uint32], *, at_most: int) -> tuple[int, ...]:
    """The category fields with at most `at_most` distinct values in (26, n) rows; the MAX_CROSSED smallest of them."""
    sizes = [np.unique(values).size for values in categories]
    small = sorted((size, field) for field, size in enumerate(sizes) if size <= at_most)
    return tuple(sorted(field for _, field in small[:MAX_CROSSED]))


@compiled
def _mix(x: np.uint64) -> np.uint64:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> _U30)) * _MIX_1
    x = (x ^ (x >> _U27)) * _MIX_2
    return x ^ (x >> _U31)


@compiled
def _slot(field: int, value: np.uint64, shift: np.uint64) -> np.uint32:
    return np.uint32(_mix(np.uint64(field + 1) * _GOLDEN + value) >> shift)


@compiled
def _log_bin(value: float, bins: float) -> np.uint64:
    if math.isnan(value):
        return _BLANK
    size = np.uint64(math.floor(math.log1p(abs(value)) * bins))
    return size + _U32 * _U32 if value < 0 else size


@compiled
def _slots(
    integers: Array,
    categories: Array,
    valid: Array,
    bins: float,
    crosses: Array,
    slopes: Array,
    shift: np.uint64,
    out: Array,
) -> None:
    names = np.empty(categories.shape[0], np.uint64)
    for row in range(out.shape[0]):
        out[row, 0] = _slot(0, np.uint64(0), shift)
        place = 1
        for field in range(integers.shape[1]):
            out[row, place] = _slot(place, _log_bin(integers[row, field], bins), shift)
            place += 1
        for field in range(categories.shape[0]):
            names[field] = np.uint64(categories[field, row]) if valid[field, row] else _BLANK
            out[row, place] = _slot(place, names[field], shift)
            place += 1
        for pair in range(crosses.shape[0]):
            left, right = names[crosses[pair, 0]], names[crosses[pair, 1]]
            out[row, place] = _slot(_CROSS_FIELD + pair, _mix(left + _GOLDEN) + right, shift)
            place += 1
        for pair in range(slopes.shape[0]):
            size, name = _log_bin(integers[row, slopes[pair, 0]], _SLOPE_BINS), names[slopes[pair, 1]]
            out[row, place] = _slot(_SLOPE_FIELD + pair, _mix(size + _GOLDEN) + name, shift)
            place += 1
