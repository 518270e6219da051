"""The life of one replica: every order of events keeps to one holder, growing tokens, and nothing in use going."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.machine import (
    DamageFound,
    Event,
    EvictAbandoned,
    EvictCancelled,
    EvictFinished,
    EvictRenewed,
    EvictRequested,
    Facts,
    FillFailed,
    FillFinished,
    FillRenewed,
    FillRequested,
    LeaseRequested,
    Verdict,
    is_held,
    latest_lease_end,
    step,
)
from forebay.wire.cache import ReplicaState

HOLD = 10.0
REFUSED = {
    Verdict.READY,
    Verdict.WAIT,
    Verdict.FENCED,
    Verdict.NOT_READY,
    Verdict.IN_USE,
    Verdict.PINNED,
}
times = st.floats(0.0, 100.0)
tokens = st.integers(0, 5)
states = st.builds(
    Facts,
    state=st.sampled_from(ReplicaState),
    token=tokens,
    held_until=times,
    live_leases=st.integers(0, 2),
    pinned=st.booleans(),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(FillRequested, now=times, hold_seconds=st.just(HOLD), next_token=st.just(6), dead_token=tokens),
    st.builds(FillRenewed, now=times, hold_seconds=st.just(HOLD), token=tokens),
    st.builds(FillFinished, token=tokens),
    st.builds(FillFailed, token=tokens, damaged=st.booleans()),
    st.builds(LeaseRequested),
    st.builds(EvictRequested, now=times, hold_seconds=st.just(HOLD), next_token=st.just(6)),
    st.builds(EvictRenewed, now=times, hold_seconds=st.just(HOLD), token=tokens),
    st.builds(EvictFinished, token=tokens),
    st.builds(EvictCancelled, token=tokens, damaged=st.booleans()),
    st.builds(EvictAbandoned, token=tokens),
    st.builds(DamageFound, token=tokens),
)
reports = (FillRenewed, FillFinished, FillFailed, EvictRenewed, EvictFinished, EvictCancelled, EvictAbandoned)


@given(states, events)
def test_a_refusal_changes_nothing(facts: Facts, event: Event) -> None:
    after, verdict = step(facts, event)
    assert (after == facts) or verdict not in REFUSED


@given(states, events)
def test_tokens_only_grow(facts: Facts, event: Event) -> None:
    after, verdict = step(facts, event)
    assert after.token >= facts.token
    granted = verdict in (Verdict.GRANTED, Verdict.TAKEN_OVER)
    assert (after.token == 6) == granted, "every grant has a new token, and nothing else has"


@given(states, events)
def test_ONE_FILL_a_live_holder_is_never_replaced(facts: Facts, event: Event) -> None:
    after, verdict = step(facts, event)
    if isinstance(event, FillRequested | EvictRequested) and facts.state in (
        ReplicaState.FILLING,
        ReplicaState.EVICTING,
    ):
        seen_dead = isinstance(event, FillRequested) and event.dead_token == facts.token
        held = is_held(facts.held_until, event.now, event.hold_seconds) and not (
            seen_dead and facts.state is ReplicaState.FILLING
        )
        assert not held or after == facts
        assert not held or verdict in REFUSED


@given(states, times, tokens)
def test_a_holder_that_was_seen_dead_is_replaced_and_no_other(facts: Facts, now: float, dead: int) -> None:
    wish = FillRequested(now=now, hold_seconds=HOLD, next_token=9, dead_token=dead)
    _, verdict = step(facts, wish)
    if facts.state is ReplicaState.FILLING:
        gone = facts.token == dead or not is_held(facts.held_until, now, HOLD)
        assert verdict is (Verdict.TAKEN_OVER if gone else Verdict.WAIT)


@given(states, events)
def test_a_report_of_another_holder_is_refused(facts: Facts, event: Event) -> None:
    if isinstance(event, reports) and event.token != facts.token:
        assert step(facts, event) == (facts, Verdict.FENCED)


@given(states, events)
def test_IN_USE_nothing_leased_or_pinned_begins_to_go(facts: Facts, event: Event) -> None:
    after, _ = step(facts, event)
    begins = after.state is ReplicaState.EVICTING and facts.state is not ReplicaState.EVICTING
    assert not (begins and (facts.live_leases or facts.pinned))


@given(states, events)
def test_VERIFIED_only_a_finished_fill_or_a_cancelled_eviction_makes_it_ready(facts: Facts, event: Event) -> None:
    after, _ = step(facts, event)
    if after.state is ReplicaState.READY and facts.state is not ReplicaState.READY:
        assert isinstance(event, FillFinished | EvictCancelled)


@given(states, events)
def test_only_what_is_ready_is_leased(facts: Facts, event: Event) -> None:
    after, _ = step(facts, event)
    assert after.live_leases == facts.live_leases or facts.state is ReplicaState.READY


@given(states, times)
def test_an_eviction_is_never_turned_into_a_fill(facts: Facts, now: float) -> None:
    if facts.state is ReplicaState.EVICTING:
        assert step(facts, FillRequested(now=now, hold_seconds=HOLD, next_token=9)) == (facts, Verdict.WAIT)


@given(now=times, granted_at=times, seconds=st.floats(1.0, 50.0))
def test_a_lease_of_this_clock_ends_in_time_and_one_of_a_far_future_does_not(
    now: float, granted_at: float, seconds: float
) -> None:
    until, latest = granted_at + seconds, latest_lease_end(now, seconds)
    assert until <= latest or granted_at > now, "what was given by now never counts as given later"
    assert until > latest or granted_at <= now + seconds, "what a clock that went back left is bounded"
