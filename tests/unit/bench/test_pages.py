"""The parts of bench.pages: the hub that it makes, whether it visits every page, and what it claims."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.paged import make, queued, running
from bench.paged_catalog import DAY_S, Size, rows_of, site
from bench.paged_visits import NOT_VISITED, Taken, Visits, addresses, p95
from bench.paged_watched import Painted, Watched
from bench.paged_work import fill_id, fills, held, total_bytes, volume, work_rows
from bench.pages import ADMIN, Seen, cases, is_for_all
from forebay.catalog import schema as t
from forebay.clock import SystemClock
from forebay.hub.local import LocalHub
from forebay.hub.web.site import found_pages
from forebay.wire.runs import RunState

SMALL = Size().scaled(0.01)
NOW = 1_790_000_000.0


def test_every_page_has_an_address_or_a_reason() -> None:
    routes = {route.path for each in found_pages() for route in each.routes if route.method == "GET"}
    visited = {route.partition("?")[0] for route in addresses(SMALL)}
    assert visited | NOT_VISITED == routes
    assert not visited & NOT_VISITED


def test_a_share_of_the_size_keeps_its_proportions_and_is_never_empty() -> None:
    assert Size().scaled(1.0) == Size()
    assert SMALL.versions == SMALL.datasets * Size().each
    assert SMALL.ref(1) == "clicks-0001@v1"
    assert SMALL.ref(SMALL.versions) == f"clicks-{SMALL.datasets:04}@v{SMALL.each}"
    assert min(Size().scaled(0.0001).sites, Size().scaled(0.0001).runs) > 0


def test_no_replica_is_there_twice_and_each_has_a_manifest() -> None:
    for size in (SMALL, Size()):
        places = Counter(held(size))
        assert max(places.values()) == 1
        assert all(1 <= version <= size.kept_versions for _, version in places)


def test_fills_are_told_of_as_they_were_made() -> None:
    rows = next(rows for table, rows in work_rows(SMALL, NOW) if table is t.fill)
    told = [
        (fill_id(number), volume(place), version, total_bytes(version), f"agent:{site(place)}")
        for number, (place, version) in enumerate(fills(SMALL))
    ]
    names = ("fill_id", "volume_id", "version_id", "total_bytes", "holder_user")
    assert told == [tuple(row[name] for name in names) for row in rows]


def test_rows_are_whole() -> None:
    table, rows = rows_of(t.replica, [{"volume_id": "v", "version_id": 1}])
    assert table is t.replica
    assert set(rows[0]) == set(t.replica.columns.keys())
    assert (rows[0]["state"], rows[0]["token"]) == ("", 0)


def test_the_same_moment_tells_the_same_story() -> None:
    first, second = (list(work_rows(SMALL, NOW)) for _ in range(2))
    assert first == second
    uses = next(rows for table, rows in first if table is t.use)
    assert min(row["at"] for row in uses) > NOW - 61 * DAY_S


def test_the_hub_is_one_that_works(tmp_path: Path) -> None:
    made = make(tmp_path, "", SMALL)
    hub = LocalHub.open(tmp_path, f"sqlite:///{tmp_path}/hub.db", SystemClock())
    try:
        assert len(hub.sites.all()) == len(made.agents) == SMALL.sites
        assert hub.catalog.resolve(f"clicks-0001@v{SMALL.each}").files == SMALL.files
        run, waits = hub.runs.get(running(SMALL, 1)[0]), hub.runs.get(queued(SMALL))
        assert (run.state, waits.state) == (RunState.RUNNING, RunState.QUEUED)
        assert {item.name for item in hub.runs.keepsakes(run.run_id)} >= {"report.html", "metrics.json"}
        with hub.engine.connect() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(t.run)).scalar() == SMALL.runs
    finally:
        hub.close()


def test_of_few_values_the_largest_is_near() -> None:
    assert p95([3.0]) == 3.0
    assert p95([float(value) for value in range(101)]) == pytest.approx(95.0)


def test_who_changes_nothing_is_not_led_to_pages_of_changes() -> None:
    assert is_for_all("/datasets/{name}")
    assert is_for_all("/sites/where")
    assert not any(map(is_for_all, ("/admin", "/admin/users", "/runs/{run}/cancel", "/cache/{place}/evict")))


def test_a_claim_is_held_against_its_aim() -> None:
    def visits(seconds: float, cpu_s: float) -> Visits:
        taken = Taken(seconds=seconds, cpu_s=cpu_s, size_bytes=1000)
        return Visits(route=f"/{seconds}", first=taken, later=[taken] * 3)

    seen = Seen(
        visits={ADMIN: {"a": visits(0.2, 0.01), "b": visits(0.05, 0.04)}},
        load_bytes={"/": 150_000, "/static/a.css": 40_000},
        painted=Painted(paint_ms={"/": 400.0, "/cache": 450.0}, shift={"/": 0.0, "/cache": 0.02}),
        watched=Watched(idle=0.02, watched=0.09, database_idle=0.0, database_watched=0.0, parts=9, seeing=5, lost=0),
    )
    found = {case.case: (case.met, case.measured) for case in cases("SQLite", seen)}
    assert found == {
        "slowest page, p95 / 100 ms, SQLite": (False, "/0.2 200.0 ms"),
        "costliest page, CPU p95 / 100 ms, SQLite": (None, "/0.05 40.0 ms"),
        "all visits, p95 / 100 ms, SQLite": (None, "200.0 ms"),
        "first load / 200 KB, SQLite": (True, "190.0 KB"),
        "first contentful paint / 500 ms, SQLite": (True, "/cache 450.0 ms"),
        "layout shift, SQLite": (False, "/cache 0.0200"),
        "watchers / 10 % of a core, SQLite": (True, "7.0%"),
    }
