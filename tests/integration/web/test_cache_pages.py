"""The overview and the cache's pages: what they show to whom, and what is asked of the sites through them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape
from starlette.testclient import TestClient

from forebay.testing.cached import FakeClock
from forebay.testing.web.caches import MARKUP, SECRET, Caches, volume_of
from forebay.testing.web.dashboard import Dashboard
from forebay.wire.access import Role
from forebay.wire.cache import ReplicaState
from forebay.wire.runs import NewRun
from forebay.wire.sites import Task, TaskKind

PAGES = (
    "/",
    "/cache",
    "/cache?only=all",
    "/cache?q=xray&only=all&team=ads&site=aks-gpu",
    "/cache/aks-gpu",
    "/cache/volume-of-nobody",
    "/cache/-/history",
    "/cache/-/history?event=evicted&dataset=criteo",
    "/cache/aks-gpu/history",
    "/cache/aks-gpu/evict",
    "/cache/aks-gpu/criteo/v3",
    "/cache/gcp-cpu/criteo-features/v2",
    "/cache/dgx-basement/chest-xray/v1",
    "/cache/dgx-basement/chest-xray/v1/evict",
    "/cache/-/warm",
    "/cache/-/warm?ref=criteo%40prod&site=gcp-cpu",
)


@pytest.fixture(scope="module")
def moving_clock() -> FakeClock:
    return FakeClock(1_790_000_000.0)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, moving_clock: FakeClock) -> Iterator[Dashboard]:
    """For who only looks."""
    with Dashboard.on(tmp_path_factory.mktemp("home"), moving_clock) as made:
        Caches(made.hub, made.access, moving_clock).make()
        yield made


@pytest.fixture(scope="module")
def admin(shown: Dashboard) -> TestClient:
    return shown.admin()


@pytest.fixture
def used(tmp_path: Path, clock: FakeClock) -> Iterator[Dashboard]:
    """For who changes something."""
    with Dashboard.on(tmp_path / "home", clock) as made:
        Caches(made.hub, made.access, clock).make()
        yield made


def tasks(dashboard: Dashboard, kind: TaskKind) -> set[tuple[str, str]]:
    found: list[Task] = dashboard.hub.sites.tasks()
    return {(item.site, item.ref) for item in found if item.kind is kind}


def cell(page: str, row: str, column: int) -> str:
    """What a cell of the grid says."""
    found = re.search(rf'<tr id="r-grid-{re.escape(row)}">(.*?)</tr>', page, re.DOTALL)
    assert found is not None, row
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", found[1], re.DOTALL)
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", cells[column], flags=re.DOTALL).split())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_there_and_shows_no_markup_of_others(admin: TestClient, path: str) -> None:
    page = admin.get(path)
    assert page.status_code == 200, page.text
    assert MARKUP not in page.text


@pytest.mark.parametrize("path", PAGES)
def test_somebody_without_the_right_finds_no_trace_of_a_dataset(shown: Dashboard, path: str) -> None:
    browser = shown.browser_of("ada", Role.SCIENTIST)
    assert SECRET not in browser.get(path).text


def test_what_is_hidden_is_answered_like_what_is_not_there(shown: Dashboard) -> None:
    browser = shown.browser_of("ada", Role.SCIENTIST)
    for path in ("/cache/gcp-cpu/{}/v1", "/cache/-/warm?ref={}&site=gcp-cpu", "/cache/gcp-cpu/{}/v1/evict"):
        hidden, missing = (browser.get(path.format(name)) for name in (SECRET, "nothing"))
        assert hidden.status_code == missing.status_code
        assert _plain(hidden.text, SECRET) == _plain(missing.text, "nothing")


def _plain(page: str, name: str) -> str:
    return re.sub(r"request [0-9a-f]{32}", "", page.replace(name, "NAME"))


def test_the_grid_says_each_state_with_the_fact_that_matters(admin: TestClient) -> None:
    page = admin.get("/cache?only=all").text
    assert cell(page, "criteo@v3", 3) == "62 % 953.7 MiB/s · 7 min"
    assert cell(page, "criteo@v3", 4) == "ready in use by ada, olga"
    assert cell(page, "criteo-features@v2", 4) == "ready kept by a rule"
    assert cell(page, "criteo-features@v2", 5) == "partial 2 columns, 20 %"
    assert cell(page, "chest-xray@v1", 5) == "ready pinned by vera"
    assert cell(page, "chest-xray@v1", 4).startswith("leaves in ")
    assert cell(page, "chest-xray@v2", 3).startswith("damaged images/00017.png")
    assert cell(page, "chest-xray@v3", 3) == "absent would take 4 min"
    assert cell(page, "clicks-raw@v1", 5).startswith("queued failed 3 ×")
    assert cell(page, "maps@v1", 3) == "not allowed here"


def test_the_grid_is_a_table_for_programs_too(admin: TestClient) -> None:
    answer = admin.get("/cache?only=all&table=grid&as=json")
    rows = {row["version"]: row for row in json.loads(answer.text)}
    assert len(rows) == 11
    assert rows["criteo@v3"]["aks-gpu"] == "filling"
    assert rows["criteo@v3"]["dgx-basement"] == "ready"


def test_a_place_says_by_dataset_and_by_team_what_leaves_and_what_came(admin: TestClient) -> None:
    page = admin.get("/cache/aks-gpu").text
    bars = re.findall(r'<svg class="stack" .*?</svg>', page, re.DOTALL)
    assert [re.findall(r'aria-label="(By \w+):', bar) for bar in bars] == [["By dataset"], ["By team"]]
    titles = [re.findall(r'height="12"><title>([^<]+)</title>', bar) for bar in bars]
    criteo = ["criteo: 866.1 GiB", "criteo, leaves within a day: 819.6 GiB"]
    assert titles[0][:3] == [*criteo, "criteo, came so far by fills under way: 594.7 GiB"]
    assert titles[1][:3] == [
        "ads: 1.0 TiB",
        "ads, leaves within a day: 819.6 GiB",
        "ads, came so far by fills under way: 594.7 GiB",
    ]
    for shown in titles:
        assert shown[-1] == "set aside for fills, still to come: 364.5 GiB"
    assert titles[1][3] == "no team: 233.8 GiB"


def test_a_bad_cursor_and_a_place_that_is_not_there_are_told(admin: TestClient) -> None:
    assert admin.get("/cache?after=x").status_code == 400
    assert admin.get("/cache/-/history?before=x").status_code == 400
    assert admin.get("/cache/nowhere").status_code == 404
    assert admin.get("/cache/aks-gpu/criteo/v99").status_code == 404
    assert admin.get("/cache/aks-gpu/criteo/v1x").status_code == 404


def test_what_needs_care_stands_on_the_first_page_with_what_helps(admin: TestClient) -> None:
    page = admin.get("/").text
    for told in ("chest-xray@v2 at aks-gpu", "aks-gpu is 82 % full", "ads is over its quota", "its volume is unstable"):
        assert told in page
    assert 'href="/cache/aks-gpu/evict"' in page


def test_the_last_events_tell_of_all_kinds_each_with_its_page(used: Dashboard) -> None:
    hub = used.hub
    run = hub.runs.submit(NewRun(command=("true",), gpus=512, title=f"Large {MARKUP}", submitted_by="olga"))
    hub.runs.cancel(run.run_id, "not tonight", "olga")
    hub.retention.retire("maps", 1, f"nobody {MARKUP}", "olga")
    page = used.admin().get("/").text
    for href, told in ((f"/runs/{run.run_id}", escape(f"Large {MARKUP}")), ("/datasets/maps/v1", "maps@v1")):
        assert f'<a href="{href}">{told}</a>' in page
    assert MARKUP not in page
    rows = json.loads(used.admin().get("/?table=events&as=json").text)
    first = {row["of"]: (row["event"], row["by"]) for row in reversed(rows)}
    assert first[run.run_id] == ("run-cancelled", "olga")
    assert first["maps@v1"] == ("retired", "olga")
    assert first["chest-xray@v2"][0] == "damaged"
    assert {row["event"] for row in rows} >= {"registered", "retired", "filled", "evicted"}
    assert len(rows) > 20, "as a table for programs it goes on"


def test_a_new_hub_says_how_to_begin(dashboard: Dashboard) -> None:
    browser = dashboard.admin()
    page = browser.get("/").text
    assert "forebay dataset register" in page
    assert "Nothing needs care" in page
    assert "No site has a cache yet" in browser.get("/cache").text


def test_a_version_is_warmed_after_one_saw_what_it_takes(used: Dashboard) -> None:
    browser = used.browser_of("olga", Role.ENGINEER)
    page = browser.get("/cache/-/warm?ref=criteo%40prod&site=gcp-cpu").text
    assert "at most 959.3 GiB to fetch" in page
    page = browser.get("/cache/-/warm?ref=maps&site=dgx-basement").text
    assert "it costs 0.80" in page
    answer = browser.post("/cache/-/warm", data={"ref": "maps@v1", "site": "dgx-basement"})
    assert answer.headers["location"] == "/cache/dgx-basement/maps/v1"
    assert ("dgx-basement", "maps@v1") in tasks(used, TaskKind.FILL)
    page = browser.get("/cache/dgx-basement/maps/v1").text
    assert "Call the fill off" in page
    task = re.search(r'name="task" value="([^"]+)"', page)
    assert task is not None
    browser.post("/cache/dgx-basement/maps/v1/withdraw", data={"task": task[1]})
    assert all(not item.reason.startswith("olga wants") for item in used.hub.sites.tasks("dgx-basement"))


def test_who_may_not_warm_is_told_so_and_shown_no_button(used: Dashboard) -> None:
    browser = used.browser_of("ada", Role.SCIENTIST)
    assert "Warm a version" not in browser.get("/cache").text
    page = browser.get("/cache/-/warm?ref=maps&site=dgx-basement").text
    assert "You may not warm it there" in page
    assert ">Warm it<" not in page
    assert browser.post("/cache/-/warm", data={"ref": "maps@v1", "site": "dgx-basement"}).status_code == 403
    assert ("dgx-basement", "maps@v1") not in tasks(used, TaskKind.FILL)


def test_what_does_not_fit_or_may_not_be_there_can_not_be_warmed(used: Dashboard) -> None:
    browser = used.admin()
    page = browser.get("/cache/-/warm?ref=clicks-raw&site=aks-gpu").text
    assert "It does not fit" in page
    assert ">Warm it<" not in page
    page = browser.get("/cache/-/warm?ref=maps&site=aks-gpu").text
    assert "Its policy does not let it be there." in page
    assert ">Warm it<" not in page
    missing = browser.get("/cache/-/warm?ref=nope&site=aks-gpu")
    assert missing.status_code == 422
    assert "There is no dataset" in missing.text


def test_a_version_is_pinned_and_unpinned(used: Dashboard, clock: FakeClock) -> None:
    browser = used.browser_of("olga", Role.ENGINEER)
    here = "/cache/dgx-basement/criteo/v3"
    wrong = browser.post(f"{here}/pin", data={"reason": "nightly", "until": "2020-01-31"})
    assert wrong.status_code == 422
    assert "2020-01-31 is over" in wrong.text
    assert 'value="nightly"' in wrong.text
    assert browser.post(f"{here}/pin", data={"reason": "nightly", "until": ""}).status_code == 303
    version = used.hub.catalog.resolve("criteo@v3")
    replica = used.hub.replicas.get(volume_of("dgx-basement"), version)
    assert replica is not None
    assert (replica.pinned_by, replica.pin_reason) == ("olga", "nightly")
    assert "Unpin" in browser.get(here).text
    browser.post(f"{here}/unpin")
    replica = used.hub.replicas.get(volume_of("dgx-basement"), version)
    assert replica is not None
    assert replica.pinned_by == ""


def test_a_version_is_evicted_after_one_saw_what_that_means(used: Dashboard) -> None:
    browser = used.browser_of("olga", Role.ENGINEER)
    here = "/cache/dgx-basement/chest-xray/v1"
    page = browser.get(f"{here}/evict").text
    assert "It frees at most 232.8 GiB" in page
    assert "Evict it" in page
    assert browser.post(f"{here}/evict").headers["location"] == here
    assert ("dgx-basement", "chest-xray@v1") in tasks(used, TaskKind.EVICT)
    assert "leaving" in browser.get(here).text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/cache/dgx-basement/criteo/v3", "in use by ada, olga"),
        ("/cache/gcp-cpu/chest-xray/v1", "pinned by vera"),
        ("/cache/aks-gpu/criteo/v3", "being filled"),
        ("/cache/aks-gpu/chest-xray/v3", "is not at aks-gpu"),
    ],
)
def test_what_stays_is_not_evicted_from_a_page(used: Dashboard, path: str, told: str) -> None:
    browser = used.browser_of("olga", Role.ENGINEER)
    page = browser.get(f"{path}/evict").text
    assert told in page
    assert "Evict it" not in page
    assert browser.post(f"{path}/evict").status_code == 409
    assert tasks(used, TaskKind.EVICT) == set()


def test_room_is_made_of_what_was_chosen_alone(used: Dashboard) -> None:
    browser = used.browser_of("olga", Role.ENGINEER)
    page = browser.get("/cache/aks-gpu/evict").text
    assert re.findall(r'name="ref" value="([^"]+)"', page) == ["chest-xray@v2", "criteo@v1"]
    assert browser.post("/cache/aks-gpu/evict", data={}).status_code == 400
    browser.post("/cache/aks-gpu/evict", data={"ref": ["criteo@v1"]})
    assert tasks(used, TaskKind.EVICT) == {("aks-gpu", "criteo@v1")}


def test_a_scientist_sees_what_would_go_and_can_not_make_it_go(used: Dashboard) -> None:
    browser = used.browser_of("ada", Role.SCIENTIST)
    page = browser.get("/cache/aks-gpu/evict").text
    assert "2 versions would go" in page
    assert 'name="ref"' not in page
    assert browser.post("/cache/aks-gpu/evict", data={"ref": "criteo@v1"}).status_code == 403
    assert tasks(used, TaskKind.EVICT) == set()


def test_a_form_of_another_page_is_refused(used: Dashboard) -> None:
    browser = used.admin()
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = browser.post("/cache/dgx-basement/chest-xray/v1/evict", headers=evil)
    assert answer.status_code == 403
    assert tasks(used, TaskKind.EVICT) == set()


def test_a_fill_moves_on_the_page_as_it_is_told(used: Dashboard, clock: FakeClock) -> None:
    browser = used.admin()
    assert cell(browser.get("/cache").text, "criteo@v3", 3).startswith("62 %")
    volume = volume_of("aks-gpu")
    (fill,) = used.hub.fills.open_fills(volume)
    version = used.hub.catalog.resolve("criteo@v3")
    clock.pass_by(4.0)
    moved = fill.progress.moved_bytes + 100 * 10**9
    used.hub.fills.renew(fill.fill_id, fill.token, replace(fill.progress, moved_bytes=moved))
    assert cell(browser.get("/cache").text, "criteo@v3", 3).startswith("72 %")
    replica = used.hub.replicas.get(volume, version)
    assert replica is not None
    assert replica.state is ReplicaState.FILLING
