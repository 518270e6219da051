"""Links: steady ones are learned, changes followed, nothing runs away, and no clock does harm."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.sites.estimate import MOST_WEIGHT, Estimate, Prior
from forebay.sites.links import (
    SIGMAS,
    SLOW_AFTER_S,
    Link,
    TransferMeasured,
    cost_byte,
    declared,
    is_slow,
    learn,
    nearer_than,
    nearest,
    recorded,
)
from forebay.wire.links import LinkRecord

NOW = 1_800_000_000.0
DAY_S = 86400.0
GB = 10**9


def _link(source: str = "lake", **given_for_it: float) -> Link:
    return declared(source, "site", **given_for_it)


def _moved(size_bytes: int, bytes_s: float, *, at: float = NOW, concurrency: float = 1.0) -> TransferMeasured:
    return TransferMeasured(at=at, moved_bytes=size_bytes, seconds=size_bytes / bytes_s, concurrency=concurrency)


def _after(link: Link, events: Sequence[TransferMeasured]) -> Link:
    for event in events:
        link = learn(link, event)
    return link


bandwidths = st.floats(1e5, 1e11)


@given(true_bytes_s=bandwidths, first_byte_s=st.floats(1e-4, 1.0))
def test_a_steady_link_is_known_after_some_fills(true_bytes_s: float, first_byte_s: float) -> None:
    chance = random.Random(0)
    link = _link()
    for number in range(20):
        moving_s = chance.uniform(5, 500)
        event = TransferMeasured(
            at=NOW + 600 * number,
            moved_bytes=max(1, int(true_bytes_s * moving_s)),
            seconds=moving_s + first_byte_s,
            first_byte_s=first_byte_s,
        )
        link = learn(link, event)
    now = NOW + 600 * 19
    assert link.bandwidth_bytes_s(now) == pytest.approx(true_bytes_s, rel=0.05)
    assert link.latency_s(now) == pytest.approx(first_byte_s, rel=0.05)


def test_one_large_fill_tells_more_than_many_small_ones() -> None:
    """A small one is mostly start-up; many of them still tell."""
    large = learn(_link(), _moved(100 * GB, 1e9))
    small = learn(_link(), _moved(10**6, 1e9))
    assert large.bandwidth_bytes_s(NOW) > 7e8
    assert small.bandwidth_bytes_s(NOW) < 1.2e8
    assert _after(_link(), [_moved(10**6, 1e9)] * 3000).bandwidth_bytes_s(NOW) > 7e8


def test_many_small_objects_do_not_make_a_link_slow() -> None:
    """10,000 objects of 20 kB at 30 ms each on 16 streams: 18.75 s of waiting, 0.2 s of bytes."""
    event = TransferMeasured(
        at=NOW, moved_bytes=200 * 10**6, seconds=18.95, objects=10_000, streams=16, first_byte_s=0.03
    )
    link = _after(_link(bandwidth_bytes_s=1e9), [event] * 5)
    assert link.bandwidth_bytes_s(NOW) > 3e8
    naive = _after(_link(bandwidth_bytes_s=1e9), [replace(event, first_byte_s=0.0)] * 5)
    assert naive.bandwidth_bytes_s(NOW) < 3e7


def test_fills_that_share_a_link_tell_of_all_of_it() -> None:
    link = _after(_link(), [_moved(10 * GB, 25e6, concurrency=4.0)] * 10)
    assert link.bandwidth_bytes_s(NOW) == pytest.approx(1e8, rel=0.02)


@given(before=bandwidths, after=bandwidths)
def test_a_change_is_followed(before: float, after: float) -> None:
    steady = [_moved(int(before * 100) + 1, before, at=NOW + 600 * at) for at in range(50)]
    changed = [_moved(int(after * 100) + 1, after, at=NOW + 600 * (50 + at)) for at in range(150)]
    link = _after(_link(), steady + changed)
    assert link.bandwidth_bytes_s(changed[-1].at) == pytest.approx(after, rel=0.15)


@given(st.floats(1e6, 1e10), st.floats(0, 60))
def test_an_idle_link_goes_back_to_its_prior_with_a_wider_spread(true_bytes_s: float, days: float) -> None:
    link = _after(_link(bandwidth_bytes_s=1e8), [_moved(100 * GB, true_bytes_s)] * 5)
    now, later = link.bandwidth, NOW + days * DAY_S
    assert now.spread(later) >= now.spread(NOW) - 1e-9
    assert abs(now.value(later) - 1e8) <= abs(now.value(NOW) - 1e8) + 1
    assert now.value(NOW + 60 * DAY_S) == pytest.approx(1e8, rel=0.01)


events = st.builds(
    TransferMeasured,
    at=st.floats(-1e12, 1e12),
    moved_bytes=st.integers(-1, 10**15),
    seconds=st.floats(-1, 1e7),
    concurrency=st.floats(0, 100),
    objects=st.integers(0, 10**7),
    streams=st.integers(0, 500),
    first_byte_s=st.floats(-1, 1e4),
)


@given(st.lists(events, max_size=40), st.floats(-1e12, 1e12), st.floats(0, 5))
def test_whatever_is_measured_it_stays_between_prior_and_measurements(
    measured: list[TransferMeasured], now: float, sigmas: float
) -> None:
    link = _after(_link(bandwidth_bytes_s=1e8), measured)
    told = [event for event in measured if event.moved_bytes > 0 and event.seconds > 0 and event.waited <= 0.9]
    samples = [event.moved_bytes * max(1.0, event.concurrency) / (event.seconds * (1 - event.waited)) for event in told]
    expected = link.bandwidth_bytes_s(now)
    assert min([1e8, *samples]) * 0.999 <= expected <= max([1e8, *samples]) * 1.001
    assert 0 < link.bandwidth_bytes_s(now, sigmas=sigmas) <= expected * 1.001
    assert link.latency_s(now, sigmas=sigmas) > 0


@given(st.lists(st.floats(1e6, 1e10), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_reports_that_come_late_does_not_matter(rates: list[float], chance: random.Random) -> None:
    reports = [_moved(10 * GB, rate, at=NOW + 3600 * at) for at, rate in enumerate(rates)]
    shuffled = list(reports)
    chance.shuffle(shuffled)
    in_order, as_they_came = _after(_link(), reports), _after(_link(), shuffled)
    later = NOW + DAY_S
    assert as_they_came.bandwidth_bytes_s(later) == pytest.approx(in_order.bandwidth_bytes_s(later), rel=1e-6)
    assert as_they_came.bandwidth.spread(later) == pytest.approx(in_order.bandwidth.spread(later), rel=1e-6)


@given(st.lists(st.floats(1e7, 1e9), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_old_ones_does_not_matter(rates: list[float], chance: random.Random) -> None:
    """Also where more came than are remembered."""
    shuffled = list(rates)
    chance.shuffle(shuffled)
    recent = [_moved(100 * GB, 3e8, at=NOW + 10 * DAY_S + 600 * at) for at in range(10)]
    ways = [
        _after(_link(), [*(_moved(10 * GB, rate, at=NOW + at) for at, rate in enumerate(order)), *recent])
        for order in (rates, shuffled)
    ]
    first, second = (way.bandwidth_bytes_s(recent[-1].at) for way in ways)
    assert first == pytest.approx(second, rel=0.01)


@pytest.mark.parametrize("wrong_by_s", [-3650 * DAY_S, -3600.0, 3600.0, 3650 * DAY_S])
def test_a_clock_that_was_wrong_for_a_while_is_harmless(wrong_by_s: float) -> None:
    """What came under the wrong clock counts, nothing becomes stronger, and what comes afterwards is learned."""
    link = _after(_link(), [_moved(10 * GB, 1e9, at=NOW + wrong_by_s + at) for at in range(5)])
    assert link.bandwidth_bytes_s(NOW) <= 1.001e9
    weight = link.bandwidth.weight
    assert link.bandwidth.faded(NOW).weight <= weight
    link = _after(link, [_moved(10 * GB, 2e8, at=NOW + 600 * at) for at in range(60)])
    assert link.bandwidth_bytes_s(NOW + 36_000) == pytest.approx(2e8, rel=0.1)


def test_what_nobody_tried_is_taken_to_be_slower_than_what_is_known() -> None:
    tried = _after(_link("near", bandwidth_bytes_s=1e8), [_moved(100 * GB, 1e8)] * 10)
    untried = _link("far", bandwidth_bytes_s=1.2e8)
    assert untried.bandwidth_bytes_s(NOW) > tried.bandwidth_bytes_s(NOW)
    assert nearest((untried, tried), NOW) is tried


def test_fills_share_a_link_evenly() -> None:
    """100 MB/s; others lack 1 GB and 100 GB: when this one has its 10 GB, they have had 1 GB and 10 GB."""
    link = Link(
        source="lake",
        target="site",
        bandwidth=Estimate(prior=Prior(value=1e8), time_constant_s=DAY_S),
        latency=Estimate(prior=Prior(value=1e-9), time_constant_s=DAY_S),
        under_way_bytes=(GB, 100 * GB),
    )
    assert link.seconds_for(10 * GB, NOW, sigmas=0.0) == pytest.approx(210.0)
    assert link.seconds_for(0, NOW) == 0.0


@given(st.lists(st.integers(0, 10**13), max_size=5), st.integers(0, 10**13), st.integers(0, 10**13))
def test_fewer_bytes_never_take_longer(under_way: list[int], some: int, more: int) -> None:
    link = replace(_link(), under_way_bytes=tuple(under_way))
    few, many = sorted((some, more))
    assert link.seconds_for(few, NOW, sigmas=SIGMAS) <= link.seconds_for(many, NOW, sigmas=SIGMAS)
    assert link.seconds_for(few, NOW) <= link.busy_with(many).seconds_for(few, NOW)


def test_the_nearest_holder_is_the_faster_or_the_cheaper_as_one_likes() -> None:
    lake = _link("lake", bandwidth_bytes_s=1e9, price_byte=0.09 / GB)
    peer = _link("peer", bandwidth_bytes_s=2e8)
    busy = replace(lake, under_way_bytes=(GB,) * 9)
    assert nearest((lake, peer), NOW) is lake
    assert nearest((busy, peer), NOW) is peer
    assert nearest((lake, peer), NOW, wait_s_per_money=1000.0) is peer
    assert nearest((), NOW) is None
    twins = (_link("b"), _link("a"))
    assert nearest(twins, NOW) == nearest(reversed(twins), NOW)


sums = st.lists(st.tuples(bandwidths, st.floats(0.1, 1.0)), max_size=12)


def _estimate(samples: Sequence[tuple[float, float]], prior: Prior | None = None) -> Estimate:
    known = Estimate(prior=prior or Prior(value=1e8), time_constant_s=2 * DAY_S)
    for value, weight in samples:
        known = known.measured(value, weight=weight, at=NOW)
    return known


@given(samples=sums, value=bandwidths)
def test_another_belief_beside_the_same_measurements_is_as_if_it_had_been_there_first(
    samples: list[tuple[float, float]], value: float
) -> None:
    later = _estimate(samples).with_prior(Prior(value=value))
    first = _estimate(samples, Prior(value=value))
    assert later.value(NOW) == pytest.approx(first.value(NOW), rel=1e-6)
    # What is left of great sums is not exact to the last digit.
    assert later.spread(NOW) == pytest.approx(first.spread(NOW), rel=1e-3)


@given(parts=st.lists(sums, min_size=1, max_size=4))
def test_apart_and_joined_is_as_if_one_had_measured_it_all(parts: list[list[tuple[float, float]]]) -> None:
    """As the hub keeps it: for each dataset apart. Below the most that is remembered, order does not matter."""
    few = [part[:4] for part in parts]
    joined = _estimate(few[0]).joined([_estimate(part) for part in few[1:]], NOW)
    alone = _estimate([sample for part in few for sample in part])
    assert joined.value(NOW) == pytest.approx(alone.value(NOW), rel=1e-6)
    assert joined.spread(NOW) == pytest.approx(alone.spread(NOW), rel=1e-3)


@given(parts=st.lists(sums, min_size=1, max_size=6))
def test_joined_remembers_no_more_than_one(parts: list[list[tuple[float, float]]]) -> None:
    joined = _estimate(parts[0]).joined([_estimate(part) for part in parts[1:]], NOW)
    assert joined.weight <= MOST_WEIGHT * (1 + 1e-9)


def _record(source: str, bandwidth_bytes_s: float, price_byte: float = 0.0, spread: float = 0.5) -> LinkRecord:
    return LinkRecord(
        source=source,
        target="site",
        bandwidth_bytes_s=bandwidth_bytes_s,
        bandwidth_spread=spread,
        latency_s=0.01,
        latency_spread=0.5,
        price_byte=price_byte,
    )


@given(value=bandwidths, spread=st.floats(0.26, 3.0))
def test_a_link_that_was_told_is_what_was_told(value: float, spread: float) -> None:
    link = recorded(_record("dgx", value, spread=spread))
    assert link.bandwidth_bytes_s(NOW) == pytest.approx(value)
    assert link.bandwidth.spread(NOW) == pytest.approx(spread, rel=1e-3)


@given(
    ways=st.lists(st.tuples(bandwidths, st.floats(0, 1e-6)), min_size=1, max_size=6),
    wait_s_per_money=st.floats(0, 1e5),
    gone=st.integers(0, 5),
)
def test_the_choice_of_a_source(ways: list[tuple[float, float]], wait_s_per_money: float, gone: int) -> None:
    """One that is not chosen makes no difference when it goes; what is slower and dearer is never chosen."""
    links = [recorded(_record(f"way{number}", *way)) for number, way in enumerate(ways)]
    best = nearest(links, NOW, wait_s_per_money=wait_s_per_money)
    assert best is not None
    others = [link for number, link in enumerate(links) if number != gone or link is best]
    assert nearest(others, NOW, wait_s_per_money=wait_s_per_money) is best
    assert all(
        best.price_byte <= link.price_byte or best.bandwidth_bytes_s(NOW) >= link.bandwidth_bytes_s(NOW)
        for link in links
    ), "never slower and dearer than another"
    assert nearest([], NOW) is None


@given(
    peers=st.lists(st.tuples(bandwidths, st.floats(0, 1e-6)), max_size=5),
    lake=st.tuples(bandwidths, st.floats(0, 1e-6)),
    wait_s_per_money=st.floats(0, 1e5),
)
def test_a_fill_leaves_the_lake_only_for_what_costs_no_more(
    peers: list[tuple[float, float]], lake: tuple[float, float], wait_s_per_money: float
) -> None:
    ways = [recorded(_record(f"z{number}", *way)) for number, way in enumerate(peers)]
    from_lake = recorded(_record("a-lake", *lake))
    chosen = nearer_than(from_lake, ways, NOW, wait_s_per_money=wait_s_per_money)
    costs = [cost_byte(way, NOW, wait_s_per_money=wait_s_per_money) for way in ways]
    lake_cost = cost_byte(from_lake, NOW, wait_s_per_money=wait_s_per_money)
    assert (chosen is not None) == (bool(ways) and min(costs) <= lake_cost)
    if chosen is not None:
        assert cost_byte(chosen, NOW, wait_s_per_money=wait_s_per_money) == min(costs)


def test_a_site_goes_before_a_lake_that_is_as_near_whatever_they_are_called() -> None:
    for name in ("aks", "zurich"):
        peer = recorded(_record(name, 1e8))
        assert nearer_than(recorded(_record("s3://lake", 1e8)), [peer], NOW) is peer


@given(bytes_s=bandwidths, instead_s=bandwidths, waited_s=st.floats(0, 1000), streams=st.integers(1, 64))
def test_a_source_that_brings_what_was_expected_is_never_slow(
    bytes_s: float, instead_s: float, waited_s: float, streams: int
) -> None:
    link, instead = recorded(_record("dgx", bytes_s)), recorded(_record("lake", instead_s))
    brought = int(bytes_s * waited_s / streams) + 1
    assert not is_slow(brought, waited_s, streams=streams, link=link, instead=instead, now=NOW)
    assert not is_slow(0, min(waited_s, SLOW_AFTER_S / 2), streams=streams, link=link, instead=instead, now=NOW)
    if waited_s >= SLOW_AFTER_S:
        assert is_slow(0, waited_s, streams=streams, link=link, instead=instead, now=NOW)


def test_a_link_that_is_slow_is_not_left_for_one_that_is_no_faster() -> None:
    fast, slow = recorded(_record("dgx", 1e9)), recorded(_record("lake", 1e6))
    assert not is_slow(5 * 10**6, 10.0, streams=1, link=fast, instead=slow, now=NOW)
    assert is_slow(5 * 10**6, 10.0, streams=1, link=fast, instead=fast, now=NOW)
