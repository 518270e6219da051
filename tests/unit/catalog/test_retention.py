"""Which versions are retired: what always stays, what a policy keeps, and that more of anything keeps more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.catalog.retention import DAY_S, GRACE_S, Standing, brake, check, decide, held
from forebay.errors import InputError
from forebay.wire.retention import Keep, RetentionPolicy

NOW = 1_000 * DAY_S
KEEP_3 = RetentionPolicy(dataset="clicks", keep_last=3)
OLD = Standing(number=1, size_bytes=10, created_at=NOW - 500 * DAY_S)
HELD: dict[str, Standing] = {
    "tagged": replace(OLD, tags=("prod",)),
    "in-use": replace(OLD, is_leased=True),
    "pinned": replace(OLD, is_pinned=True),
    "rule": replace(OLD, rule_id="4f9c0a"),
    "filling": replace(OLD, is_filling=True),
    "run": replace(OLD, has_run=True),
    "task": replace(OLD, has_task=True),
}

moments = st.floats(-DAY_S, 900 * DAY_S).map(lambda age: NOW - age)
standings = st.builds(
    Standing,
    number=st.integers(1, 30),
    size_bytes=st.just(1),
    created_at=moments,
    restored_at=st.just(0.0) | moments,
    last_used_at=st.just(0.0) | moments,
    tags=st.sampled_from(((), (), (), ("prod",))),
    is_leased=st.sampled_from((False, False, True)),
    is_pinned=st.sampled_from((False, False, True)),
    rule_id=st.sampled_from(("", "", "4f9c0a")),
    is_filling=st.sampled_from((False, False, True)),
    has_run=st.sampled_from((False, False, True)),
    has_task=st.sampled_from((False, False, True)),
    is_behind=st.sampled_from((False, False, True)),
)
lines = st.lists(standings, max_size=12, unique_by=lambda item: item.number)
policies = st.builds(
    RetentionPolicy,
    dataset=st.just("clicks"),
    keep_last=st.none() | st.integers(1, 12),
    keep_days=st.none() | st.floats(0.1, 800.0),
)


def retiring(
    policy: RetentionPolicy, found: Sequence[Standing], now: float = NOW, grace_s: float = GRACE_S
) -> set[int]:
    return {fate.number for fate in decide(policy, found, now, grace_s) if fate.retires}


def aged(*days: float) -> list[Standing]:
    """v1, v2, ... made so long ago."""
    return [Standing(number=index + 1, size_bytes=10, created_at=NOW - age * DAY_S) for index, age in enumerate(days)]


def test_what_is_beyond_the_newest_and_too_old_goes() -> None:
    found = aged(400, 300, 200, 20, 10)
    assert retiring(RetentionPolicy(dataset="clicks", keep_last=2), found) == {1, 2, 3}
    assert retiring(RetentionPolicy(dataset="clicks", keep_days=250), found) == {1, 2}
    assert retiring(RetentionPolicy(dataset="clicks", keep_last=4, keep_days=15), found) == {1}
    assert retiring(RetentionPolicy(dataset="clicks", keep_last=1, keep_days=100), found) == {1, 2, 3}


def test_of_a_dataset_nobody_adds_to_the_newest_version_stays() -> None:
    assert retiring(RetentionPolicy(dataset="clicks", keep_days=1), aged(400, 300)) == {1}


@pytest.mark.parametrize("keep", HELD)
def test_what_is_named_or_needed_stays_whatever_the_policy(keep: str) -> None:
    (fate,) = [fate for fate in decide(KEEP_3, [HELD[keep], *_newer()], NOW) if fate.number == 1]
    assert (fate.keep, fate.retires) == (Keep(keep), False)
    assert held(HELD[keep]) == (fate.keep, fate.reason)


def test_what_a_tagged_version_was_made_from_stays_and_may_go_by_hand() -> None:
    behind = replace(OLD, is_behind=True)
    assert retiring(KEEP_3, [behind, *_newer()]) == set()
    assert held(behind) is None


def test_what_was_just_used_or_restored_stays_for_the_grace() -> None:
    for name in ("last_used_at", "restored_at"):
        lately = replace(OLD, **{name: NOW - GRACE_S + 1})  # type: ignore[arg-type]
        assert retiring(KEEP_3, [lately, *_newer()]) == set()
        assert retiring(KEEP_3, [lately, *_newer()], now=NOW + 2) == {1}
        kept = RetentionPolicy(dataset="clicks", keep_last=3, keep_days=30)
        assert retiring(kept, [lately, *_newer()], now=NOW + 20 * DAY_S) == set()


def test_each_fate_has_its_reason() -> None:
    found = [replace(aged(400)[0], number=1), replace(aged(300)[0], number=2, last_used_at=NOW - 3600), *_newer()]
    told = {fate.ref: fate.reason for fate in decide(KEEP_3, found, NOW)}
    assert told["clicks@v1"] == "older than the newest 3, made 400 days ago"
    assert told["clicks@v2"] == "it was used 1 h ago"
    assert told["clicks@v12"] == "it is among the newest 3"


def test_BRAKE_many_at_once_are_asked_for() -> None:
    few, many = aged(*[400] * 3, 1), aged(*[400] * 4, 1)
    policy = RetentionPolicy(dataset="clicks", keep_last=1)
    assert brake(decide(policy, few, NOW)) == ""
    assert brake(decide(policy, many, NOW)) == "4 of 5 versions would go at once"
    assert brake(decide(RetentionPolicy(dataset="clicks", keep_last=15), aged(*[400] * 20), NOW)) == ""


@pytest.mark.parametrize("bad", [{"keep_last": 0}, {"keep_last": -1}, {"keep_days": 0.0}, {"keep_days": float("nan")}])
def test_a_policy_that_makes_no_sense_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError) as caught:
        check(RetentionPolicy(dataset="clicks", **bad))  # type: ignore[arg-type]
    assert caught.value.kind == "bad-retention"


@given(policies, lines)
def test_IN_USE_nothing_that_is_held_is_ever_retired(policy: RetentionPolicy, found: list[Standing]) -> None:
    going = retiring(policy, found)
    assert not going & {item.number for item in found if held(item) or item.is_behind}
    if found:
        assert max(item.number for item in found) not in going


@given(policies, lines)
def test_without_a_policy_nothing_goes(policy: RetentionPolicy, found: list[Standing]) -> None:
    assert retiring(RetentionPolicy(dataset="clicks"), found) == set()
    assert len(decide(policy, found, NOW)) == len(found)


@given(policies, lines, st.integers(0, 5), st.floats(0.0, 50.0))
def test_a_policy_that_keeps_more_retires_no_more(
    policy: RetentionPolicy, found: list[Standing], more: int, days: float
) -> None:
    last, kept_days = policy.keep_last, policy.keep_days
    wider = replace(
        policy,
        keep_last=last if last is None else last + more,
        keep_days=kept_days if kept_days is None else kept_days + days,
    )
    assert retiring(wider, found) <= retiring(policy, found)


@given(policies, lines, st.floats(0.0, 50.0 * DAY_S))
def test_time_retires_more_and_a_clock_set_back_keeps_more(
    policy: RetentionPolicy, found: list[Standing], passed_s: float
) -> None:
    assert retiring(policy, found) <= retiring(policy, found, now=NOW + passed_s)


@given(policies, lines)
def test_what_was_decided_once_is_not_decided_again(policy: RetentionPolicy, found: list[Standing]) -> None:
    """Retired versions count no more, and those that stay still stay."""
    going = retiring(policy, found)
    assert retiring(policy, [item for item in found if item.number not in going]) == set()


def _newer() -> list[Standing]:
    return [replace(OLD, number=number) for number in (10, 11, 12)]
