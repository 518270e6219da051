"""What a table of outcomes says: ties, holes and failures among them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.compare.trial import Contender, Done, Outcome, Reason, Trial
from forebay.ctr.compare.verdicts import equal_cpu, same_algorithm, time_to_auc
from tests.unit.ctr.compare.made import ALL, OTHER, REFERENCE, TWIN, done, failed

ROWS = (100, 400)


@st.composite
def tables(draw: st.DrawFn) -> list[Outcome]:
    """Any outcome, or none, for every trial there could be."""
    told: list[Outcome] = []
    trials = [(each, rows, rounds) for each in ALL for rows in ROWS for rounds in each.rounds or (None,)]
    for contender, rows, rounds in trials:
        match draw(st.sampled_from(["absent", "failed", "done", "done", "done"])):
            case "failed":
                told.append(failed(contender, rows, draw(st.sampled_from(Reason)), rounds=rounds))
            case "done":
                # Few values, so that there are ties.
                auc, wall_s, cpu_s = (draw(st.sampled_from([0.6, 1.0, 2.0])) for _ in range(3))
                told.append(done(contender, rows, rounds=rounds, auc=auc / 2, wall_s=wall_s, cpu_s=cpu_s))
    return told


def found(table: list[Outcome], contender: Contender, rows: int) -> Outcome | None:
    usual = Trial(contender=contender.name, rows=rows, rounds=contender.usual_rounds)
    return next((outcome for outcome in table if outcome.trial == usual), None)


@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_outcomes_does_not_matter(table: list[Outcome], chance: random.Random) -> None:
    shuffled = table[:]
    chance.shuffle(shuffled)
    for rows in ROWS:
        for verdict in (same_algorithm, time_to_auc, equal_cpu):
            assert verdict(table, ALL, rows=rows, reference=REFERENCE) == verdict(
                shuffled, ALL, rows=rows, reference=REFERENCE
            )


@given(tables())
def test_every_verdict_has_figures_or_says_why_not(table: list[Outcome]) -> None:
    for rows in ROWS:
        for same in same_algorithm(table, ALL, rows=rows, reference=REFERENCE):
            assert (same.auc_difference is None) == bool(same.why)
        for sooner in time_to_auc(table, ALL, rows=rows, reference=REFERENCE):
            assert (sooner.reached is None) == bool(sooner.why)
        for equal in equal_cpu(table, ALL, rows=rows, reference=REFERENCE):
            assert (equal.trial is None) == bool(equal.why)


@given(tables())
def test_the_same_algorithm_is_judged_only_where_both_were_measured(table: list[Outcome]) -> None:
    for rows in ROWS:
        (verdict,) = same_algorithm(table, ALL, rows=rows, reference=REFERENCE)
        base, twin = found(table, REFERENCE, rows), found(table, TWIN, rows)
        assert verdict.contender == TWIN.name
        if isinstance(base, Done) and isinstance(twin, Done):
            assert verdict.auc_difference == twin.quality.auc - base.quality.auc
            assert verdict.cpu_ratio == base.cost.cpu_s / twin.cost.cpu_s
        else:
            assert verdict.why


@given(tables())
def test_time_to_auc_is_the_least_measured_one_that_reaches(table: list[Outcome]) -> None:
    for rows in ROWS:
        base = found(table, REFERENCE, rows)
        for contender, verdict in zip(ALL, time_to_auc(table, ALL, rows=rows, reference=REFERENCE), strict=True):
            if not isinstance(base, Done):
                assert verdict.why.startswith("no target")
                continue
            able = [
                each
                for each in table
                if isinstance(each, Done)
                and each.trial.contender == contender.name
                and each.trial.rows <= rows
                and each.quality.auc >= base.quality.auc
            ]
            assert (verdict.reached is None) == (not able)
            if able:
                assert verdict.wall_s == min(each.cost.wall_s for each in able)
                assert verdict.reached in [each.trial for each in able]
                assert verdict.tries_wall_s is not None
                assert verdict.tries_wall_s >= (verdict.wall_s or 0.0)


@given(tables())
def test_the_best_auc_within_the_budget_was_measured_within_it(table: list[Outcome]) -> None:
    for rows in ROWS:
        base = found(table, REFERENCE, rows)
        for contender, verdict in zip(ALL, equal_cpu(table, ALL, rows=rows, reference=REFERENCE), strict=True):
            if not isinstance(base, Done):
                assert verdict.why.startswith("no budget")
                continue
            own = [each for each in table if isinstance(each, Done) and each.trial.contender == contender.name]
            able = [each for each in own if each.cost.cpu_s <= base.cost.cpu_s]
            assert verdict.auc == max((each.quality.auc for each in able), default=None)
            if verdict.cpu_s is not None:
                assert verdict.cpu_s <= base.cost.cpu_s


def test_of_equals_the_one_with_less_is_taken() -> None:
    table: list[Outcome] = [
        done(REFERENCE, 400, auc=0.7, wall_s=8.0, cpu_s=4.0),
        done(OTHER, 400, auc=0.8, wall_s=2.0, cpu_s=3.0),
        done(OTHER, 100, auc=0.8, wall_s=2.0, cpu_s=3.0, rounds=5),
    ]
    sooner = time_to_auc(table, [OTHER], rows=400, reference=REFERENCE)[0]
    assert sooner.reached == Trial(contender="other", rows=100, rounds=5)
    assert sooner.times_sooner == 4.0
    assert sooner.tries_wall_s == 4.0
    equal = equal_cpu(table, [OTHER], rows=400, reference=REFERENCE)[0]
    assert equal.trial == Trial(contender="other", rows=100, rounds=5)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reference_without_figures_leaves_nothing_to_compare_with(reason: Reason) -> None:
    table: list[Outcome] = [failed(REFERENCE, 400, reason), done(TWIN, 400), done(OTHER, 400)]
    assert same_algorithm(table, ALL, rows=400, reference=REFERENCE)[0].why == f"reference: {reason}"
    assert time_to_auc(table, ALL, rows=400, reference=REFERENCE)[2].why == f"no target: reference: {reason}"
    assert equal_cpu(table, ALL, rows=400, reference=REFERENCE)[2].why == f"no budget: reference: {reason}"


def test_what_was_not_reached_says_how_near_it_came() -> None:
    table: list[Outcome] = [
        done(REFERENCE, 400, auc=0.7),
        done(OTHER, 400, auc=0.69),
        failed(TWIN, 400, Reason.OUT_OF_MEMORY),
    ]
    _, twin, other = time_to_auc(table, ALL, rows=400, reference=REFERENCE)
    assert other.why == "not reached: 0.6900 at best"
    assert twin.why == "twin: out-of-memory"
    assert time_to_auc(table[:1], [OTHER], rows=400, reference=REFERENCE)[0].why == "not tried"
    dear: list[Outcome] = [*table[:1], done(OTHER, 400, cpu_s=60.0)]
    assert equal_cpu(dear, [OTHER], rows=400, reference=REFERENCE)[0].why == "none within: the least was 60.0 CPU-s"
