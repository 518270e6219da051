"""Values to bin numbers, beside the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from forebay.ctr.models.trees.bins import bins_of, coded, cuts_of, sampled

NAN = float(np.nan)


def table(*columns: list[float]) -> NDArray[np.float32]:
    return np.array(columns, np.float32).T.copy()


def test_few_values_have_a_bin_each() -> None:
    matrix = table([0, 1, 5, 5, 0, -2], [7, 7, 7, 7, 7, 7])
    cuts = cuts_of(matrix, 4)
    assert cuts.tolist() == [[0, 1, 5, np.inf], [np.inf] * 4]
    assert bins_of(cuts) == 4
    codes = coded(matrix, np.array([0, 1, 0, 1, 0, 1], np.uint8), cuts)
    assert codes.T.tolist() == [[1, 2, 3, 3, 1, 0], [0] * 6, [0, 1, 0, 1, 0, 1]]


def test_a_blank_has_a_bin_of_its_own_below_all_values() -> None:
    matrix = table([NAN, -3, 4, NAN])
    cuts = cuts_of(matrix, 2)
    assert coded(matrix, np.zeros(4, np.uint8), cuts)[:, 0].tolist() == [0, 1, 2, 0]
    assert cuts_of(table([NAN, NAN]), 2).tolist() == [[np.inf]]


@pytest.mark.parametrize("max_bin", [2, 3, 16, 255])
@pytest.mark.parametrize("blanks", [0.0, 0.3])
def test_codes_count_the_cuts_that_a_value_reaches(max_bin: int, blanks: float) -> None:
    random = np.random.default_rng(7)
    matrix = np.round(random.lognormal(2.0, 2.0, (5_000, 3))).astype(np.float32)
    matrix[random.random(matrix.shape) < blanks] = NAN
    cuts = cuts_of(matrix, max_bin)
    assert bins_of(cuts) <= max_bin + (blanks > 0.0)
    codes = coded(matrix, np.zeros(len(matrix), np.uint8), cuts)
    for column in range(3):
        slow = [sum(cut <= value for cut in cuts[column] if np.isfinite(cut)) for value in matrix[:500, column]]
        assert codes[:500, column].tolist() == slow


def test_bins_of_many_values_hold_about_as_many_rows_each() -> None:
    matrix = np.random.default_rng(3).normal(size=(40_000, 1)).astype(np.float32)
    codes = coded(matrix, np.zeros(40_000, np.uint8), cuts_of(sampled(matrix, 0.5, (1, 0)), 16))
    shares = np.bincount(codes[:, 0], minlength=16) / 40_000
    assert shares.size == 16
    assert np.abs(shares - 1 / 16).max() < 0.01


def test_a_sample_is_of_the_share_and_the_same_for_the_same_seed() -> None:
    matrix = np.arange(20_000, dtype=np.float32).reshape(-1, 2)
    first, other = (sampled(matrix, 0.3, (1, number)) for number in (0, 1))
    assert 2_800 < len(first) < 3_200
    assert np.array_equal(first, sampled(matrix, 0.3, (1, 0)))
    assert not np.array_equal(first[:100], other[:100])
    assert sampled(matrix, 1.0, (1, 0)) is matrix
