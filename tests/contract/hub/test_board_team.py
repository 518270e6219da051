"""The read models of sites and administration on each database: what they add up, and that they tell nothing hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection

from forebay.catalog.engine import reading
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.api.info import VERSION
from forebay.hub.board.findings import Severity, findings
from forebay.hub.board.governed import near_quota, open_datasets, policies, retentions, team_holds
from forebay.hub.board.people import SignIns, TeamUse, sign_ins, team_uses
from forebay.hub.board.sight import Sight, sight_of
from forebay.hub.board.site_load import accounts_of, site_loads
from forebay.hub.board.site_map import SiteMap, flows, joined, links
from forebay.hub.board.site_work import FOR_A_RUN, open_tasks, runs_by_site, runs_under_way, tasks_by_site
from forebay.hub.local import LocalHub
from forebay.runs.request import resources_of
from forebay.sites.site import Resources
from forebay.testing.cached import FakeClock
from forebay.testing.web.team import GB, LAKE, PEOPLE, Team, add_team
from forebay.wire.access import Role
from forebay.wire.links import TransferReport
from forebay.wire.runs import DataUse, NewRun
from forebay.wire.sites import TaskKind
from tests.contract.hub.sides import statements

VOLUMES = {site: f"v-{site}" for site in ("dgx", "aks", "gcp", "edge")}
ADMIN = Person(user="admin", role=Role.ADMIN)
TEAMS = {"ada": ("ads",), "ben": ("ads", "maps")}


def person(user: str, *only: str) -> Person:
    return Person(user=user, role=PEOPLE[user], teams=frozenset(TEAMS.get(user, ())), only=frozenset(only))


class Board:
    """The read models of a hub with a team, as somebody sees them."""

    def __init__(self, hub: LocalHub, clock: FakeClock) -> None:
        self.hub = hub
        self.clock = clock
        access = AccessStore(hub.engine, clock)
        access.bootstrap()
        self.team: Team = add_team(hub, access, clock)

    def as_(self, who: Person, read: Callable[[Connection, Sight], Any]) -> Any:
        with reading(self.hub.engine) as connection:
            return read(connection, sight_of(connection, who))


@pytest.fixture
def board(embedded: LocalHub, clock: FakeClock) -> Board:
    return Board(embedded, clock)


def test_what_a_site_holds_and_does(board: Board) -> None:
    loads = board.as_(ADMIN, lambda connection, sight: site_loads(connection, sight, VOLUMES))
    dgx = loads["dgx"]
    assert (dgx.ready, dgx.runs, dict(dgx.tasks)) == (3, 2, {TaskKind.SCRUB: 1, TaskKind.FILL: 1})
    assert (dgx.account.used_bytes, dgx.account.free_bytes) == (692 * GB, 708 * GB)
    assert dgx.account.share == pytest.approx(692 / 1400)
    gcp = loads["gcp"].account
    assert (gcp.used_bytes, gcp.reserved_bytes, gcp.held_bytes) == (0, 612 * GB, 612 * GB)
    assert board.as_(ADMIN, lambda connection, sight: accounts_of(connection, ["nowhere"])) == {}


def test_a_site_is_looked_at_in_as_many_questions_as_many(board: Board) -> None:
    few, many = dict(list(VOLUMES.items())[:1]), VOLUMES

    def questions(volumes: Mapping[str, str]) -> int:
        with statements(board.hub.engine) as asked:
            board.as_(ADMIN, lambda connection, sight: site_loads(connection, sight, volumes))
        return len(asked)

    assert questions(few) == questions(many) < 10


def test_who_may_run_knows_how_much_of_a_site_is_free(board: Board) -> None:
    """As the table of a placement tells them; which runs have it, it does not tell."""
    free = {}
    for who in (ADMIN, person("eve")):
        loads = board.as_(who, lambda connection, sight: site_loads(connection, sight, VOLUMES))
        free[who.user] = {site: load.busy for site, load in loads.items()}
    of_one = resources_of(board.hub.runs.get(board.team.run_id).new)
    nothing = Resources()
    both = Resources(gpus=4, cpus=16, memory_bytes=2 * of_one.memory_bytes)
    assert free["eve"] == free["admin"] == {"dgx": both, "aks": nothing, "gcp": nothing, "edge": nothing}
    loads = board.as_(person("vera"), lambda connection, sight: site_loads(connection, sight, VOLUMES))
    assert {load.busy for load in loads.values()} == {None}
    asked = NewRun(command=("x",), gpus=5, cpus=1)
    fits = NewRun(command=("x",), gpus=4, cpus=1)
    waits = {new.gpus: {row.site: row for row in board.hub.runs.explain(new).rows}["dgx"] for new in (asked, fits)}
    assert waits[5].queue_s > waits[4].queue_s == 0


def _map(connection: Connection, sight: Sight, now: float) -> SiteMap:
    return joined(list(VOLUMES), links(connection, sight, now), flows(connection, sight, now))


OUTSIDERS = {
    "a scientist": person("eve"),
    "a viewer": person("vera"),
    "a token for others": Person(user="admin", role=Role.ADMIN, only=frozenset({"criteo", "images"})),
}


@pytest.mark.parametrize("who", OUTSIDERS.values(), ids=OUTSIDERS)
def test_who_may_not_know_of_a_dataset_sees_nothing_of_it(board: Board, who: Person) -> None:
    now = board.clock.now()

    def everything(connection: Connection, sight: Sight) -> list[Any]:
        return [
            open_tasks(connection, sight),
            tasks_by_site(connection, sight),
            runs_under_way(connection, sight),
            runs_by_site(connection, sight),
            links(connection, sight, now),
            flows(connection, sight, now),
            _map(connection, sight, now),
            policies(connection, sight),
            policies(connection, sight, words="frau"),
            retentions(connection, sight),
        ]

    assert "fraud" in str(board.as_(ADMIN, everything))
    found = board.as_(who, everything)
    assert "fraud" not in str(found)
    assert board.team.secret_run_id not in str(found)
    loads = board.as_(who, lambda connection, sight: site_loads(connection, sight, VOLUMES))
    assert (loads["dgx"].ready, loads["dgx"].runs, loads["dgx"].all_tasks) == (2, 1, 1)
    assert all(hold.held_bytes != 442 * GB for hold in board.as_(who, team_holds))


def test_a_link_is_reckoned_from_what_is_seen_alone(board: Board) -> None:
    now = board.clock.now()
    report = TransferReport(source=LAKE, dataset="fraud", moved_bytes=7 * GB, seconds=70.0)
    board.hub.links.report("v-aks", report)

    def moved(connection: Connection, sight: Sight) -> int:
        found = {(item.source, item.target): item for item in links(connection, sight, now)}
        return found[LAKE, "aks"].moved_bytes

    assert board.as_(ADMIN, moved) == 357 * GB
    assert board.as_(person("ada"), moved) == 357 * GB
    assert board.as_(person("eve"), moved) == 350 * GB


def test_a_task_for_a_hidden_run_is_nobodys(board: Board) -> None:
    """A run reads what is hidden and what is not: of the fill of the latter nobody learns who wants it."""
    data = (DataUse(name="a", ref="images@v1"), DataUse(name="b", ref="fraud@v1"))
    run = board.hub.runs.submit(NewRun(command=("x",), data=data, cpus=90, site="dgx", submitted_by="ada"))
    board.hub.sites.ask("aks", TaskKind.FILL, "images@v1", "fraud@v1 is next", by=f"run {run.run_id}")
    (of_ada,) = board.as_(person("ada"), lambda connection, sight: open_tasks(connection, sight, "aks"))
    (of_eve,) = board.as_(person("eve"), lambda connection, sight: open_tasks(connection, sight, "aks"))
    assert of_ada.asked_by == f"run {run.run_id}"
    assert (of_eve.asked_by, of_eve.reason) == ("", FOR_A_RUN)


def test_what_flows_is_on_its_lane(board: Board) -> None:
    now = board.clock.now()
    found = board.as_(
        ADMIN,
        lambda connection, sight: _map(connection, sight, now),
    )
    assert found.lakes == (LAKE, "s3://fraud-only")
    (busy,) = (lane for lane in found.lanes if lane.flows)
    assert (busy.source, busy.target, len(busy.flows)) == (LAKE, "gcp", 2)
    assert busy.rest_bytes == int(362 * GB * 0.38) + int(250 * GB * 0.9)
    assert found.to("gcp")[0] == busy
    board.clock.pass_by(3600)
    assert board.as_(ADMIN, lambda connection, sight: flows(connection, sight, board.clock.now())) == []


def test_people_are_for_who_manages(board: Board) -> None:
    now = board.clock.now()
    known = board.as_(ADMIN, lambda connection, sight: sign_ins(connection, sight, now))
    assert (known["ben"].tokens, known["admin"].tokens) == (1, 2)
    assert known["admin"].last_used_at > 0
    assert known.get("eve", SignIns()) == SignIns()
    uses = board.as_(ADMIN, team_uses)
    assert uses["ads"] == TeamUse(policies=("criteo", "fraud"), datasets=2, quotas=2)
    for who in (person("ben"), person("ada"), person("vera")):
        assert board.as_(who, lambda connection, sight: sign_ins(connection, sight, now)) == {}
        assert board.as_(who, team_uses) == {}
        assert board.as_(who, lambda connection, sight: findings(connection, sight, [], VERSION, now)) == []


def test_what_governs_is_listed_in_pages(board: Board) -> None:
    first = board.as_(ADMIN, lambda connection, sight: policies(connection, sight, limit=1))
    rest = board.as_(ADMIN, lambda connection, sight: policies(connection, sight, after=first[0].dataset, limit=5))
    assert [item.dataset for item in (*first, *rest)] == ["criteo", "fraud"]
    assert rest[0].policy.read == ("ads",)
    assert board.as_(ADMIN, open_datasets) == 1
    (kept,) = board.as_(ADMIN, retentions)
    assert (kept.policy.keep_last, kept.live, kept.retired) == (2, 3, 0)
    board.hub.retention.retire("criteo", 1, "old", "ben")
    (kept,) = board.as_(ADMIN, retentions)
    assert (kept.live, kept.retired) == (2, 1)


def test_what_teams_hold_beside_their_quotas(board: Board) -> None:
    found = {(item.site, item.team): item for item in board.as_(ADMIN, team_holds)}
    assert {key: (item.held_bytes, item.versions, item.limit_bytes) for key, item in found.items()} == {
        ("aks", "ads"): (350 * GB, 1, 500 * GB),
        ("dgx", "ads"): (442 * GB, 2, 400 * GB),
    }
    assert len(board.as_(person("ada"), team_holds)) == 2
    assert board.as_(person("eve"), team_holds) == []


def test_the_fullest_quota_comes_first(board: Board) -> None:
    def told(who: Person) -> list[tuple[str, str, float]]:
        return [(item.site, item.team, round(item.share, 3)) for item in board.as_(who, near_quota)]

    assert told(ADMIN) == [("dgx", "ads", 1.105), ("aks", "ads", 0.7)]
    assert told(person("ada")) == told(ADMIN)
    assert told(person("eve")) == []
    board.hub.volumes.remove_quota("v-dgx", "ads")
    board.hub.volumes.set_quota("v-gcp", "ads", 0)
    found = board.as_(person("ada"), near_quota)
    assert [(item.site, item.held_bytes // GB, item.limit_bytes) for item in found] == [
        ("aks", 350, 500 * GB),
        ("gcp", 0, 0),
        ("dgx", 442, None),
    ]
    board.hub.volumes.remove_quota("v-aks", "ads")
    board.hub.volumes.remove_quota("v-gcp", "ads")
    assert board.as_(ADMIN, near_quota) == []


def test_findings_name_what_is_wrong(board: Board) -> None:
    now = board.clock.now()
    version = board.hub.catalog.resolve("images@v1")
    board.hub.replicas.mark_damaged("v-dgx", version, "images/7.png failed its digest")
    board.hub.volumes.add("v-aks", "/mnt/aks", 351 * GB)

    def look(connection: Connection, sight: Sight) -> dict[str, Severity]:
        found = findings(connection, sight, board.hub.sites.all(), "9.9.0", now)
        return {f"{item.kind} {item.href}": item.severity for item in found}

    told = board.as_(ADMIN, look)
    assert told["site-down /sites/gcp"] is Severity.FAULT
    assert told["site-degraded /sites/edge"] is Severity.WARNING
    assert told["release-skew /sites/dgx"] is Severity.WARNING
    assert told["volume-unstable /sites/edge"] is Severity.WARNING
    assert told["volume-full /sites/aks"] is Severity.WARNING
    assert told["replicas-damaged /cache"] is Severity.WARNING
    assert told["token-ends /admin/tokens"] is Severity.WARNING
    assert "site-draining /sites/aks" not in told
