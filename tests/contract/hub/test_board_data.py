"""What pages of datasets and versions show, on both databases; and that who may not know of a dataset sees nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.catalog.diff import ChangeKind
from forebay.catalog.engine import reading as reading_of
from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import NotFoundError
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.board import dataset as one
from forebay.hub.board import datasets, diff, files, lineage, used_by
from forebay.hub.board.datasets import DatasetQuery, Order
from forebay.hub.board.kept import Kept
from forebay.hub.board.sight import Sight, sight_of
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder, store_manifest
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import MadeBy, NewSubset, NewVersion, ParentVersion, Version
from forebay.wire.runs import Output, Run
from forebay.wire.sites import TaskState
from tests.contract.hub.sited import Agent, reading, ready

ROOT = Person(user="root", role=Role.ADMIN)
EVE = Person(user="eve", role=Role.SCIENTIST)
ADA = Person(user="ada", role=Role.SCIENTIST, teams=frozenset({"ads"}))


class Board:
    """`clicks` (two versions) for all; `secret`, made from it, for ads; `report`, made from both."""

    def __init__(self, hub: LocalHub, clock: FakeClock) -> None:
        self.hub, self.clock = hub, clock
        self.access = AccessStore(hub.engine, clock)
        self.access.add_user("ada", Role.SCIENTIST)
        self.access.join_team("ads", ["ada"])
        self.dgx = Agent(hub=hub, site="dgx", gpus=8).attach()
        self.access.subjects.settle(self.dgx.volume_id, "dgx")
        self.clicks = self.add("clicks", "day=1/a", "day=1/b", "day=2/a")
        self.newer = self.add("clicks", "day=1/a", "day=2/a", "day=3/a", "day=3/b")
        self.secret = self.add("secret", "x", parents=(self.clicks,))
        self.access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
        self.secret = hub.catalog.resolve("secret@v1")
        self.report = self.add("report", "page.html", parents=(self.clicks, self.secret))

    def add(self, dataset: str, *paths: str, parents: tuple[Version, ...] = (), **facts: Any) -> Version:
        entries = [Entry(path=path, size_bytes=10, etag=f"{dataset}-{path}") for path in paths]
        new = NewVersion(
            dataset=dataset,
            manifest_digest=store_manifest(self.hub, Manifest.registered(entries)),
            origin="registered",
            lake_url="s3://lake/x",
            created_by="ada",
            parents=tuple(ParentVersion(dataset=item.dataset, number=item.number) for item in parents),
        )
        self.clock.pass_by(60.0)
        return self.hub.catalog.add_version(replace(new, **facts)).version

    def open(self, version: Version) -> None:
        """Bring it to the site, if it is not there, and use it."""
        if self.hub.replicas.get(self.dgx.volume_id, version) is None:
            ready(self.hub, self.dgx.volume_id, version)
        self.hub.leases.take(self.dgx.volume_id, version, holder())

    def see(self, who: Person, call: Any, *given: Any, **named: Any) -> Any:
        with reading_of(self.hub.engine) as connection:
            return call(connection, sight_of(connection, who), *given, **named)

    def read_by(self, *refs: str, made: tuple[str, ...] = (), **facts: Any) -> Run:
        """A run that read these and has succeeded."""
        self.dgx.attach()
        run = self.hub.runs.submit(reading(*refs, **facts))
        order = next(item for item in self.dgx.orders().values() if item.run and item.run.run_id == run.run_id)
        self.dgx.tell(order, TaskState.UNDER_WAY)
        self.dgx.tell(order, TaskState.DONE, made=made)
        return self.hub.runs.get(run.run_id)


@pytest.fixture
def board(embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Board:
    # The same manifests are in each test's home: what was kept of another one names files that are gone.
    monkeypatch.setattr(files, "_kept", Kept(files.KEPT_BYTES))
    return Board(embedded, clock)


def names(page: datasets.DatasetsPage) -> list[str]:
    return [line.name for line in page.lines]


def test_datasets_with_what_one_wants_to_know_of_each(board: Board) -> None:
    board.hub.catalog.tag("clicks", "prod", 1, "ada")
    board.hub.catalog.set_team("clicks", "ads")
    board.open(board.clicks)
    page = board.see(ROOT, datasets.page, DatasetQuery())
    assert names(page) == ["clicks", "report", "secret"]
    assert (page.found, page.page, page.pages) == (3, 1, 1)
    clicks = page.lines[0]
    assert (clicks.owner, clicks.team, clicks.versions, clicks.latest, clicks.size_bytes) == ("ada", "ads", 2, 2, 40)
    assert clicks.tags == (("prod", 1),)
    assert clicks.last_used_at == board.clock.now()
    assert clicks.changed_at == board.newer.created_at
    (cached,) = clicks.cached
    assert (cached.site, cached.number, cached.state, cached.versions) == ("dgx", 1, ReplicaState.READY, 1)
    assert page.lines[1].cached == ()
    assert page.lines[1].last_used_at == 0
    totals = board.see(ROOT, datasets.totals)
    assert (totals.datasets, totals.versions, totals.size_bytes, totals.cached) == (3, 4, 90, 1)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (DatasetQuery(text="LIC"), ["clicks"]),
        (DatasetQuery(text="c e"), ["secret"]),
        (DatasetQuery(text="%"), []),
        (DatasetQuery(tag="prod"), ["clicks"]),
        (DatasetQuery(tag="pro"), []),
        (DatasetQuery(team="ads"), ["clicks"]),
        (DatasetQuery(owner="ada", text="rep"), ["report"]),
        (DatasetQuery(owner="ben"), []),
        (DatasetQuery(site="dgx"), ["clicks"]),
        (DatasetQuery(order=Order.CHANGED), ["report", "secret", "clicks"]),
        (DatasetQuery(order=Order.USED), ["clicks", "report", "secret"]),
        (DatasetQuery(order=Order.SIZE), ["clicks", "report", "secret"]),
        (DatasetQuery(order=Order.VERSIONS), ["clicks", "report", "secret"]),
        (DatasetQuery(page=9), ["clicks", "report", "secret"]),
    ],
)
def test_datasets_searched_narrowed_and_in_order(board: Board, query: DatasetQuery, found: list[str]) -> None:
    board.hub.catalog.tag("clicks", "prod", 1, "ada")
    board.hub.catalog.set_team("clicks", "ads")
    board.open(board.clicks)
    assert names(board.see(ROOT, datasets.page, query)) == found


def test_many_datasets_come_in_pages(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "PAGE", 2)
    pages = [board.see(ROOT, datasets.page, DatasetQuery(page=number)) for number in (1, 2)]
    assert [names(page) for page in pages] == [["clicks", "report"], ["secret"]]
    assert {page.pages for page in pages} == {2}
    assert board.see(EVE, datasets.page, DatasetQuery()).pages == 1


def test_a_hidden_dataset_is_nowhere(board: Board) -> None:
    board.hub.catalog.set_team("secret", "ads")
    board.hub.catalog.tag("secret", "hush", 1, "ada")
    board.open(board.secret)
    for query in (DatasetQuery(), DatasetQuery(text="secret"), DatasetQuery(tag="hush"), DatasetQuery(site="dgx")):
        found = board.see(EVE, datasets.page, query)
        assert "secret" not in names(found)
        assert found.found == len(found.lines)
    assert board.see(EVE, datasets.page, DatasetQuery(text="hush")).found == 0
    totals = board.see(EVE, datasets.totals)
    assert (totals.datasets, totals.versions, totals.size_bytes, totals.cached) == (2, 3, 80, 0)
    choices = board.see(EVE, datasets.choices)
    assert (choices.teams, choices.tags) == ((), ())
    assert board.see(ADA, datasets.choices).tags == ("hush",)
    calls: tuple[Callable[[], object], ...] = (
        lambda: board.see(EVE, one.require, "secret"),
        lambda: board.see(EVE, one.head, "secret"),
        lambda: board.see(EVE, one.timeline, "secret", 0.0),
        lambda: board.see(EVE, one.version, "secret", 1),
        lambda: board.see(EVE, one.version_line, "secret", 1, 0.0),
        lambda: board.see(EVE, one.numbers, "secret"),
        lambda: board.see(EVE, one.use_of, "secret", board.clock.now()),
    )
    for call in calls:
        with pytest.raises(NotFoundError) as hidden:
            call()
        assert hidden.value.kind == "dataset-not-found"
    with pytest.raises(NotFoundError) as missing:
        board.see(EVE, one.require, "secres")
    assert "secret" not in f"{missing.value.todo}", "no hint leads to it"
    assert board.see(EVE, used_by.runs_that_read, "secret", 1, 0.0).runs == ()
    assert [parent.ref for parent in board.see(EVE, one.version, "report", 1).parents] == ["clicks@v1"]
    assert [parent.ref for parent in board.see(ADA, one.version, "report", 1).parents] == ["clicks@v1", "secret@v1"]


def test_a_timeline_tells_of_each_version(board: Board) -> None:
    board.hub.catalog.tag("clicks", "prod", 1, "ada")
    board.open(board.clicks)
    board.open(board.clicks)
    part = Manifest.registered([Entry(path="day=1/a", size_bytes=10, etag="clicks-day=1/a")])
    subset = board.hub.catalog.add_subset(
        NewSubset(
            dataset="clicks",
            number=1,
            subset="day=1/a",
            selection="{}",
            manifest_digest=store_manifest(board.hub, part),
        )
    )
    board.open(subset)
    found = board.see(ROOT, one.timeline, "clicks", board.clock.now())
    newer, older = found.lines
    assert (newer.version.number, newer.grew_bytes, newer.uses, newer.places) == (2, 10, 0, ())
    assert (older.grew_bytes, older.uses, older.subsets, older.version.tags) == (None, 3, 1, ("prod",))
    assert older.last_used_at == board.clock.now()
    assert [(item.site, item.subset, item.state, item.in_use) for item in older.places] == [
        ("dgx", "", ReplicaState.READY, 2),
        ("dgx", "day=1/a", ReplicaState.READY, 1),
    ]
    first = board.see(ROOT, one.timeline, "clicks", board.clock.now(), limit=1)
    assert ([line.version.number for line in first.lines], first.next_before) == ([2], 2)
    assert first.lines[0].grew_bytes == 10
    rest = board.see(ROOT, one.timeline, "clicks", board.clock.now(), before=2, limit=1)
    assert ([line.version.number for line in rest.lines], rest.next_before) == ([1], 0)
    assert board.see(ROOT, one.timeline, "clicks", board.clock.now(), before=1).lines == ()


def test_a_head_sums_a_dataset_up(board: Board) -> None:
    board.hub.catalog.tag("clicks", "prod", 2, "ada")
    board.open(board.newer)
    board.hub.retention.retire("clicks", 1, "old", "ada")
    head = board.see(ROOT, one.head, "clicks")
    assert (head.retired, head.all_bytes, head.sites, head.tags) == (1, 70, ("dgx",), (("prod", 2),))
    assert head.dataset.versions == 1
    assert head.last_used_at == board.clock.now()
    assert board.see(ROOT, one.numbers, "clicks") == [(2, False), (1, True)]
    assert board.see(ROOT, one.numbers, "clicks", before=2) == [(1, True)]


def test_use_is_told_by_day_and_by_person(board: Board) -> None:
    board.open(board.clicks)
    board.clock.pass_by(86_400.0)
    for _ in range(2):
        board.open(board.newer)
    use = board.see(ROOT, one.use_of, "clicks", board.clock.now(), days=3)
    assert [day.uses for day in use.days] == [0, 1, 2]
    assert use.days[2].begins_at <= board.clock.now() < use.days[2].begins_at + 86_400
    (user,) = use.users
    assert (user.user, user.uses, user.last_used_at) == ("tester", 3, board.clock.now())
    assert board.see(ROOT, one.use_of, "clicks", board.clock.now() + 3 * 86_400.0, days=2).users == ()


def test_who_opened_a_version_last(board: Board) -> None:
    assert board.see(ROOT, used_by.opened_by, "clicks", 2) == []
    part = Manifest.registered([Entry(path="day=3/a", size_bytes=10, etag="clicks-day=3/a")])
    digest = store_manifest(board.hub, part)
    subset = board.hub.catalog.add_subset(
        NewSubset(dataset="clicks", number=2, subset="day=3/a", selection="{}", manifest_digest=digest)
    )
    for version in (board.clicks, board.newer, subset):
        ready(board.hub, board.dgx.volume_id, version)
    opened = (("bob", board.newer), ("eve", board.newer), ("cid", board.clicks), ("ada", subset), ("eve", board.newer))
    for user, version in opened:
        board.clock.pass_by(60.0)
        board.hub.leases.take(board.dgx.volume_id, version, replace(holder(), user=user))
    now = board.clock.now()
    told = [(item.user, now - item.last_used_at) for item in board.see(EVE, used_by.opened_by, "clicks", 2)]
    assert told == [("eve", 0.0), ("ada", 60.0), ("bob", 240.0)]
    assert [item.user for item in board.see(EVE, used_by.opened_by, "clicks", 2, most=1)] == ["eve"]
    board.open(board.secret)
    assert board.see(EVE, used_by.opened_by, "secret", 1) == []
    assert [item.user for item in board.see(ADA, used_by.opened_by, "secret", 1)] == ["tester"]


def test_files_are_shown_a_folder_at_a_time(board: Board) -> None:
    listed = files.listing(board.newer.manifest_digest, board.hub.catalog.manifest_path)
    top = files.page(listed, "", limit=2)
    assert [(line.name, line.is_folder, line.files, line.size_bytes) for line in top.lines] == [
        ("day=1", True, 1, 10),
        ("day=2", True, 1, 10),
    ]
    assert (top.files, top.size_bytes) == (4, 40)
    rest = files.page(listed, "", start=top.next_start, limit=2)
    assert [(line.path, line.files) for line in rest.lines] == [("day=3", 2)]
    assert rest.next_start == 0
    inside = files.page(listed, "day=3")
    assert [(line.path, line.is_folder) for line in inside.lines] == [("day=3/a", False), ("day=3/b", False)]
    assert inside.size_bytes == 20
    assert [line.path for line in files.page(listed, "day=1/a").lines] == ["day=1/a"]
    with pytest.raises(NotFoundError):
        files.page(listed, "day=9")
    found = files.find(listed, "/a", limit=2)
    assert ([line.path for line in found.lines], found.files) == (["day=1/a", "day=2/a"], 3)
    further = files.find(listed, "/a", start=found.next_start, limit=2)
    assert ([line.path for line in further.lines], further.files) == (["day=3/a"], 3)
    assert (found.before, further.before, further.next_start) == (0, 2, 0)
    assert files.find(listed, "/a", start=4) == files.FilesFound(lines=(), files=3, before=3)
    entry = files.entry(listed, "day=1/a", board.hub.catalog.seal_path(board.newer.manifest_digest))
    assert entry == Entry(path="day=1/a", size_bytes=10, key="day=1/a", etag="clicks-day=1/a")
    assert files.entry(listed, "day=1", None) is None


def test_a_kept_listing_is_not_read_again(board: Board) -> None:
    once = files.listing(board.clicks.manifest_digest, board.hub.catalog.manifest_path)

    def never(digest: str) -> Path:
        raise AssertionError(digest)

    assert files.listing(board.clicks.manifest_digest, never) is once


def test_a_difference_is_rolled_up_by_folder(board: Board) -> None:
    found = diff.changes(board.hub.catalog, board.clicks.manifest_digest, board.newer.manifest_digest)
    assert {kind: found.tallies[kind].files for kind in ChangeKind if found.tallies[kind].files} == {
        ChangeKind.ADDED: 2,
        ChangeKind.REMOVED: 1,
        ChangeKind.UNCHANGED: 2,
    }
    top = diff.page(found, "")
    assert [(line.name, dict(line.files), line.old_bytes, line.new_bytes) for line in top.lines] == [
        ("day=1", {ChangeKind.REMOVED: 1}, 10, 0),
        ("day=3", {ChangeKind.ADDED: 2}, 0, 20),
    ]
    below = diff.page(found, "day=3", limit=1)
    assert [(line.path, line.kind) for line in below.lines] == [("day=3/a", ChangeKind.ADDED)]
    assert [line.path for line in diff.page(found, "day=3", start=below.next_start).lines] == ["day=3/b"]
    assert not found.same
    assert diff.changes(board.hub.catalog, board.clicks.manifest_digest, board.clicks.manifest_digest).same


def test_runs_that_read_a_version_are_on_its_page(board: Board) -> None:
    board.open(board.clicks)
    runs = [board.read_by("clicks@v1", title=f"try {number}") for number in range(3)]
    board.open(board.newer)
    board.read_by("clicks@v2")
    found = board.see(ROOT, used_by.runs_that_read, "clicks", 1, board.clock.now(), limit=2)
    assert [run.run_id for run in found.runs] == [runs[2].run_id, runs[1].run_id]
    assert found.runs[0].reads == ("clicks@v1",)
    assert found.runs[0].title == "try 2"
    rest = board.see(ROOT, used_by.runs_that_read, "clicks", 1, board.clock.now(), before=found.next_before, limit=2)
    assert ([run.run_id for run in rest.runs], rest.next_before) == ([runs[0].run_id], 0)


def test_runs_on_hidden_data_are_on_no_page_of_others(board: Board) -> None:
    board.open(board.clicks)
    board.open(board.secret)
    both = board.read_by("clicks@v1", "secret@v1")
    makes = board.read_by("clicks@v1", outputs=(Output(name="out", dataset="secret"),))
    shown = board.read_by("clicks@v1")
    seen = {
        who.user: [run.run_id for run in board.see(who, used_by.runs_that_read, "clicks", 1, 0.0, limit=1).runs]
        for who in (ROOT, EVE)
    }
    assert seen == {"root": [shown.run_id], "eve": [shown.run_id]}
    assert board.see(EVE, used_by.runs_that_read, "clicks", 1, 0.0, limit=1).next_before == 0
    all_of_it = board.see(ADA, used_by.runs_that_read, "clicks", 1, 0.0)
    assert [run.run_id for run in all_of_it.runs] == [shown.run_id, makes.run_id, both.run_id]


def test_lineage_leads_through_runs_to_what_they_made(board: Board) -> None:
    board.open(board.clicks)
    run = board.read_by("clicks@v1", outputs=(Output(name="model", dataset="model"),), made=("model@v1",))
    board.add("model", "weights", parents=(board.clicks,), made_by=MadeBy(parameters=f"run {run.run_id}; python"))
    found = board.see(ROOT, lineage.graph, "clicks", 1)
    assert {(node.key, node.level) for node in found.nodes} == {
        ("clicks@v1", 0),
        ("secret@v1", 1),
        (run.run_id, 1),
        ("report@v1", 2),
        ("model@v1", 2),
    }
    edges = {(edge.source, edge.target) for edge in found.edges}
    assert {("clicks@v1", run.run_id), (run.run_id, "model@v1")} <= edges
    assert ("clicks@v1", "model@v1") not in edges, "the run is what came between"
    assert ("clicks@v1", "report@v1") in edges
    up = board.see(ROOT, lineage.graph, "model", 1)
    assert [(node.key, node.level) for node in up.nodes] == [("clicks@v1", -2), (run.run_id, -1), ("model@v1", 0)]
    assert not up.is_cut


def test_who_says_that_a_run_made_it_is_not_believed(board: Board) -> None:
    board.open(board.clicks)
    run = board.read_by("clicks@v1")
    board.add("forged", "weights", made_by=MadeBy(parameters=f"run {run.run_id}; python"))
    found = board.see(ROOT, lineage.graph, "forged", 1)
    assert found.is_alone
    assert found.edges == ()


def test_lineage_ends_at_what_is_hidden(board: Board) -> None:
    behind = board.add("behind", "y", parents=(board.secret,))
    found = board.see(EVE, lineage.graph, "clicks", 1)
    assert {node.key for node in found.nodes} == {"clicks@v1", "report@v1"}, "nor what lies behind it"
    assert behind.ref in {node.key for node in board.see(ADA, lineage.graph, "clicks", 1).nodes}
    board.open(board.clicks)
    board.open(board.secret)
    run = board.read_by("clicks@v1", "secret@v1")
    assert run.run_id not in {node.key for node in board.see(EVE, lineage.graph, "clicks", 1).nodes}
    assert run.run_id in {node.key for node in board.see(ADA, lineage.graph, "clicks", 1).nodes}
    assert board.see(EVE, lineage.graph, "report", 1).edges == (lineage.Edge(source="clicks@v1", target="report@v1"),)


def test_the_lineage_of_a_dataset_is_that_of_its_newest_version_that_has_any(board: Board) -> None:
    def shown(who: Person, dataset: str, latest: int) -> str:
        found = board.see(who, lineage.newest, dataset, latest)
        return found.of if found else ""

    assert shown(ROOT, "clicks", 2) == "clicks@v1", "of v2 nothing was made"
    assert shown(ROOT, "report", 1) == "report@v1"
    board.add("report", "other.html")
    assert shown(ROOT, "report", 2) == "report@v1", "it was made from something"
    board.add("raw", "a")
    board.add("raw", "b")
    assert shown(ROOT, "raw", 2) == ""
    board.add("joined", "c", parents=(board.hub.catalog.resolve("raw@v2"),))
    board.add("raw", "d")
    assert shown(ROOT, "raw", 3) == "raw@v2"


def test_of_a_version_that_runs_read_lineage_is_told(board: Board) -> None:
    board.add("raw", "a")
    board.open(board.hub.catalog.resolve("raw@v1"))
    board.read_by("raw@v1")
    board.add("raw", "b")
    board.add("raw", "c")
    assert board.see(ROOT, lineage.newest, "raw", 3).of == "raw@v1"


def test_what_is_hidden_is_no_lineage_of_a_version(board: Board) -> None:
    """Of clicks@v2 only hidden versions were made, and hidden runs read it: whoever does not know of them sees v1's."""
    board.add("secret", "y", parents=(board.newer,))
    board.open(board.newer)
    board.open(board.secret)
    board.read_by("clicks@v2", "secret@v1")
    board.add("clicks", "day=9/a")
    assert board.see(ADA, lineage.newest, "clicks", 3).of == "clicks@v2"
    assert board.see(EVE, lineage.newest, "clicks", 3).of == "clicks@v1"


def test_who_may_read_a_dataset_is_told_to_who_may(board: Board) -> None:
    assert board.see(ADA, one.head, "secret").policy == board.access.policy("secret")
    assert board.see(ADA, one.head, "secret").policy.read == ("ads",)
    assert board.see(EVE, one.head, "clicks").policy == DatasetPolicy(dataset="clicks")


def test_a_dataset_is_found_by_what_is_said_of_it(board: Board) -> None:
    board.hub.catalog.describe("clicks", "Every advertisement\nof a day")
    assert names(board.see(EVE, datasets.page, DatasetQuery(text="advert DAY"))) == ["clicks"]
    assert board.see(EVE, one.head, "clicks").dataset.description == "Every advertisement\nof a day"
    board.hub.catalog.describe("secret", "Every advertisement, too")
    assert names(board.see(EVE, datasets.page, DatasetQuery(text="advert"))) == ["clicks"]


def test_a_large_lineage_is_cut(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "MOST", 3)
    for number in range(4):
        board.add(f"child-{number}", "x", parents=(board.newer,))
    found = board.see(ROOT, lineage.graph, "clicks", 2)
    assert found.is_cut
    assert len(found.nodes) == 3
    assert not board.see(ROOT, lineage.graph, "child-0", 1).is_cut


def test_a_token_for_one_dataset_sees_that_one(board: Board) -> None:
    some = Person(user="root", role=Role.ADMIN, only=frozenset({"clicks"}))
    assert names(board.see(some, datasets.page, DatasetQuery())) == ["clicks"]
    assert board.see(some, datasets.totals).datasets == 1
    assert {node.key for node in board.see(some, lineage.graph, "clicks", 1).nodes} == {"clicks@v1"}


def test_sight_is_of_the_one_who_looks(board: Board) -> None:
    with reading_of(board.hub.engine) as connection:
        assert sight_of(connection, ROOT).sees_all
        sight: Sight = sight_of(connection, EVE)
    assert not sight.sees("secret")
