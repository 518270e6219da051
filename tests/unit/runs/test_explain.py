"""The table of `--explain`: every site with its numbers or its reasons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.runs.explain import HEAD, explain, site_row
from forebay.runs.placement import place
from forebay.runs.world import Failed, Presence, Wanted, Weights, World
from forebay.sites.site import Resources, Working
from forebay.wire.sites import SiteState
from tests.unit.runs.worlds import DATA, GB, HOUR_S, NOW, link, request, site, world


def _world() -> World:
    busy = (Working(resources=Resources(gpus=4), estimate_s=60 * HOUR_S),)
    sites = (
        site("far", gpu_hour_price=2.0),
        site("near", working=busy),
        site("soon"),
        site("small", gpus=0),
        site("away", state=SiteState.DOWN, state_reason="no heartbeat"),
    )
    filling = Presence(missing_bytes=3 * GB, filling=True, fill_bytes_s=1e8)
    return world(
        *sites,
        links=(link("lake", "far", 1000.0, 0.09), link("lake", "soon"), link("near", "soon")),
        presence={("near", DATA.ref): Presence(missing_bytes=0), ("soon", DATA.ref): filling},
    )


def test_the_table() -> None:
    shown = explain(place(request(), _world(), Weights(), NOW), currency="USD")
    assert shown.head == HEAD
    assert shown.choice == "soon"
    assert all(len(row) == len(HEAD) for row in shown.rows)
    assert [row[:7] for row in shown.rows] == [
        ("soon", "2.8 GiB", "a fill under way", "30 s", "now", "30 s", "0.00 USD"),
        ("far", "93.1 GiB", "lake", "3 min", "now", "3 min", "11.00 USD"),
        ("near", "-", "-", "now", "2 d 12 h", "2 d 12 h", "0.00 USD"),
        ("away", "93.1 GiB", "", "", "", "", ""),
        ("small", "93.1 GiB", "", "", "", "", ""),
    ]
    assert shown.rows[4][-1].startswith("it has 0 gpus, asked for 1")
    assert "away: the site is down: no heartbeat; the site comes up again" in shown.unblock


def test_a_fill_that_failed_is_not_called_one_under_way() -> None:
    waits = Presence(missing_bytes=3 * GB, filling=True, retry_s=20.0)
    failed = Failed(reason="the lake is away", unblock="what it failed of passes", at=NOW - 5, final=False)
    found = place(
        request(),
        world(
            site("a"),
            links=(link("lake", "a", 100.0),),
            presence={("a", DATA.ref): waits},
            failed={("a", DATA.ref): failed},
        ),
        Weights(),
        NOW,
    )
    (row,) = map(site_row, found.rows)
    assert row.sources == ("a fill that failed",)
    assert row.data_s == pytest.approx(50.0, rel=0.01)
    told = f"{DATA.ref} failed to come here: the lake is away; it is tried again"
    assert (row.why_not, row.unblock, explain(found).unblock) == ((), (told,), (f"a: {told}",))


def test_no_site_will_do() -> None:
    assert explain(place(request(), world(site("a", gpus=0)), Weights(), NOW)).choice is None


def test_a_row_tells_the_link_that_its_bytes_would_come_over() -> None:
    measured = replace(link("lake", "a", 20.0, 0.09), measured_at=NOW - 60)
    (row,) = place(request(), world(site("a"), links=(measured,)), Weights(), NOW).rows
    (way,) = site_row(row).ways
    assert (way.source, way.measured) == ("lake", True)
    assert way.bandwidth_bytes_s == pytest.approx(20e6)
    assert way.price_byte == pytest.approx(0.09 / GB)
    (here,) = place(request(), world(site("a"), present=("a",)), Weights(), NOW).rows
    assert site_row(here).ways == ()


def test_what_a_hidden_dataset_s_fills_measured_counts_for_its_runs_alone_and_its_link_is_shared() -> None:
    other = Wanted(ref="users@v1", dataset="users", size_bytes=100 * GB, lake="lake")
    busy = link("lake", "a").busy_with(50 * GB)
    here = world(site("a"), links=(busy,), own_links={("users", "lake", "a"): link("lake", "a", 10.0)})
    (public,) = place(request(), here, Weights(), NOW).rows
    (own,) = place(request(data=(other,)), here, Weights(), NOW).rows
    assert own.data_s == pytest.approx(10 * public.data_s, rel=0.01), "also what others still move over it"
