"""Which replicas go: nothing in use whatever the pressure, a reason for every decision, enough freed when it can be."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.policy import Candidate, Decision, Policy, Rule, decide, score
from forebay.wire.cache import Replica, ReplicaState

NOW = 1_800_000_000.0
DAY = 86400.0
REPLICA = Replica(
    volume_id="v",
    dataset="clicks",
    number=1,
    group="default",
    manifest_digest="",
    state=ReplicaState.READY,
    reason="filled",
    since=NOW - DAY,
    token=1,
    files=1,
    size_bytes=100,
    fill_seconds=1.0,
    last_used_at=NOW - DAY,
    lake_confirmed_at=0.0,
    attempts=0,
    leases=0,
    pinned_by="",
    pin_reason="",
    pin_until=0.0,
)


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        pinned = draw(st.booleans())
        replica = replace(
            REPLICA,
            number=number + 1,
            state=draw(st.sampled_from([state for state in ReplicaState if state is not ReplicaState.ABSENT])),
            since=NOW - draw(st.floats(-100.0, 10 * DAY)),
            last_used_at=NOW - draw(st.floats(-100.0, 30 * DAY)),
            leases=draw(st.sampled_from((0, 0, 2))),
            pinned_by="ada" if pinned else "",
            pin_until=draw(st.sampled_from((0.0, NOW + DAY))) if pinned else 0.0,
        )
        alone = draw(st.integers(0, 1000))
        found.append(Candidate(replica=replica, alone_bytes=alone, refill_seconds=draw(st.floats(0.0, 1e4))))
    return found


policies = st.builds(
    Policy,
    stale_after_s=st.none() | st.floats(60.0, 20 * DAY),
    grace_s=st.floats(0.0, 2 * DAY),
    high_mark=st.just(0.9),
    low_mark=st.just(0.8),
)
byte_counts = st.integers(0, 5000)


def decided(found: list[Candidate], policy: Policy, used: int = 0, missing: int = 0) -> list[Decision]:
    return decide(found, policy, used_bytes=used, limit_bytes=4000, missing_bytes=missing, now=NOW)


@given(candidates(), policies, byte_counts, byte_counts)
def test_IN_USE_nothing_leased_or_pinned_is_chosen_whatever_the_pressure(
    found: list[Candidate], policy: Policy, used: int, missing: int
) -> None:
    for decision in decided(found, policy, used, missing):
        replica = decision.candidate.replica
        if replica.state in (ReplicaState.READY, ReplicaState.DAMAGED) and (replica.leases or replica.pinned_by):
            assert not decision.evict
            assert decision.rule in (Rule.IN_USE, Rule.PINNED)
        assert not (decision.evict and replica.state is ReplicaState.FILLING)


@given(candidates(), policies, byte_counts, byte_counts)
def test_every_replica_has_one_decision_with_its_reason(
    found: list[Candidate], policy: Policy, used: int, missing: int
) -> None:
    decisions = decided(found, policy, used, missing)
    assert sorted(item.candidate.replica.ref for item in decisions) == sorted(item.replica.ref for item in found)
    assert all(item.reason for item in decisions)
    assert [item.evict for item in decisions] == sorted((item.evict for item in decisions), reverse=True)


@given(candidates(), policies, byte_counts, byte_counts)
def test_enough_is_freed_when_it_can_be(found: list[Candidate], policy: Policy, used: int, missing: int) -> None:
    decisions = decided(found, policy, used, missing)
    target = max(missing, used - 3200 if used > 3600 else 0)
    may_go = (Rule.KEPT, Rule.SPACE, Rule.STALE, Rule.DAMAGED, Rule.INTERRUPTED)
    possible = sum(item.candidate.alone_bytes for item in decisions if item.rule in may_go)
    freed = sum(item.candidate.alone_bytes for item in decisions if item.evict)
    assert freed >= min(target, possible)


@given(candidates(), policies, byte_counts, byte_counts)
def test_no_more_than_needed_goes_for_space(found: list[Candidate], policy: Policy, used: int, missing: int) -> None:
    decisions = decided(found, policy, used, missing)
    target = max(missing, used - 3200 if used > 3600 else 0)
    for_space = [item for item in decisions if item.rule is Rule.SPACE]
    freed = sum(item.candidate.alone_bytes for item in decisions if item.evict)
    if for_space:
        assert freed - for_space[-1].candidate.alone_bytes < target
        staying = [item.score for item in decisions if item.rule is Rule.KEPT and item.candidate.alone_bytes]
        going = [item.score for item in for_space if item.candidate.alone_bytes]
        assert not staying or not going or max(going) <= min(staying), "the least worth goes first"


def test_idle_ones_go_and_young_ones_stay() -> None:
    old = Candidate(replica=replace(REPLICA, last_used_at=NOW - 8 * DAY), alone_bytes=1, refill_seconds=1.0)
    new = Candidate(replica=replace(REPLICA, number=2, since=NOW - 10), alone_bytes=1, refill_seconds=1.0)
    stale, young = decided([new, old], Policy(), missing=5)
    assert (stale.rule, stale.reason) == (Rule.STALE, "idle for 8 days, longer than 7 days")
    assert (young.rule, young.evict) == (Rule.GRACE, False)


def test_what_frees_nothing_by_itself_goes_last() -> None:
    shared = Candidate(replica=REPLICA, alone_bytes=0, refill_seconds=0.0)
    alone = Candidate(replica=replace(REPLICA, number=2), alone_bytes=100, refill_seconds=1e6)
    decisions = decided([shared, alone], Policy(), missing=50)
    assert [item.candidate.replica.number for item in decisions if item.evict] == [2]


def test_the_worth_of_keeping_falls_with_idleness_and_rises_with_the_cost_of_a_refill() -> None:
    one = Candidate(replica=REPLICA, alone_bytes=2**20, refill_seconds=10.0)
    idle = replace(one, replica=replace(REPLICA, last_used_at=NOW - 3 * DAY))
    dear = replace(one, refill_seconds=100.0)
    policy = Policy()
    assert score(idle, policy, NOW) < score(one, policy, NOW) < score(dear, policy, NOW)


def test_an_interrupted_eviction_is_taken_up_again() -> None:
    begun = replace(REPLICA, state=ReplicaState.EVICTING, since=NOW - 11, reason="full")
    (decision,) = decided([Candidate(replica=begun, alone_bytes=1, refill_seconds=1.0)], Policy())
    assert (decision.evict, decision.rule) == (True, Rule.INTERRUPTED)
    fresh = replace(begun, since=NOW - 9)
    (decision,) = decided([Candidate(replica=fresh, alone_bytes=1, refill_seconds=1.0)], Policy())
    assert (decision.evict, decision.rule) == (False, Rule.BUSY)
