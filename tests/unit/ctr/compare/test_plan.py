"""Which trials there are, and that the way up to an AUC is measured step by step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.compare.plan import (
    check_sizes,
    default_sizes,
    full_trials,
    next_rung,
    rungs,
    share_rows,
    validation_rows,
)
from forebay.ctr.compare.trial import Outcome, Reason, Trial
from forebay.errors import InputError
from tests.unit.ctr.compare.made import ALL, OTHER, REFERENCE, done, failed

DAYS = st.dictionaries(st.integers(0, 30), st.integers(0, 1_000_000_000), min_size=1, max_size=8)


@given(DAYS, st.data())
def test_shares_add_up_and_no_day_gives_more_than_it_has(by_day: dict[int, int], data: st.DataObject) -> None:
    rows = data.draw(st.integers(0, sum(by_day.values())))
    shares = share_rows(rows, by_day)
    assert sum(shares.values()) == rows
    assert all(0 <= shares[day] <= has for day, has in by_day.items())
    total = sum(by_day.values())
    assert all(abs(shares[day] * total - rows * has) < total or not total for day, has in by_day.items())


def test_more_rows_than_there_are_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="4 of 3 rows"):
        share_rows(4, {0: 1, 1: 2})


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(2, 10**6), st.data())
def test_the_validation_day_gives_the_same_share_within_bounds(
    train_rows: int, day_rows: int, most: int, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(1, train_rows))
    given_rows = validation_rows(rows, train_rows, day_rows, most)
    assert 1 <= given_rows <= min(day_rows, most)
    if 1_000 <= given_rows < min(day_rows, most):
        assert given_rows == max(1_000, day_rows * rows // train_rows)
    else:
        assert given_rows == min(day_rows, most, max(1_000, given_rows))


@given(st.integers(1, 10**10))
def test_default_sizes_grow_and_are_there(train_rows: int) -> None:
    sizes = default_sizes(train_rows)
    assert sizes[-1] == min(train_rows, 10_000_000)
    assert list(sizes) == sorted(set(sizes))
    assert all(1 <= size <= train_rows for size in sizes)
    assert len(sizes) == 3 or train_rows < 16


def test_a_size_that_is_not_there_is_refused_and_never_extrapolated() -> None:
    assert check_sizes([30, 10, 30], 30) == (10, 30)
    for wrong in (0, 31):
        with pytest.raises(InputError) as caught:
            check_sizes([wrong], 30)
        assert caught.value.kind == "bad-size"


def test_every_contender_is_tried_on_every_size_with_its_usual_effort() -> None:
    trials = full_trials(ALL, [10, 20])
    assert len(trials) == len(set(trials)) == 6
    assert [trial.rows for trial in trials] == [10, 10, 10, 20, 20, 20]
    assert {trial.rounds for trial in trials if trial.contender == OTHER.name} == {20}


def test_rungs_climb_in_rows_then_in_rounds() -> None:
    climbed = [(rung.rows, rung.rounds) for rung in rungs(OTHER, 64_000)]
    assert climbed == [(1000, 5), (4000, 5), (16_000, 5), (64_000, 5), (64_000, 20)]
    assert [rung.rows for rung in rungs(REFERENCE, 5_000)] == [1250, 5_000]


@given(st.lists(st.sampled_from(["low", "high", "failed", "memory"]), min_size=5, max_size=5))
def test_the_climb_ends_at_the_first_rung_that_reaches_or_cannot_be_borne(fates: list[str]) -> None:
    outcomes: dict[Trial, Outcome] = {}
    made = iter(fates)
    while (rung := next_rung(OTHER, 64_000, 0.7, outcomes)) is not None:
        assert rung not in outcomes
        match next(made):
            case "low":
                outcomes[rung] = done(OTHER, rung.rows, rounds=rung.rounds, auc=0.6999)
            case "high":
                outcomes[rung] = done(OTHER, rung.rows, rounds=rung.rounds, auc=0.7)
            case "failed":
                outcomes[rung] = failed(OTHER, rung.rows, rounds=rung.rounds)
            case _:
                outcomes[rung] = failed(OTHER, rung.rows, Reason.OUT_OF_MEMORY, rounds=rung.rounds)
    tried = fates[: len(outcomes)]
    assert all(fate in {"low", "failed"} for fate in tried[:-1])
    assert len(tried) == 5 or tried[-1] in {"high", "memory"}
