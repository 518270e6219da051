"""Which replicas go: nothing in use whatever the pressure, a reason for every decision, enough freed when it can be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.policy import Candidate, Candidates, Decisions, Policy, Rule, TeamQuota, decide, score
from forebay.cache.shares import Shares
from forebay.cache.trial import Trial
from forebay.wire.cache import Quota, Replica, ReplicaState
from tests.unit.cache.contents import held, held_alone
from tests.unit.cache.plain_policy import PlainChoice

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
            team=draw(st.sampled_from(("", "ads", "maps"))),
            stale_after_s=draw(st.sampled_from((None, None, 0.0, DAY, 20 * DAY))),
            release_at=draw(st.sampled_from((0.0, 0.0, NOW - DAY, NOW, NOW + DAY))),
        )
        alone = draw(st.integers(0, 1000))
        bandwidth = draw(st.floats(0.0, 1e6))
        found.append(Candidate(replica=replica, alone_bytes=alone, bandwidth_bytes_s=bandwidth))
    return found


policies = st.builds(
    Policy,
    stale_after_s=st.none() | st.floats(60.0, 20 * DAY),
    grace_s=st.floats(0.0, 2 * DAY),
    high_mark=st.just(0.9),
    low_mark=st.just(0.8),
)
byte_counts = st.integers(0, 5000)


def columns(found: list[Candidate], shares: Shares | None = None) -> Candidates:
    alone = Trial.apart([item.alone_bytes for item in found])
    return Candidates(
        replicas=[item.replica for item in found],
        bandwidths_bytes_s=[item.bandwidth_bytes_s for item in found],
        trial=alone if shares is None else within(found, shares),
    )


def within(found: list[Candidate], shares: Shares) -> Trial:
    return shares.trial(item.replica.ref for item in found)


def decided(
    found: list[Candidate], policy: Policy, used: int = 0, missing: int = 0, shares: Shares | None = None
) -> Decisions:
    candidates = columns(found, shares)
    return decide(candidates, policy, used_bytes=used, limit_bytes=4000, missing_bytes=missing, now=NOW)


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
    old = Candidate(replica=replace(REPLICA, last_used_at=NOW - 8 * DAY), alone_bytes=1)
    new = Candidate(replica=replace(REPLICA, number=2, since=NOW - 10), alone_bytes=1)
    stale, young = decided([new, old], Policy(), missing=5)
    assert (stale.rule, stale.reason) == (Rule.STALE, "idle for 8 days, longer than 7 days")
    assert (young.rule, young.evict) == (Rule.GRACE, False)


def test_grace_does_not_last_as_long_as_a_jump_of_the_clock() -> None:
    """What came "in an hour" came before the hub's clock was set back by one."""
    far, near = (Candidate(replica=replace(REPLICA, since=NOW + ahead_s), alone_bytes=1) for ahead_s in (3600.0, 5.0))
    assert [item.rule for item in decided([far], Policy(), missing=1)] == [Rule.SPACE]
    (kept,) = decided([near], Policy(), missing=1)
    assert (kept.rule, kept.reason) == (Rule.GRACE, "it came 0 s ago (grace 10 min)")


def test_what_frees_nothing_by_itself_goes_last() -> None:
    shared = Candidate(replica=REPLICA, alone_bytes=0)
    alone = Candidate(replica=replace(REPLICA, number=2), alone_bytes=100, bandwidth_bytes_s=1.0)
    decisions = decided([shared, alone], Policy(), missing=50)
    assert [item.candidate.replica.number for item in decisions if item.evict] == [2]


def test_the_worth_of_keeping_falls_with_idleness_and_rises_with_the_cost_of_a_refill() -> None:
    one = Candidate(replica=REPLICA, alone_bytes=2**20, bandwidth_bytes_s=1e5)
    idle = replace(one, replica=replace(REPLICA, last_used_at=NOW - 3 * DAY))
    dear = replace(one, bandwidth_bytes_s=1e4)
    policy = Policy()
    assert score(idle, policy, NOW) < score(one, policy, NOW) < score(dear, policy, NOW)


def test_how_many_use_it_is_said_with_what_is_counted() -> None:
    for leases, told in ((1, "it is in use: 1 lease"), (2, "it is in use: 2 leases")):
        (decision,) = decided([Candidate(replica=replace(REPLICA, leases=leases), alone_bytes=1)], Policy())
        assert (decision.rule, decision.reason) == (Rule.IN_USE, told)


def test_an_interrupted_eviction_is_taken_up_again() -> None:
    begun = replace(REPLICA, state=ReplicaState.EVICTING, since=NOW - 11, reason="full")
    (decision,) = decided([Candidate(replica=begun, alone_bytes=1)], Policy())
    assert (decision.evict, decision.rule) == (True, Rule.INTERRUPTED)
    fresh = replace(begun, since=NOW - 9)
    (decision,) = decided([Candidate(replica=fresh, alone_bytes=1)], Policy())
    assert (decision.evict, decision.rule) == (False, Rule.BUSY)


@st.composite
def sharers(draw: st.DrawFn) -> tuple[list[Candidate], dict[str, dict[str, int]]]:
    """Candidates that share contents, and what each holds."""
    found = draw(candidates())
    pool = {f"c{number}": draw(st.integers(1, 400)) for number in range(6)}
    holders = {
        item.replica.ref: {name: pool[name] for name in sorted(draw(st.sets(st.sampled_from(sorted(pool)))))}
        for item in found
    }
    alone = within(found, shared(holders)).alone_bytes
    return [replace(item, alone_bytes=size) for item, size in zip(found, alone, strict=True)], holders


def shared(holders: dict[str, dict[str, int]]) -> Shares:
    return Shares({ref: ("g", held(contents)) for ref, contents in holders.items()})


def refs(decisions: Decisions) -> list[str]:
    return [item.candidate.replica.ref for item in decisions.going]


@given(sharers(), policies, byte_counts, byte_counts)
def test_what_is_shared_counts_once_and_enough_is_freed_when_it_can_be(
    given_: tuple[list[Candidate], dict[str, dict[str, int]]], policy: Policy, used: int, missing: int
) -> None:
    found, holders = given_
    decisions = decided(found, policy, used, missing, shared(holders))
    going = refs(decisions)
    assert decisions.freed_bytes == held_alone(holders, going) == sum(item.frees_bytes for item in decisions.going)
    for count, item in enumerate(decisions.going, 1):
        before = held_alone(holders, going[: count - 1])
        assert item.frees_bytes == held_alone(holders, going[:count]) - before, "a decision says what it frees in turn"
    target = max(missing, used - 3200 if used > 3600 else 0)
    may_go = (Rule.KEPT, Rule.SPACE, Rule.STALE, Rule.DAMAGED, Rule.INTERRUPTED)
    possible = held_alone(holders, [item.candidate.replica.ref for item in decisions if item.rule in may_go])
    assert decisions.freed_bytes >= min(target, possible)
    for_space = [item for item in decisions.going if item.rule is Rule.SPACE]
    if for_space:
        assert decisions.freed_bytes - for_space[-1].frees_bytes < target, "and the last one was needed"


@given(sharers(), policies, byte_counts, byte_counts, byte_counts)
def test_who_needs_more_takes_what_who_needs_less_does_and_perhaps_more(
    given_: tuple[list[Candidate], dict[str, dict[str, int]]], policy: Policy, used: int, some: int, more: int
) -> None:
    found, holders = given_
    less = refs(decided(found, policy, used, min(some, more), shared(holders)))
    most = refs(decided(found, policy, used, max(some, more), shared(holders)))
    assert most[: len(less)] == less


@given(sharers(), policies, st.integers(0, 1500), byte_counts, byte_counts)
def test_a_team_over_its_quota_loses_its_own_and_nobody_elses(
    given_: tuple[list[Candidate], dict[str, dict[str, int]]], policy: Policy, limit: int, missing: int, used: int
) -> None:
    found, holders = given_
    own = {item.replica.ref: holders[item.replica.ref] for item in found if item.replica.team == "ads"}
    team = shared(own)
    quota = TeamQuota(
        quota=Quota(volume_id="v", team="ads", limit_bytes=limit),
        held_bytes=team.held_bytes,
        trial=within(found, team),
        missing_bytes=missing,
    )
    held_bytes = team.held_bytes
    decisions = decide(
        columns(found, shared(holders)),
        policy,
        used_bytes=0,
        limit_bytes=4000,
        missing_bytes=0,
        now=NOW,
        quotas=[quota],
    )
    without = set(refs(decided(found, policy)))
    for item in decisions:
        replica = item.candidate.replica
        if item.rule is Rule.QUOTA:
            assert replica.team == "ads"
            assert not replica.leases
            assert not replica.pinned_by
            assert item.reason.startswith("the team ads holds ")
        assert item.evict == (replica.ref in without or item.rule is Rule.QUOTA)
    going = [ref for ref in refs(decisions) if ref in own]
    over = max(held_bytes - limit, missing)
    may_go = [
        item.candidate.replica.ref
        for item in decisions
        if item.candidate.replica.ref in own and (item.evict or item.rule is Rule.KEPT)
    ]
    assert decisions.team_freed_bytes("ads") == held_alone(own, going) >= min(over, held_alone(own, may_go))
    last = [item for item in decisions.going if item.rule is Rule.QUOTA][-1:]
    for item in last:
        rest = [ref for ref in going if ref != item.candidate.replica.ref]
        assert held_alone(own, rest) < over, "no more of it than needed"


@given(sharers(), policies, st.integers(0, 1500), byte_counts, byte_counts, byte_counts)
def test_the_plain_way_chooses_the_very_same(
    given_: tuple[list[Candidate], dict[str, dict[str, int]]],
    policy: Policy,
    limit: int,
    team_missing: int,
    used: int,
    missing: int,
) -> None:
    found, holders = given_
    quotas = []
    for team, lacks in (("ads", team_missing), ("maps", 0)):
        own = {item.replica.ref: holders[item.replica.ref] for item in found if item.replica.team == team}
        shares = shared(own)
        quota = Quota(volume_id="v", team=team, limit_bytes=limit)
        trial = within(found, shares)
        quotas.append(
            (TeamQuota(quota=quota, held_bytes=shares.held_bytes, trial=trial, missing_bytes=lacks), own),
        )
    decisions = decide(
        columns(found, shared(holders)),
        policy,
        used_bytes=used,
        limit_bytes=4000,
        missing_bytes=missing,
        now=NOW,
        quotas=[quota for quota, _ in quotas],
    )
    plain = PlainChoice(candidates=found, holders=holders, policy=policy, now=NOW, going={})
    plain.choose(max(missing, used - 3200 if used > 3600 else 0), quotas)
    going = {item.candidate.replica.ref: (item.rule, item.frees_bytes) for item in decisions.going}
    assert list(going.items()) == list(plain.going.items())
    for item in decisions:
        if not item.evict:
            assert item.rule is plain.rule(item.candidate)
            assert item.frees_bytes == held_alone(holders, [*going, item.candidate.replica.ref]) - decisions.freed_bytes
    assert {item.candidate.replica.ref: item.candidate for item in decisions} == {
        item.replica.ref: item for item in found
    }


def test_many_go_in_the_order_of_a_plain_sort() -> None:
    """More than are sorted at a time, some of one worth; more and more is wanted, up to all of it."""
    idle_s = [(number * 7919 % 4999) * 100.0 for number in range(5000)]
    found = [
        Candidate(replica=replace(REPLICA, number=number + 1, last_used_at=NOW - (idle // 300) * 300), alone_bytes=1)
        for number, idle in enumerate(idle_s)
    ]
    policy = Policy(stale_after_s=None)
    plain = [item.replica.ref for item in sorted(found, key=lambda item: score(item, policy, NOW))]
    for missing in (1, 255, 256, 257, 900, 2600, 4999, 5000, 6000):
        assert refs(decided(found, policy, missing=missing)) == plain[:missing]


def test_a_dataset_may_have_a_stale_age_of_its_own() -> None:
    kept = replace(REPLICA, last_used_at=NOW - 300 * DAY, stale_after_s=0.0)
    longer = replace(REPLICA, number=2, last_used_at=NOW - 8 * DAY, stale_after_s=30 * DAY)
    shorter = replace(REPLICA, number=3, last_used_at=NOW - 3 * DAY, stale_after_s=2 * DAY)
    decisions = decided([Candidate(replica=item, alone_bytes=1) for item in (kept, longer, shorter)], Policy())
    told = {item.candidate.replica.number: (item.rule, item.reason) for item in decisions}
    assert told[1] == (
        Rule.KEPT,
        "idle for 300 days; stale age is off (set for clicks), it goes only when its space is needed",
    )
    assert told[2] == (Rule.KEPT, "idle for 8 days; goes in 22 days (set for clicks) if nobody uses it")
    assert told[3] == (Rule.STALE, "idle for 3 days, longer than 2 days (set for clicks)")
    off = decided([Candidate(replica=shorter, alone_bytes=1)], Policy(stale_after_s=None))
    assert off[0].rule is Rule.STALE, "its own age stands where the site has none"


def test_what_comes_back_fast_goes_first() -> None:
    fast = Candidate(replica=REPLICA, alone_bytes=100, bandwidth_bytes_s=1e9)
    slow = Candidate(replica=replace(REPLICA, number=2), alone_bytes=100, bandwidth_bytes_s=1e6)
    assert refs(decided([slow, fast], Policy(), missing=50)) == ["clicks@v1"]
    assert (fast.refill_seconds, slow.refill_seconds) == (1e-7, 1e-4)


def test_what_only_the_pinned_share_frees_nothing_and_stays() -> None:
    pinned = replace(REPLICA, number=2, pinned_by="ada")
    holders = {"clicks@v1": {"c": 100}, "clicks@v2": {"c": 100}}
    found = [Candidate(replica=item, alone_bytes=0) for item in (REPLICA, pinned)]
    assert refs(decided(found, Policy(), missing=50, shares=shared(holders))) == []


def test_two_that_share_all_go_together_when_nothing_else_is_left() -> None:
    other = replace(REPLICA, number=2)
    holders = {"clicks@v1": {"c": 100}, "clicks@v2": {"c": 100}}
    found = [Candidate(replica=item, alone_bytes=0) for item in (REPLICA, other)]
    decisions = decided(found, Policy(), missing=50, shares=shared(holders))
    assert [item.frees_bytes for item in decisions.going] == [0, 100]
    assert decisions[:1] == decisions.going[:1]
    assert decisions.of("clicks@v3") is None


def test_what_was_lost_stays_noted_until_it_is_stale_or_pinned_or_leased() -> None:
    lost = replace(REPLICA, state=ReplicaState.DAMAGED, reason="its volume was lost", last_used_at=NOW - DAY)
    cases = {
        Rule.LOST: lost,
        Rule.DAMAGED: replace(lost, last_used_at=NOW - 8 * DAY),
        Rule.PINNED: replace(lost, pinned_by="ada"),
        Rule.IN_USE: replace(lost, leases=1),
    }
    for rule, replica in cases.items():
        found = columns([Candidate(replica=replica, alone_bytes=0)])
        some, none = (
            decide(replace(found, lost=refs), Policy(), used_bytes=0, limit_bytes=1, missing_bytes=1, now=NOW)[0]
            for refs in (frozenset({replica.ref}), frozenset[str]())
        )
        assert (some.rule, some.evict) == (rule, rule is Rule.DAMAGED)
        assert none.rule is (Rule.DAMAGED if rule is Rule.LOST else rule), "with files there it goes at once"
        if rule is Rule.LOST:
            assert some.reason == "its volume was lost; nothing of it is here that could go"


def test_what_is_retired_says_when_it_goes() -> None:
    retired = replace(REPLICA, since=NOW - 44, last_used_at=NOW - 44, release_at=NOW + 3 * DAY)
    told = {
        "it came 44 s ago (grace 10 min); its version is retired: it goes in 3 days": retired,
        "idle for 44 s; its version is retired: it goes in 3 days": replace(retired, since=NOW - DAY),
        "idle for 6 days; its version is retired: it goes in 24 h": replace(
            retired, since=NOW - 6 * DAY, last_used_at=NOW - 6 * DAY
        ),
    }
    for reason, replica in told.items():
        (decision,) = decided([Candidate(replica=replica, alone_bytes=100)], Policy())
        assert decision.reason == reason
    (decision,) = decided(
        [Candidate(replica=replace(retired, since=NOW - DAY), alone_bytes=1)], Policy(stale_after_s=None)
    )
    assert decision.reason == "idle for 44 s; its version is retired: it goes in 3 days"


@pytest.mark.parametrize(("release_at", "rule"), [(NOW + 1, Rule.LOST), (NOW, Rule.DAMAGED)])
@pytest.mark.parametrize("stale_after_s", [7 * DAY, None])
def test_what_was_lost_and_is_retired_is_noted_until_it_is_released(
    release_at: float, rule: Rule, stale_after_s: float | None
) -> None:
    retired = replace(REPLICA, state=ReplicaState.DAMAGED, reason="its volume was lost", release_at=release_at)
    found = replace(columns([Candidate(replica=retired, alone_bytes=0)]), lost=frozenset({retired.ref}))
    policy = Policy(stale_after_s=stale_after_s)
    (decided,) = decide(found, policy, used_bytes=0, limit_bytes=1, missing_bytes=0, now=NOW)
    assert (decided.rule, decided.evict) == (rule, rule is Rule.DAMAGED)
