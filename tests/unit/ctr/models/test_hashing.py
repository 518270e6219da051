"""Rows as slots."""

from __future__ import annotations

import numpy as np

from forebay.ctr.models.hashing import Hashing, hashing_for, small_fields

HASHING = Hashing(bits=20, integer_bins=2.0, crosses=((0, 1), (1, 2)))
INTEGERS = np.zeros((2, 13), np.float32)
CATEGORIES = np.zeros((26, 2), np.uint32)
VALID = np.ones((26, 2), np.bool_)


def slots(integer: float = 0.0, category: int = 0, *, is_blank: bool = False, hashing: Hashing = HASHING) -> list[int]:
    """Of a row whose first integer and second category are given."""
    integers, categories, valid = INTEGERS.copy(), CATEGORIES.copy(), VALID.copy()
    integers[1, 0], categories[1, 1], valid[1, 1] = integer, category, not is_blank
    found: list[int] = hashing.slots(integers, categories, valid)[1].tolist()
    return found


def changed(left: list[int], right: list[int]) -> list[int]:
    return [place for place, (one, other) in enumerate(zip(left, right, strict=True)) if one != other]


def test_a_value_changes_its_own_slot_and_its_crosses() -> None:
    assert len(slots()) == HASHING.fields == 1 + 13 + 26 + 2
    assert changed(slots(), slots(integer=100.0)) == [1]
    assert changed(slots(), slots(category=7)) == [1 + 13 + 1, 40, 41]


def test_a_blank_is_a_value_of_its_own() -> None:
    assert changed(slots(), slots(is_blank=True)) == [1 + 13 + 1, 40, 41]
    assert changed(slots(), slots(integer=float("nan"))) == [1]
    assert slots(is_blank=True) == slots(category=5, is_blank=True)


def test_integers_share_a_logarithmic_bin_and_signs_do_not() -> None:
    assert slots(integer=1000.0) == slots(integer=1001.0)
    assert slots(integer=1000.0) != slots(integer=3000.0)
    assert slots(integer=-3.0) != slots(integer=3.0)


def test_the_same_value_of_two_fields_has_two_slots() -> None:
    assert len(set(slots())) == HASHING.fields  # all values are 0; a collision among 42 of 2^20 would be ill luck


def test_the_smallest_fields_are_crossed() -> None:
    categories = np.tile(np.arange(100, dtype=np.uint32), (26, 1))
    categories[3] %= 5
    categories[7] %= 10
    assert small_fields(categories, at_most=10) == (3, 7)
    assert small_fields(categories, at_most=9) == (3,)
    assert small_fields(categories, at_most=100) == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)


def test_the_first_rows_say_what_is_crossed() -> None:
    categories = np.tile(np.arange(100, dtype=np.uint32), (26, 1))
    for field in (3, 7, 9):
        categories[field] %= 5
    crossed = hashing_for(categories, bits=20, integer_bins=2.0, cross_at_most=10)
    assert crossed == Hashing(bits=20, integer_bins=2.0, crosses=((3, 7), (3, 9), (7, 9)))
    assert hashing_for(categories, bits=20, integer_bins=2.0).crosses == ()


def test_slopes_are_of_coarse_bins_with_a_category() -> None:
    with_slopes = Hashing(bits=20, integer_bins=2.0, crosses=((0, 1),), slopes=((0, 1), (3, 5)))
    assert with_slopes.fields == 1 + 13 + 26 + 1 + 2
    assert changed(slots(hashing=with_slopes), slots(integer=100.0, hashing=with_slopes)) == [1, 41]
    assert changed(slots(hashing=with_slopes), slots(category=7, hashing=with_slopes)) == [1 + 13 + 1, 40, 41]
    within = (slots(integer=size, hashing=with_slopes) for size in (500.0, 1000.0))
    assert changed(*within) == [1], "of one coarse bin, and of two fine ones"


def test_some_crosses_and_slopes_are_kept() -> None:
    categories = np.tile(np.arange(100, dtype=np.uint32), (26, 1))
    for field in (3, 7):
        categories[field] %= 5
    whole = hashing_for(categories, bits=20, integer_bins=2.0, cross_at_most=10, with_slopes=True)
    assert (whole.crosses, len(whole.slopes)) == (((3, 7),), 26)
    wanted = np.zeros(27, np.bool_)
    wanted[[0, 2]] = True
    kept = whole.chosen(wanted)
    assert (kept.crosses, kept.slopes) == (((3, 7),), ((0, 7),))
