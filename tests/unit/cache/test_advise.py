"""Past uses on volumes of other sizes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.advise import Replayed, replay
from forebay.cache.policy import Policy
from forebay.wire.cache import Use

DAY = 86400.0
POLICY = Policy(high_mark=1.0)
SIZES = {"a@v1": 10, "b@v1": 20, "c@v1": 30}

uses = st.lists(st.tuples(st.sampled_from(sorted(SIZES)), st.floats(0, 3 * DAY)), max_size=20).map(
    lambda steps: used(*steps)
)


def used(*steps: tuple[str, float]) -> list[Use]:
    """Uses of versions, each so many seconds after the one before."""
    now, found = 0.0, []
    for ref, pause in steps:
        now += pause
        found.append(Use(at=now, ref=ref, size_bytes=SIZES[ref]))
    return found


def on(limit_bytes: int, past: list[Use], policy: Policy = POLICY, **stale_after_s: float) -> Replayed:
    bandwidths = {"a@v1": 10.0, "b@v1": 10.0, "c@v1": 0.0}
    return replay(past, limit_bytes, policy, bandwidths=bandwidths, stale_after_s=stale_after_s)


@given(uses)
def test_what_holds_everything_and_keeps_it_misses_each_version_once(past: list[Use]) -> None:
    found = on(60, past, Policy(high_mark=1.0, stale_after_s=None))
    distinct = {use.ref for use in past}
    assert found.uses == len(past)
    assert found.hits == len(past) - len(distinct)
    assert found.refill_bytes == sum(SIZES[ref] for ref in distinct)


@given(uses, st.integers(0, 100))
def test_hits_and_refills_add_up_on_any_size(past: list[Use], limit_bytes: int) -> None:
    found = on(limit_bytes, past)
    assert 0 <= found.hits <= found.uses == len(past)
    assert found.refill_bytes <= sum(use.size_bytes for use in past)
    assert (found.refill_bytes == 0) == (found.hits == found.uses)
    assert found.hit_rate == (found.hits / len(past) if past else 0.0)


@given(uses)
def test_a_volume_that_can_hold_nothing_finds_nothing(past: list[Use]) -> None:
    assert on(5, past).hits == 0


def test_what_is_worth_the_least_makes_room_and_comes_back_at_its_bandwidth() -> None:
    past = used(("a@v1", 0), ("b@v1", DAY), ("c@v1", DAY), ("a@v1", 60), ("b@v1", 60))
    found = on(50, past)
    assert (found.hits, found.refill_bytes) == (1, 70), "a makes room for c; then c, which comes back fast, for a"
    roomy = on(60, past)
    assert (roomy.hits, roomy.refill_bytes) == (2, 60)
    assert roomy.refill_seconds > 3.0, "1 + 2 s at 10 bytes a second, and what is assumed for the third"


def test_what_was_idle_for_too_long_is_gone_unless_its_dataset_is_kept() -> None:
    past = used(("a@v1", 0), ("a@v1", 8 * DAY), ("a@v1", DAY))
    assert on(60, past).hits == 1
    assert on(60, past, a=0.0).hits == 2
    assert on(60, past, a=3600.0).hits == 0


def test_the_high_mark_is_what_may_be_used() -> None:
    past = used(("a@v1", 0), ("b@v1", 1), ("a@v1", 1), ("b@v1", 1))
    assert on(30, past).hits == 2
    assert on(30, past, Policy(high_mark=0.9)).hits < 2
