"""The pages of sites and of administration, on a hub with a team: what they show, to whom, and what they do."""

from __future__ import annotations

import csv
import datetime
import html
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from forebay.hub.board.checkup import Looked
from forebay.hub.board.findings import Finding, Severity
from forebay.sites.tasks import TRIED_AGAIN
from forebay.testing.cached import FakeClock
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.team import Team, add_team
from forebay.wire.access import Role
from forebay.wire.runs import RunQuery
from forebay.wire.sites import SiteState

OPEN_TO_ALL = (
    "/sites",
    "/sites/dgx",
    "/sites/gcp",
    "/admin",
    "/admin/tokens",
    "/admin/policies",
    "/admin/policies/criteo",
    "/admin/quotas",
    "/admin/retention",
    "/admin/retention/plan?dataset=criteo&keep_last=1",
    "/admin/links",
    "/admin/agents",
)
OF_ADMINS = (
    "/admin/users",
    "/admin/users/ada",
    "/admin/users/ada/remove",
    "/admin/teams",
    "/admin/teams/ads",
    "/admin/teams/ads/remove",
    "/admin/audit",
    "/admin/doctor",
)
POSTS = {
    "/sites/dgx/state": {"state": "draining", "reason": "why not"},
    "/sites/dgx/downtimes": {"begins": "", "ends": "2h"},
    "/sites/dgx/remove": {},
    "/admin/users": {"name": "mallory", "role": "admin"},
    "/admin/users/ada/role": {"role": "admin"},
    "/admin/users/ada/remove": {},
    "/admin/teams": {"team": "new", "members": "vera"},
    "/admin/teams/ads/join": {"members": "vera"},
    "/admin/teams/ads/remove": {},
    "/admin/policies/criteo": {"read": "ads"},
    "/admin/quotas": {"volume": "v-dgx", "team": "ads", "limit": "9TB"},
    "/admin/quotas/remove": {"volume": "v-dgx", "team": "ads"},
    "/admin/retention": {"dataset": "criteo", "keep_last": "1"},
    "/admin/links": {"source": "s3://clicks", "target": "dgx", "price": "9"},
    "/admin/links/forget": {"source": "s3://clicks", "target": "dgx"},
    "/admin/links/prices": {"site": "dgx", "gpu": "0"},
    "/admin/doctor": {},
}


@dataclass(frozen=True, slots=True)
class Made:
    """A hub that was filled once and closed, for each test to copy."""

    home: Path
    team: Team
    now: float


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    home, clock = tmp_path_factory.mktemp("made") / "home", FakeClock(1_790_000_000.0)
    with Dashboard.on(home, clock) as dashboard:
        team = add_team(dashboard.hub, dashboard.access, clock)
    return Made(home=home, team=team, now=clock.now())


@pytest.fixture
def clock(made: Made) -> FakeClock:
    return FakeClock(made.now)


@pytest.fixture
def dashboard(made: Made, tmp_path: Path, clock: FakeClock) -> Iterator[Dashboard]:
    shutil.copytree(made.home, tmp_path / "home")
    with Dashboard.on(tmp_path / "home", clock) as copied:
        yield copied


@pytest.fixture
def team(made: Made) -> Team:
    return made.team


@pytest.fixture
def admin(dashboard: Dashboard, team: Team) -> Iterator[TestClient]:
    with dashboard.admin() as browser:
        yield browser


def table(browser: TestClient, address: str, name: str) -> list[dict[str, object]]:
    join = "&" if "?" in address else "?"
    answer = browser.get(f"{address}{join}table={name}&as=json")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = json.loads(answer.text)
    return found


def send(browser: TestClient, address: str, **form: str) -> str:
    """Post a form as a page does, and follow to the page that says what came of it."""
    answer = browser.post(address, data=form)
    assert answer.status_code == 303, answer.text
    page = browser.get(answer.headers["location"])
    assert page.status_code == 200, page.text
    return page.text


def test_the_first_page_tells_ones_teams_space(admin: TestClient, dashboard: Dashboard) -> None:
    found = table(admin, "/", "quotas")
    assert [(row["team"], row["site"], row["share"]) for row in found] == [("ads", "dgx", 1.105), ("ads", "aks", 0.7)]
    page = admin.get("/").text
    assert "110 % of its quota" in page
    assert 'href="/admin/quotas"' in page
    assert table(dashboard.browser_of("ada"), "/", "quotas") == found
    others = dashboard.browser_of("eve", Role.VIEWER).get("/").text
    assert "of its quota" not in others
    assert "All quotas" not in others


# Who sees what


@pytest.mark.parametrize("address", [*OPEN_TO_ALL, *OF_ADMINS, "/sites/where", "/sites/dgx/down", "/sites/dgx/remove"])
def test_an_admin_sees_every_page(admin: TestClient, address: str) -> None:
    page = admin.get(address)
    assert page.status_code == 200, page.text
    assert "<h1>" in page.text


@pytest.mark.parametrize("address", OPEN_TO_ALL)
def test_a_viewer_sees_pages_without_a_form_that_changes_something(
    dashboard: Dashboard, team: Team, address: str
) -> None:
    page = dashboard.browser_of("vera", Role.VIEWER).get(address)
    assert page.status_code == 200, page.text
    # What is there for everybody: out, another look, and tokens of one's own.
    own = {"/logout", "/theme", "/admin/tokens#do"}
    assert set(re.findall(r'<form[^>]* method="post"[^>]* action="([^"]+)"', page.text)) <= own
    assert "btn danger" not in page.text


def test_everybody_is_led_to_what_they_may_read_of_what_is_governed(dashboard: Dashboard, team: Team) -> None:
    vera, admin = dashboard.browser_of("vera", Role.VIEWER), dashboard.admin()
    assert '<a href="/admin">Admin</a>' in vera.get("/").text
    seen, all_of_it = ({*re.findall(r'href="(/admin/[a-z]+)"', who.get("/admin").text)} for who in (vera, admin))
    assert seen == {f"/admin/{name}" for name in ("tokens", "policies", "quotas", "retention", "links", "agents")}
    assert all_of_it - seen == {f"/admin/{name}" for name in ("users", "teams", "audit", "doctor")}


@pytest.mark.parametrize("address", OF_ADMINS)
@pytest.mark.parametrize(("user", "role"), [("vera", Role.VIEWER), ("ben", Role.ENGINEER)])
def test_pages_of_admins_are_theirs(dashboard: Dashboard, team: Team, address: str, user: str, role: Role) -> None:
    assert dashboard.browser_of(user, role).get(address).status_code == 403


@pytest.mark.parametrize("address", POSTS)
def test_a_viewer_changes_nothing(dashboard: Dashboard, team: Team, address: str) -> None:
    answer = dashboard.browser_of("vera", Role.VIEWER).post(address, data=POSTS[address])
    assert answer.status_code == 403, answer.text
    assert dashboard.hub.sites.get("dgx").wanted is SiteState.UP
    assert {user.name for user in dashboard.access.users()} == {"admin", "ada", "ben", "eve", "vera"}


@pytest.mark.parametrize("address", POSTS)
def test_what_another_site_sends_is_refused(admin: TestClient, address: str) -> None:
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert admin.post(address, data=POSTS[address], headers=foreign).status_code == 403


@pytest.mark.parametrize("address", [*OPEN_TO_ALL, "/sites/where?data=criteo@v3&gpus=1"])
def test_nothing_tells_of_a_hidden_dataset(dashboard: Dashboard, team: Team, address: str) -> None:
    """Neither its name, nor its run, nor its lake, nor the bytes of its replica."""
    page = dashboard.browser_of("eve").get(address)
    assert page.status_code == 200, page.text
    assert "fraud" not in page.text
    assert team.secret_run_id[:12] not in page.text


def test_of_a_hidden_dataset_no_number_tells(dashboard: Dashboard, team: Team) -> None:
    eve, ada = dashboard.browser_of("eve"), dashboard.browser_of("ada", Role.SCIENTIST, "ads")
    of_eve, of_ada = ({str(row["site"]): row for row in table(browser, "/sites", "sites")} for browser in (eve, ada))
    assert (of_eve["dgx"]["ready"], of_ada["dgx"]["ready"]) == (2, 3)
    assert (of_eve["dgx"]["runs"], of_ada["dgx"]["runs"]) == (1, 2)
    assert (of_eve["dgx"]["tasks"], of_ada["dgx"]["tasks"]) == (1, 2)
    assert table(eve, "/admin/quotas", "quotas") == []
    (held,) = (row for row in table(ada, "/admin/quotas", "quotas") if row["site"] == "dgx")
    assert held["held_bytes"] == (362 + 80) * 10**9
    assert [row["dataset"] for row in table(eve, "/admin/policies", "policies")] == ["criteo"]
    assert eve.get("/admin/policies/fraud").status_code == eve.get("/admin/policies/nothing").status_code == 404


# Sites


def test_sites_tell_their_states_and_what_they_hold(admin: TestClient) -> None:
    rows = {str(row["site"]): row for row in table(admin, "/sites", "sites")}
    assert {name: row["state"] for name, row in rows.items()} == {
        "aks": "draining",
        "dgx": "up",
        "edge": "degraded",
        "gcp": "down",
    }
    assert rows["dgx"]["volume_share"] == pytest.approx((362 + 250 + 80) / 1400, abs=1e-3)
    page = admin.get("/sites").text
    assert "moving to new nodes" in page
    assert "4 sites: 1 up, 1 draining, 1 degraded, 1 down" in page
    assert "down in 24 h" in page


def test_sites_tell_how_much_of_them_is_busy_to_who_may_run(admin: TestClient, dashboard: Dashboard) -> None:
    page = admin.get("/sites").text
    assert "4 of 12 GPUs, 16 of 216 CPUs busy" in page
    assert "4 of 8 busy" in page
    assert admin.get("/sites/dgx").text.count("4 of 8 GPUs, 16 of 96 CPUs busy") == 2
    vera = dashboard.browser_of("vera", Role.VIEWER)
    assert "busy" not in vera.get("/sites").text + vera.get("/sites/dgx").text
    assert "12 GPUs, 216 CPUs" in vera.get("/sites").text
    for browser, busy in ((admin, (8, 4, 96, 16)), (vera, (8, None, 96, None))):
        row = next(row for row in table(browser, "/sites", "sites") if row["site"] == "dgx")
        assert tuple(row[key] for key in ("gpus", "gpus_busy", "cpus", "cpus_busy")) == busy


def test_the_map_is_drawn_and_told_in_words(admin: TestClient) -> None:
    page = admin.get("/sites").text
    assert "Map of 2 lakes and 4 sites with 6 links, 2 fills under way" in page
    lanes = re.findall(r'<path class="(lane[ a-z]*)" d="M[\d. ]+C', page)
    assert (lanes.count("lane"), lanes.count("lane flows")) == (5, 1)
    assert "2 fills, " in page
    titles = [html.unescape(told) for told in re.findall(r"<g><title>(.*?)</title>", page)]
    assert len(titles) == 6
    assert (
        "From s3://clicks to gcp: 190.7 MiB/s, 90 ms to the first byte, 0.09 a GB, declared; now 2 fills"
        in " ".join(titles)
    )
    assert "where a link leads to" in page
    links = {(str(row["from"]), str(row["to"])): row for row in table(admin, "/sites", "links")}
    assert links["s3://clicks", "gcp"]["price_gb"] == pytest.approx(0.09)
    assert links["s3://clicks", "gcp"]["measured_at"] is None
    assert len(str(links["s3://clicks", "gcp"]["brings"]).split()) == 2
    assert links["s3://clicks", "dgx"]["moved_bytes"] == 362 * 10**9


def test_a_site_and_its_cache_lead_to_each_other(admin: TestClient) -> None:
    assert 'class="btn" href="/cache/dgx"' in admin.get("/sites/dgx").text
    assert 'class="btn" href="/sites/dgx"' in admin.get("/cache/dgx").text
    ready = "/cache?only=ready&site=dgx"
    assert f'<a href="{ready.replace("&", "&amp;")}">3</a>' in admin.get("/sites").text
    assert len(table(admin, ready, "grid")) == 3


def test_where_data_are_leads_there(admin: TestClient) -> None:
    for address in ("/datasets", "/datasets/criteo"):
        found = set(re.findall(r'<a href="(/cache/[a-z]+/criteo/v\d)"><span class="state', admin.get(address).text))
        assert {"/cache/dgx/criteo/v3", "/cache/gcp/criteo/v3"} <= found
        assert {admin.get(href).status_code for href in found} == {200}


def test_a_site_is_drained_and_brought_back(admin: TestClient, dashboard: Dashboard) -> None:
    wrong = admin.post("/sites/dgx/state", data={"state": "draining", "reason": " "})
    assert (wrong.status_code, "Say why" in wrong.text) == (400, True)
    page = send(admin, "/sites/dgx/state", state="draining", reason="<b>new</b> disks")
    assert "dgx is draining" in page
    assert "&lt;b&gt;new&lt;/b&gt; disks" in page
    assert "Bring it back" in page
    assert dashboard.hub.sites.get("dgx").wanted is SiteState.DRAINING
    assert "dgx is up" in send(admin, "/sites/dgx/state", state="up", reason="")


def test_what_goes_down_is_asked_about_first(admin: TestClient, team: Team) -> None:
    asks = admin.get("/sites/dgx/down").text
    assert "2 runs under way" in asks
    assert team.run_id[:12] in asks
    assert len(table(admin, "/sites/dgx/down", "runs")) == 2
    assert "dgx is down" in send(admin, "/sites/dgx/state", state="down", reason="power")


def test_a_state_that_nobody_sets_is_refused(admin: TestClient) -> None:
    assert admin.post("/sites/dgx/state", data={"state": "degraded"}).status_code == 400


def test_a_downtime_is_planned_and_cancelled(admin: TestClient, dashboard: Dashboard) -> None:
    for fields, told in (
        ({"begins": "soon", "ends": "2h"}, "is no moment"),
        ({"begins": "", "ends": ""}, "Say when it ends"),
        ({"begins": "4h", "ends": "2h"}, "it ends before it begins"),
    ):
        wrong = admin.post("/sites/gcp/downtimes", data=fields)
        assert (wrong.status_code, told in wrong.text) == (400, True), wrong.text
        assert 'href="/sites/gcp?table=links&amp;as=csv"' in wrong.text, "where a form is sent to is no page"
    assert "gcp will be down in 4 h" in send(admin, "/sites/gcp/downtimes", begins="4h", ends="6h", why="<disks>")
    (planned,) = dashboard.hub.downtimes.all("gcp")
    assert (planned.ends_at - planned.begins_at, planned.planned_by, planned.reason) == (7200, "admin", "<disks>")
    assert "&lt;disks&gt;" in admin.get("/sites/gcp").text
    send(admin, "/sites/gcp/downtimes/cancel", downtime=planned.downtime_id)
    assert dashboard.hub.downtimes.all("gcp") == []


def test_a_task_is_withdrawn(admin: TestClient, dashboard: Dashboard, team: Team) -> None:
    assert team.task_id in {row.task_id for row in dashboard.hub.sites.tasks("dgx")}
    send(admin, "/sites/dgx/tasks/withdraw", task=team.task_id)
    assert team.task_id not in {
        row.task_id for row in dashboard.hub.sites.tasks("dgx") if "admin took it back" not in row.reason
    }


def test_a_failing_task_says_what_would_help(admin: TestClient) -> None:
    page = admin.get("/sites/edge").text
    assert "cannot write: the disk is full" in page
    assert TRIED_AGAIN in page
    row = next(row for row in table(admin, "/sites/edge", "tasks") if "cannot write" in str(row["reason"]))
    assert row["unblock"]
    assert isinstance(row["next_try_at"], float)


def test_a_site_in_use_is_not_forgotten(admin: TestClient, dashboard: Dashboard) -> None:
    answer = admin.post("/sites/dgx/remove")
    assert (answer.status_code, "has an agent" in answer.text) == (409, True)
    assert dashboard.hub.sites.get("dgx").state is SiteState.UP


def test_where_a_run_would_start(admin: TestClient, dashboard: Dashboard) -> None:
    before = len(dashboard.hub.runs.page(RunQuery(limit=100)).runs)
    page = admin.get("/sites/where", params={"data": "criteo@v3", "gpus": "2", "cpus": "4", "memory": "8GB"})
    assert "It would go to dgx and start at once." in page.text
    rows = table(admin, "/sites/where?data=criteo@v3&gpus=2", "where")
    assert rows[0]["site"] == "dgx"
    assert {row["site"]: bool(row["why"]) for row in rows} == {"dgx": False, "aks": True, "gcp": True, "edge": True}
    assert len(dashboard.hub.runs.page(RunQuery(limit=100)).runs) == before


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"data": "nothing@v1"}, "nothing"),
        ({"data": "criteo@v3", "memory": "much"}, "can&#39;t be read"),
        ({"data": "criteo@v3", "gpus": "-1"}, "no whole number"),
        ({"data": "criteo@v3", "where": ">>"}, "role"),
    ],
)
def test_what_can_not_be_asked_is_told_beside_its_field(admin: TestClient, asked: dict[str, str], told: str) -> None:
    answer = admin.get("/sites/where", params=asked)
    assert (answer.status_code, told in answer.text) == (400, True), answer.text


def test_a_viewer_asks_for_no_placement(dashboard: Dashboard, team: Team) -> None:
    assert dashboard.browser_of("vera", Role.VIEWER).get("/sites/where").status_code == 403


# People


def test_a_user_is_added_changed_and_removed(admin: TestClient, dashboard: Dashboard) -> None:
    wrong = admin.post("/admin/users", data={"name": "Not A Name", "role": "viewer"})
    assert (wrong.status_code, "cannot be the name of a user" in wrong.text) == (400, True)
    wrong = admin.post("/admin/users", data={"name": "zoe@corp", "role": "viewer", "teams": "ads Not/A/Team"})
    assert (wrong.status_code, "cannot be the name of a team" in wrong.text) == (400, True)
    assert "zoe@corp" not in {user.name for user in dashboard.access.users()}, "nothing is half done"
    assert "zoe is on the hub" in send(admin, "/admin/users", name="zoe@corp", role="viewer", teams="ads new").replace(
        "zoe@corp", "zoe"
    )
    assert "is engineer now" in send(admin, "/admin/users/zoe@corp/role", role="engineer")
    send(admin, "/admin/users/zoe@corp/teams", teams="maps")
    assert [user.teams for user in dashboard.access.users() if user.name == "zoe@corp"] == [("maps",)]
    send(admin, "/admin/users/zoe@corp/remove")
    assert "zoe@corp" not in {user.name for user in dashboard.access.users()}


def test_the_last_admin_stays(admin: TestClient) -> None:
    assert admin.post("/admin/users/admin/remove").status_code == 409
    assert admin.post("/admin/users/admin/role", data={"role": "viewer"}).status_code == 409


def test_a_team_is_made_joined_left_and_removed(admin: TestClient, dashboard: Dashboard) -> None:
    wrong = admin.post("/admin/teams", data={"team": "new", "members": "nobody"})
    assert (wrong.status_code, "There is no user" in wrong.text) == (400, True)
    send(admin, "/admin/teams", team="new", members="vera eve")
    send(admin, "/admin/teams/new/leave", user="eve")
    send(admin, "/admin/teams/new/join", members="ben")
    assert [team.members for team in dashboard.access.teams() if team.name == "new"] == [("ben", "vera")]
    send(admin, "/admin/teams/new/remove")
    assert admin.post("/admin/teams/ads/remove").status_code == 409
    assert "criteo, fraud" in admin.get("/admin/teams/ads/remove").text


def test_a_token_is_shown_once(admin: TestClient, dashboard: Dashboard) -> None:
    form = {"user": "ada", "role": "viewer", "lasts": "7d", "datasets": "criteo", "note": "a <script>"}
    made = admin.post("/admin/tokens", data=form)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert "holds for 7 days" in made.text
    assert "holds until it is revoked" in admin.post("/admin/tokens", data={**form, "lasts": "never"}).text
    (secret,) = set(re.findall(r"fbt_[\w-]{43}", made.text))
    person = dashboard.access.principal_of(secret)
    assert (person.name, person.until) == ("ada", dashboard.clock.now() + 7 * 86400)
    for address in ("/admin/tokens", "/admin/tokens?all=yes", "/admin/users/ada", "/admin/audit"):
        again = admin.get(address).text
        assert secret not in again
        assert "<script>" not in re.sub(r"<script src=[^>]*>", "", again)


def test_a_token_is_revoked_after_a_question(admin: TestClient, dashboard: Dashboard, team: Team) -> None:
    assert "nightly ads" in admin.get("/admin/tokens").text
    assert {row["user"] for row in table(admin, "/admin/tokens?whose=ada&all=yes", "tokens")} == {"ada"}
    assert "Revoke the token" in admin.get(f"/admin/tokens/{team.token_id}/revoke").text
    send(admin, f"/admin/tokens/{team.token_id}/revoke")
    assert "nightly ads" not in admin.get("/admin/tokens").text
    assert "nightly ads" in admin.get("/admin/tokens?all=yes").text
    assert dashboard.access.token(team.token_id).revoked_at == dashboard.clock.now()


def test_nobody_makes_or_ends_more_than_they_may(dashboard: Dashboard, team: Team) -> None:
    eve = dashboard.browser_of("eve")
    assert team.token_id not in eve.get("/admin/tokens?all=yes").text
    assert eve.post(f"/admin/tokens/{team.token_id}/revoke").status_code == 404
    for form in ({"role": "admin"}, {"user": "ada", "role": "viewer"}, {"role": "viewer", "site": "dgx"}):
        answer = eve.post("/admin/tokens", data={"lasts": "1d", **form})
        assert answer.status_code in (400, 403), answer.text
        assert not re.findall(r"fbt_[\w-]{43}", answer.text)


# What governs


def test_a_policy_is_set_by_who_governs(admin: TestClient, dashboard: Dashboard) -> None:
    wrong = admin.post("/admin/policies/images", data={"write": "nobody"})
    assert (wrong.status_code, "There is no team" in wrong.text) == (400, True)
    assert "holds from now on" in send(admin, "/admin/policies/images", write="ads, maps", sites="dgx")
    (images,) = (row for row in table(admin, "/admin/policies", "policies") if row["dataset"] == "images")
    assert (images["read"], images["write"], images["run"], images["sites"]) == ("", "ads maps", "", "dgx")
    for address in ("/admin/policies", "/admin/policies/images"):
        assert "who may read it" in admin.get(address).text, address
    found = dashboard.access.policy("images")
    assert (found.write, found.sites, found.set_by) == (("ads", "maps"), ("dgx",), "admin")
    told = admin.post("/admin/policies/images", data={"read": "ads"})
    assert (told.status_code, "is on the volume" in told.text) == (400, True)


def test_a_dataset_is_chosen_to_be_governed(admin: TestClient) -> None:
    answer = admin.get("/admin/policies?dataset=images")
    assert answer.headers["location"] == "/admin/policies/images"
    wrong = admin.get("/admin/policies?dataset=imagse")
    assert (wrong.status_code, "images" in wrong.text) == (400, True)


def test_a_quota_below_what_is_held_asks_first(admin: TestClient, dashboard: Dashboard) -> None:
    asks = admin.post("/admin/quotas", data={"volume": "v-dgx", "team": "ads", "limit": "100GB"})
    assert (asks.status_code, "up to" in asks.text) == (200, True)
    assert dashboard.hub.volumes.quotas("v-dgx")[0].limit_bytes == 400 * 10**9
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asks.text))
    send(admin, "/admin/quotas", **fields)
    assert dashboard.hub.volumes.quotas("v-dgx")[0].limit_bytes == 100 * 2**30
    send(admin, "/admin/quotas/remove", volume="v-dgx", team="ads")
    assert dashboard.hub.volumes.quotas("v-dgx") == []
    assert admin.post("/admin/quotas", data={"volume": "v-dgx", "team": "ads", "limit": "some"}).status_code == 400


def test_a_retention_rule_shows_what_would_go_before_it_is_set(admin: TestClient, dashboard: Dashboard) -> None:
    asks = admin.get("/admin/retention/plan", params={"dataset": "criteo", "keep_last": "1"}).text
    assert "2 versions of 3 would be retired" in asks or "1 version of 3 would be retired" in asks
    assert dashboard.hub.retention.policy("criteo").keep_last == 2
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asks))
    send(admin, "/admin/retention", **fields)
    assert dashboard.hub.retention.policy("criteo").keep_last == 1
    wrong = admin.get("/admin/retention/plan", params={"dataset": "criteo", "keep_last": "some"})
    assert (wrong.status_code, "Both are numbers" in wrong.text) == (400, True)


def test_a_link_is_declared_and_forgotten(admin: TestClient, dashboard: Dashboard) -> None:
    for form, told in (
        ({"source": "s3://clicks", "target": "dgx"}, "Nothing was said"),
        ({"source": "s3://clicks", "target": "dgx", "price": "-1"}, "no such number"),
        ({"source": "s3://clicks", "target": "dgx", "bandwidth": "fast"}, "can&#39;t be read"),
    ):
        wrong = admin.post("/admin/links", data=form)
        assert (wrong.status_code, told in wrong.text) == (400, True), wrong.text
    form = {"source": "s3://new", "target": "edge", "bandwidth": "120MB/s", "latency": "30ms", "price": "0.09"}
    send(admin, "/admin/links", **form)
    (link,) = (item for item in dashboard.hub.links.all() if item.source == "s3://new")
    assert [link.bandwidth_bytes_s, link.latency_s] == pytest.approx([120 * 2**20, 0.03])
    assert link.price_byte * 2**30 == pytest.approx(0.09)
    assert "From s3://new to edge" in admin.get("/admin/links/forget?source=s3://new&target=edge").text
    send(admin, "/admin/links/forget", source="s3://new", target="edge")
    assert "s3://new" not in {item.source for item in dashboard.hub.links.all()}


def test_prices_stay_where_nothing_is_said(admin: TestClient, dashboard: Dashboard) -> None:
    send(admin, "/admin/links/prices", site="aks", gpu="3", cpu="")
    record = dashboard.hub.sites.get("aks")
    assert (record.gpu_hour_price, record.cpu_hour_price) == (3, 0.04)
    assert admin.post("/admin/links/prices", data={"site": "aks", "gpu": "much"}).status_code == 400


# The audit, agents, health


def test_what_a_page_does_not_show_of_rules_and_fates_it_says(
    admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dataset in ("criteo", "fraud"):
        send(admin, "/admin/retention", dataset=dataset, keep_last="50")
    assert "2 datasets with a rule ·" in admin.get("/admin/retention").text
    monkeypatch.setattr("forebay.hub.web.pages.retention._SHOWN", 1)
    assert "1 dataset with a rule on this page" in admin.get("/admin/retention").text
    monkeypatch.setattr("forebay.hub.web.pages.retention._FATES", 2)
    plan = "/admin/retention/plan?dataset=criteo&keep_last=1"
    fates = table(admin, plan, "fates")
    assert len(fates) > 2
    assert f"2 of {len(fates)}: CSV has all" in admin.get(plan).text


def test_the_audit_is_filtered(admin: TestClient, dashboard: Dashboard, clock: FakeClock) -> None:
    refused = table(admin, "/admin/audit?user=eve&outcome=refused", "audit")
    assert {row["user"] for row in refused} == {"eve"}
    assert {row["on"] for row in refused} == {"criteo@v1", "fraud"}
    assert {row["action"] for row in table(admin, "/admin/audit?action=tag", "audit")} == {"tag"}
    today = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC).date()
    assert table(admin, f"/admin/audit?since={today}&until={today}&action=tag", "audit")
    assert table(admin, "/admin/audit?until=2001-01-01", "audit") == []
    for wrong in ("outcome=maybe", "since=yesterday", "before=x"):
        assert admin.get(f"/admin/audit?{wrong}").status_code == 400


def test_the_audit_goes_on_and_is_exported_whole(admin: TestClient, dashboard: Dashboard) -> None:
    ada = dashboard.browser_of("ada", Role.SCIENTIST, "ads")
    for number in range(130):
        assert ada.post("/admin/tokens", data={"role": "admin", "lasts": "1d", "note": str(number)}).status_code == 400
    page = admin.get("/admin/audit?user=ada")
    more = re.search(r'class="more" href="([^"]+)"', page.text)
    assert more is not None
    assert page.text.count("<tr") - 1 == 100
    rest = admin.get(more[1].replace("&amp;", "&"))
    assert rest.status_code == 200
    first, again = (table(admin, f"/admin/audit?user=ada{before}", "audit") for before in ("", "&before=100000"))
    assert first == again
    assert len(first) >= 130, "a table's export has all of it, on whichever page it is asked for"
    exports = {kind: href for href, kind in re.findall(r'href="(/api/[^"]+format=(\w+))"', page.text)}
    lines = admin.get(exports["ndjson"].replace("&amp;", "&")).text.splitlines()
    rows = list(csv.DictReader(io.StringIO(admin.get(exports["csv"].replace("&amp;", "&")).text)))
    assert len(lines) == len(rows) > 130
    assert {json.loads(line)["user"] for line in lines} == {"ada"}


def test_agents_of_another_release_are_told_of(admin: TestClient) -> None:
    rows = {str(row["site"]): row["release"] for row in table(admin, "/admin/agents", "agents")}
    assert rows["gcp"] == "0.0.9"
    assert "the agent of gcp is of release 0.0.9" in admin.get("/admin/doctor").text


def test_health_tells_what_the_records_know(admin: TestClient) -> None:
    assert re.fullmatch(r"\d+ findings?", str(table(admin, "/admin", "admin")[0]["state"])), "no markup"
    rows = table(admin, "/admin/doctor", "records")
    assert [row["severity"] for row in rows] == sorted(str(row["severity"]) for row in rows)
    told = " / ".join(str(row["message"]) for row in rows)
    assert "gcp is down" in told
    assert "the volume of edge is unstable: a canary could not be read back" in told
    assert "the token of the agent of aks ends in" in told


def test_without_a_doctor_health_says_how_to_ask_one(admin: TestClient) -> None:
    page = admin.get("/admin/doctor").text
    assert "forebay doctor" in page
    assert "Have the doctor look" not in page


def test_the_doctor_looks_when_asked(dashboard: Dashboard, team: Team) -> None:
    found = Finding(check="home", kind="home-full", severity=Severity.FAULT, message="<i>full</i>", mend="Free some.")
    looks: list[int] = []

    def look() -> Looked:
        looks.append(1)
        return Looked(checks=("home", "limits"), findings=(found,))

    dashboard.look = look
    admin = dashboard.admin()
    assert "Nobody has asked the doctor yet" in admin.get("/admin/doctor").text
    assert looks == []
    page = send(admin, "/admin/doctor")
    assert "The doctor has looked: 1 finding." in page
    assert "&lt;i&gt;full&lt;/i&gt;" in page
    assert "home, limits" in page
    assert looks == [1]
