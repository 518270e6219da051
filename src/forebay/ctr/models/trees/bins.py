"""Values to bin numbers: at most 255 bins a column, cut at quantiles of a sample of the rows. Pure.

Bin k holds the values from cut k - 1 on and below cut k. NaN is in bin 0, alone where the sample has one: a blank is
less than every value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled

SAMPLE_ROWS: Final = 1 << 17
"""A cut is then off by about 0.1 % of the rows."""

Cuts = NDArray[np.float32]
"""(columns, a power of two), ascending, filled up with infinity; the last of a column is always that."""
Codes = NDArray[np.uint8]
"""(n, columns + 1): bin numbers, and the label at last."""


def sampled(matrix: NDArray[np.float32], share: float, seed: Sequence[int]) -> NDArray[np.float32]:
    """About `share` of the rows of (n, columns)."""
    if share >= 1.0:
        return matrix
    return matrix[np.random.default_rng(seed).random(len(matrix), np.float32) < share]


def cuts_of(sample: NDArray[np.float32], max_bin: int) -> Cuts:
    """The cuts of (n, columns) rows; a column of at most `max_bin` values has a bin for each."""
    found = [_column_cuts(column, max_bin) for column in sample.T]
    most = max(each.size for each in found)
    cuts = np.full((len(found), 1 << most.bit_length()), np.inf, np.float32)
    for row, each in zip(cuts, found, strict=True):
        row[: each.size] = each
    return cuts


def bins_of(cuts: Cuts) -> int:
    """How many bins the column with the most has."""
    return int(np.isfinite(cuts).sum(axis=1).max()) + 1


def coded(matrix: NDArray[np.float32], label: NDArray[np.uint8], cuts: Cuts) -> Codes:
    """The bin numbers of (n, columns) values, beside their (n,) labels."""
    codes = np.empty((len(matrix), len(cuts) + 1), np.uint8)
    codes[:, -1] = label
    _code(matrix, cuts, codes)
    return codes


def _column_cuts(column: NDArray[np.float32], max_bin: int) -> NDArray[np.float32]:
    ordered = np.sort(column)  # NaN at last
    values: NDArray[np.float32] = ordered[: ordered.size - np.count_nonzero(np.isnan(ordered))]
    if not values.size:
        return values
    cuts: NDArray[np.float32] = values[np.append(True, values[1:] > values[:-1])]
    if cuts.size > max_bin:
        places = np.arange(1, max_bin) * values.size // max_bin
        cuts = np.unique(np.append(values[0], values[places]))
    return cuts if values.size < column.size else cuts[1:]


@compiled
def _code(matrix: Array, cuts: Array, codes: Array) -> None:
    half = cuts.shape[1] // 2
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            value = matrix[row, column]
            at = 0
            step = half
            while step > 0:
                at += step * (cuts[column, at + step - 1] <= value)
                step //= 2
            codes[row, column] = at
