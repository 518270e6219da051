"""Where a run goes: only where it may, sooner is better, bytes that are there count, and every row says why."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.runs.eligible import Filter
from forebay.runs.placement import Placement, Row, place
from forebay.runs.world import Presence, Request, Wanted, Weights, World
from forebay.sites.downtime import Window
from forebay.sites.labels import parse_expression, unmet
from forebay.sites.links import Link
from forebay.sites.site import Resources, Site, Working
from forebay.wire.sites import SiteState
from tests.unit.runs.worlds import DATA, GB, HOUR_S, NOW, ONE_GPU, link, request, site, world

TIME_ALONE = Weights(burden=0.0)


def _row(placement: Placement, name: str) -> Row:
    return next(row for row in placement.rows if row.site == name)


def _choice(placement: Placement) -> str:
    assert placement.choice is not None
    return placement.choice.site


def _full(hours: float, gpus: int = 4) -> tuple[Working, ...]:
    return (Working(resources=Resources(gpus=gpus), estimate_s=hours * HOUR_S),)


def test_a_run_goes_to_where_its_data_are() -> None:
    placed = place(request(), world(site("a"), site("b"), present=("b",)), Weights(), NOW)
    assert [row.site for row in placed.rows] == ["b", "a"]
    assert _row(placed, "b").start_s == 0.0
    assert _row(placed, "a").missing_bytes == 100 * GB
    assert _row(placed, "a").fetches[0].source == "b" or _row(placed, "a").fetches[0].source == "lake"


def test_waiting_for_data_and_for_compute_overlap() -> None:
    """100 GB at 100 MB/s less half a sigma, and compute that is free in an hour: the later of the two."""
    soon, late = (world(site("a", working=_full(hours))) for hours in (0.1, 1.0))
    row = _row(place(request(), soon, Weights(), NOW), "a")
    assert row.start_s == row.data_s > row.queue_s == pytest.approx(360.0)
    row = _row(place(request(), late, Weights(), NOW), "a")
    assert row.start_s == row.queue_s == HOUR_S > row.data_s


def test_when_the_first_is_full_it_goes_to_the_next() -> None:
    near, next_to_it = site("a", working=_full(12)), site("b")
    links = (link("lake", "a"), link("lake", "b"), link("a", "b", 1000.0))
    placed = place(request(), world(near, next_to_it, links=links, present=("a",)), Weights(), NOW)
    assert _choice(placed) == "b"
    assert _row(placed, "b").fetches[0].source == "a"
    free = place(
        request(), world(replace(near, working=_full(0.05)), next_to_it, links=links, present=("a",)), Weights(), NOW
    )
    assert _choice(free) == "a"


def test_a_fill_under_way_costs_only_the_rest() -> None:
    rest = Presence(missing_bytes=5 * GB, filling=True, fill_bytes_s=50e6)
    filling = world(site("a"), site("b"), presence={("b", DATA.ref): rest})
    placed = place(request(), filling, Weights(wait_s_per_money=1.0), NOW)
    row = _row(placed, "b")
    assert _choice(placed) == "b"
    assert (row.data_s, row.egress_money, row.score) == (100.0, 0.0, 100.0)


def test_a_queue_that_hides_the_wait_does_not_make_bytes_free() -> None:
    both = world(site("a", working=_full(12)), site("b", working=_full(12.1)), present=("b",))
    assert _choice(place(request(), both, Weights(), NOW)) == "b"
    assert _choice(place(request(), both, TIME_ALONE, NOW)) == "a"


def test_bytes_that_push_others_out_count_twice() -> None:
    full, empty = site("a", free_bytes=0), site("b", free_bytes=1000 * GB)
    placed = place(request(), world(full, empty), Weights(), NOW)
    assert _choice(placed) == "b"
    assert _row(placed, "a").score == pytest.approx(1.5 * _row(placed, "b").score)


def test_money_is_egress_and_compute() -> None:
    dear = site("dear", gpu_hour_price=10.0)
    cheap = site("cheap", gpu_hour_price=1.0)
    links = (link("lake", "dear", 1000.0, 0.09), link("lake", "cheap", 10.0, 0.0))
    here = world(dear, cheap, links=links)
    placed = place(request(), here, Weights(), NOW)
    assert _choice(placed) == "dear"
    assert _row(placed, "dear").egress_money == pytest.approx(9.0)
    assert _row(placed, "dear").compute_money == pytest.approx(10.0)
    assert _choice(place(request(), here, Weights(wait_s_per_money=3600.0), NOW)) == "cheap"


SOON = Window(begins_at=NOW + 0.9 * HOUR_S, ends_at=NOW + 2 * HOUR_S, reason="new disks")

REFUSED: list[tuple[Filter, Site, dict[str, object], dict[str, object]]] = [
    (Filter.STATE, site("a", state=SiteState.DOWN, state_reason="no heartbeat"), {}, {}),
    (Filter.STATE, site("a", state=SiteState.DRAINING), {}, {}),
    (Filter.STATE, site("a", state=SiteState.DEGRADED), {}, {}),
    (Filter.TEAM, site("a", teams=frozenset({"maps"})), {}, {}),
    (Filter.RESIDENCY, site("a"), {}, {"residency": {"clicks": frozenset({"b"})}}),
    (Filter.LABELS, site("a", labels={"cloud": "aws"}), {"where": parse_expression("cloud!=aws")}, {}),
    (Filter.CAPACITY, site("a", gpus=2), {"resources": Resources(gpus=3)}, {}),
    (Filter.CAPACITY, site("a"), {"resources": Resources(gpus=1, memory_bytes=10**13)}, {}),
    (Filter.VOLUME, site("a", volume_bytes=10 * GB), {}, {}),
    (Filter.ROOM, site("a", volume_bytes=1000 * GB, room_bytes=10 * GB), {}, {}),
    (Filter.SOURCE, site("a"), {}, {"links": {}}),
    (Filter.DOWNTIME, site("a", windows=(SOON,)), {}, {}),
]


@pytest.mark.parametrize(("kind", "here", "asked", "told"), REFUSED)
def test_each_filter_names_its_reason_and_what_would_change_it(
    kind: Filter, here: Site, asked: dict[str, object], told: dict[str, object]
) -> None:
    placed = place(request(**asked), replace(world(here), **told), Weights(), NOW)  # type: ignore[arg-type]
    assert placed.choice is None
    (refusal,) = placed.rows[0].refusals
    assert refusal.filter is kind
    assert refusal.reason
    assert refusal.unblock


def test_a_degraded_site_takes_runs_whose_data_are_there() -> None:
    placed = place(request(), world(site("a", state=SiteState.DEGRADED), present=("a",)), Weights(), NOW)
    assert _choice(placed) == "a"


def test_every_reason_is_told_at_once() -> None:
    here = site("a", gpus=0, state=SiteState.DOWN, teams=frozenset())
    kinds = {item.filter for item in place(request(), world(here), Weights(), NOW).rows[0].refusals}
    assert kinds == {Filter.STATE, Filter.TEAM, Filter.CAPACITY}


def test_two_versions_on_one_link_take_the_time_of_both() -> None:
    more = Wanted(ref="users@v1", dataset="users", size_bytes=100 * GB, lake="lake")
    one, both = (
        _row(place(request(data=data), world(site("a")), Weights(), NOW), "a").data_s
        for data in ((DATA,), (DATA, more))
    )
    assert both == pytest.approx(2 * one, rel=0.01)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ({}, "far"),
        ({"time_limit_s": 0.5 * HOUR_S}, "near"),
        ({"time_limit_s": 1.5 * HOUR_S}, "far"),
        ({"estimate_s": 60.0}, "far"),
    ],
    ids=["nobody said how long", "it ends before", "it ends within", "a short estimate is no limit"],
)
def test_before_a_downtime_a_run_that_would_not_end_in_time_goes_elsewhere(
    asked: dict[str, object], chosen: str
) -> None:
    near = site("near", windows=(SOON,))
    placed = place(request(**asked), world(near, site("far"), present=("near",)), Weights(), NOW)  # type: ignore[arg-type]
    assert _choice(placed) == chosen


def test_the_wait_for_data_and_compute_counts_against_a_downtime() -> None:
    """The data take a quarter of an hour to come."""
    for limit_s, fits in ((0.3 * HOUR_S, True), (0.85 * HOUR_S, False)):
        placed = place(request(time_limit_s=limit_s), world(site("a", windows=(SOON,))), Weights(), NOW)
        assert (placed.choice is not None) is fits
    busy = site("a", gpus=1, working=(Working(resources=ONE_GPU, estimate_s=0.9 * HOUR_S),), windows=(SOON,))
    assert place(request(time_limit_s=0.2 * HOUR_S), world(busy, present=("a",)), Weights(), NOW).choice is None


def test_what_begins_after_a_downtime_is_not_in_its_way() -> None:
    busy = site("a", gpus=1, working=(Working(resources=ONE_GPU, estimate_s=3 * HOUR_S),), windows=(SOON,))
    assert _choice(place(request(), world(busy, present=("a",)), Weights(), NOW)) == "a"


names = ("a", "b", "c", "d")
working = st.lists(
    st.builds(
        Working,
        resources=st.builds(Resources, gpus=st.integers(0, 2)),
        estimate_s=st.floats(0, 1e5),
        elapsed_s=st.floats(0, 1e5),
    ),
    max_size=3,
).map(tuple)
labels = st.fixed_dictionaries({"cloud": st.sampled_from(("aws", "own")), "gpu": st.sampled_from(("2", "8"))})
wheres = st.sampled_from(("", "cloud=aws", "cloud!=aws", "gpu>=4", "zone=1")).map(parse_expression)
weights = st.builds(Weights, wait_s_per_money=st.floats(0, 1e4), burden=st.floats(0, 3))


@st.composite
def sites(draw: st.DrawFn) -> tuple[Site, ...]:
    return tuple(
        Site(
            name=name,
            capacity=Resources(gpus=draw(st.integers(1, 8))),
            labels=draw(labels),
            state=draw(st.sampled_from((SiteState.UP, SiteState.UP, *SiteState))),
            working=draw(working),
            teams=draw(st.sampled_from((None, None, frozenset({"ads"}), frozenset({"maps"})))),
            volume_bytes=draw(st.sampled_from((None, 10 * GB, 1000 * GB))),
            free_bytes=draw(st.sampled_from((None, 0, 50 * GB))),
            room_bytes=draw(st.sampled_from((None, 50 * GB, 1000 * GB))),
            gpu_hour_price=draw(st.floats(0, 5)),
        )
        for name in draw(st.sets(st.sampled_from(names), min_size=1))
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    here = draw(sites())
    links: dict[tuple[str, str], Link] = {}
    for item in here:
        for source in ("lake", *names):
            if source != item.name and draw(st.booleans()):
                links[source, item.name] = link(source, item.name, draw(st.floats(1, 2000)), draw(st.floats(0, 0.2)))
    presence = st.builds(
        Presence,
        missing_bytes=st.sampled_from((0, 1, GB, 100 * GB)),
        filling=st.booleans(),
        fill_bytes_s=st.sampled_from((0.0, 1e6, 1e9)),
    )
    return World(
        sites=here,
        links=links,
        presence={(item.name, DATA.ref): draw(presence) for item in here if draw(st.booleans())},
        residency=draw(st.sampled_from(({}, {"clicks": frozenset({"a", "c"})}))),
    )


requests = st.builds(
    lambda gpus, estimate_s, where: request(gpus=gpus, estimate_s=estimate_s, where=where),
    st.integers(0, 8),
    st.floats(0, 1e5),
    wheres,
)


@given(worlds(), requests, weights)
def test_never_an_ineligible_site(here: World, asked: Request, wished: Weights) -> None:
    placed = place(asked, here, wished, NOW)
    assert sorted(row.site for row in placed.rows) == sorted(item.name for item in here.sites)
    by_name = {item.name: item for item in here.sites}
    for row in placed.rows:
        if row.eligible:
            chosen = by_name[row.site]
            assert chosen.state in (SiteState.UP, SiteState.DEGRADED)
            assert chosen.teams is None or "ads" in chosen.teams
            assert row.site in here.residency.get("clicks", names)
            assert not unmet(asked.where, chosen.labels)
            assert not asked.resources.lacking(chosen.capacity)
            assert chosen.volume_bytes is None or chosen.volume_bytes >= DATA.size_bytes
            assert row.start_s >= max(row.data_s, row.queue_s) - 1e-6
        else:
            assert all(refusal.reason and refusal.unblock for refusal in row.refusals)
    eligible = [row.score for row in placed.rows if row.eligible]
    assert eligible == sorted(eligible)
    assert (placed.choice is None) is not bool(eligible)


@given(worlds(), requests, weights, st.randoms(use_true_random=False))
def test_the_order_of_the_sites_does_not_matter(
    here: World, asked: Request, wished: Weights, chance: random.Random
) -> None:
    shuffled = list(here.sites)
    chance.shuffle(shuffled)
    links = dict(sorted(here.links.items(), key=lambda item: chance.random()))
    other = replace(here, sites=tuple(shuffled), links=links)
    assert place(asked, here, wished, NOW) == place(asked, other, wished, NOW)


@given(worlds(), requests, weights, st.data())
def test_more_bytes_present_never_rank_a_site_worse(
    here: World, asked: Request, wished: Weights, data: st.DataObject
) -> None:
    """All else equal: also who holds the whole version, so that nobody else gets a nearer source by it."""
    name = data.draw(st.sampled_from([item.name for item in here.sites]))
    now = here.presence.get((name, DATA.ref), Presence(missing_bytes=DATA.size_bytes))
    fewer = replace(now, missing_bytes=data.draw(st.integers(min(1, now.missing_bytes), now.missing_bytes)))
    better = replace(here, presence={**here.presence, (name, DATA.ref): fewer})
    before, after = place(asked, here, wished, NOW), place(asked, better, wished, NOW)
    assert _rank(after, name) <= _rank(before, name)
    if _row(before, name).eligible:
        assert _row(after, name).eligible
        assert _row(after, name).score <= _row(before, name).score + 1e-6


def _rank(placement: Placement, name: str) -> int:
    return [row.site for row in placement.rows].index(name)


@given(worlds(), requests, st.floats(0, 1e4), st.floats(0, 1e4))
def test_who_cares_more_for_money_never_pays_more(here: World, asked: Request, one: float, other: float) -> None:
    """With one way to each site; where there are several, the weight also chooses between them."""
    lake_only = {key: way for key, way in here.links.items() if key[0] == "lake"}
    here = replace(here, links=lake_only)
    less, more = sorted((one, other))
    first = place(asked, here, Weights(wait_s_per_money=less), NOW).choice
    second = place(asked, here, Weights(wait_s_per_money=more), NOW).choice
    assert (first is None) is (second is None)
    if first and second:
        assert second.money <= first.money + 1e-9


def test_among_equals_the_one_with_more_bytes_then_the_first_by_name() -> None:
    twins = world(site("b"), site("a"), present=("a", "b"))
    assert _choice(place(request(resources=ONE_GPU), twins, Weights(), NOW)) == "a"
