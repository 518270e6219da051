"""Days and their parts: the order of time is kept, and the past of a day ends before it and before the test day."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.split import Split, default_split
from forebay.errors import InputError

DAYS = st.sets(st.integers(0, 50), min_size=2, max_size=9)


@given(DAYS)
def test_each_day_has_one_part_and_the_last_one_tests(days: set[int]) -> None:
    split = default_split(list(days))
    assert split.days == tuple(sorted(days))
    assert split.test == max(days)
    assert (split.validate is None) == (len(days) == 2)


@given(DAYS)
def test_the_past_of_a_day_is_before_it_and_before_the_test(days: set[int]) -> None:
    split = default_split(list(days))
    for day in (*split.days, split.test + 1):
        past = split.past(day)
        assert all(each < day and each != split.test for each in past)
        assert set(past) == {each for each in days if each < day and each < split.test}


@given(DAYS, st.data())
def test_days_after_the_test_day_have_no_part_and_the_past_of_the_test_day(days: set[int], data: st.DataObject) -> None:
    test = data.draw(st.sampled_from(sorted(days)[1:]))
    split = default_split(list(days), test=test)
    assert split.days == tuple(day for day in sorted(days) if day <= test)
    assert all(split.past(day) == split.past(test) for day in days if day > test)


@pytest.mark.parametrize(("test", "kind"), [(0, "too-few-days"), (3, "no-such-day")])
def test_a_test_day_without_a_past_or_that_is_not_there_is_refused(test: int, kind: str) -> None:
    with pytest.raises(InputError) as caught:
        default_split([0, 1, 2], test=test)
    assert caught.value.kind == kind


def test_one_day_is_too_few() -> None:
    with pytest.raises(InputError) as caught:
        default_split([4])
    assert caught.value.kind == "too-few-days"


@pytest.mark.parametrize(
    ("train", "validate", "test"),
    [((), None, 1), ((), 1, 2), ((2,), None, 1), ((0, 2), 1, 3), ((0,), 2, 1), ((0, 0), None, 1), ((1, 0), None, 2)],
)
def test_days_out_of_order_are_refused(train: tuple[int, ...], validate: int | None, test: int) -> None:
    with pytest.raises(InputError) as caught:
        Split(train=train, validate=validate, test=test)
    assert caught.value.kind == "bad-split"
