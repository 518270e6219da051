"""What the pages about caches read, on both databases; and that it tells nothing of what is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from forebay.catalog.engine import reading
from forebay.errors import InputError, NotFoundError
from forebay.hub.access.rules import Person
from forebay.hub.board import care, going, grid, happened, history, overview, running
from forebay.hub.board.capacity import capacity
from forebay.hub.board.filtered import Only
from forebay.hub.board.grid import Filter, Line
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.board.sight import Sight, sight_of
from forebay.hub.board.standing import Look
from forebay.hub.board.warming import warming
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.web.caches import GB, SECRET, Caches, volume_of
from forebay.wire.access import Role
from tests.contract.hub.conftest import filled_hub

ADMIN = Person(user="root", role=Role.ADMIN)
OUTSIDER = Person(user="ada", role=Role.SCIENTIST, teams=frozenset({"ads"}))
INSIDER = Person(user="finn", role=Role.SCIENTIST, teams=frozenset({"finance"}))


class Board:
    """A hub with caches in every state, and who looks at it."""

    def __init__(self, hub: LocalHub, clock: FakeClock, connection: Connection, who: Person) -> None:
        self.hub = hub
        self.connection = connection
        self.sight: Sight = sight_of(connection, who)
        self.now = clock.now()
        self.places = places(connection, self.sight, self.now)

    def place(self, key: str) -> Place:
        return place_of(self.places, key)

    def lines(self, only: Only = Only.THERE, **more: Any) -> tuple[Line, ...]:
        return grid.grid(self.connection, self.sight, self.places, Filter(only=only, **more), self.now).lines


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def caches(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clock: FakeClock
) -> Iterator[LocalHub]:
    """Made once: nothing here changes it."""
    home = tmp_path_factory.mktemp("home")
    yield from filled_hub(request, home, clock, lambda *hub: Caches(*hub).make())


@pytest.fixture
def board(caches: LocalHub, clock: FakeClock) -> Iterator[Board]:
    with reading(caches.engine) as connection:
        yield Board(caches, clock, connection, ADMIN)


def looks(line: Line) -> dict[str, Look]:
    return {spot.place.key: spot.look for spot in line.spots}


def refs(lines: tuple[Line, ...]) -> list[str]:
    return [line.version.ref for line in lines]


def test_the_grid_says_how_each_version_stands_at_each_place(board: Board) -> None:
    found = {line.version.ref: looks(line) for line in board.lines()}
    assert found["criteo@v3"] == {
        "aks-gpu": Look.FILLING,
        "dgx-basement": Look.READY,
        "gcp-cpu": Look.QUEUED,
        "volume-of-nobody": Look.ABSENT,
    }
    assert found["chest-xray@v2"]["aks-gpu"] is Look.DAMAGED
    assert found["chest-xray@v1"]["dgx-basement"] is Look.STALE
    assert found["criteo-features@v2"]["gcp-cpu"] is Look.PARTIAL
    assert found["clicks-raw@v1"]["gcp-cpu"] is Look.QUEUED
    assert found[f"{SECRET}@v1"]["aks-gpu"] is Look.BARRED
    assert "chest-xray@v3" not in found


def test_it_says_who_uses_and_who_keeps_it_how_fast_it_fills_and_how_long_a_fill_would_take(board: Board) -> None:
    by_ref = {line.version.ref: {spot.place.key: spot for spot in line.spots} for line in board.lines()}
    criteo = by_ref["criteo@v3"]
    assert criteo["dgx-basement"].whole.users == ("ada", "olga")
    fill = criteo["aks-gpu"].whole.fill
    assert fill is not None
    assert fill.share == pytest.approx(0.62)
    assert fill.bytes_s == pytest.approx(GB)
    assert fill.left_s == pytest.approx(0.38 * 1030)
    assert by_ref["chest-xray@v1"]["gcp-cpu"].whole.pinned_by == "vera"
    kept = by_ref["criteo-features@v2"]["dgx-basement"].whole
    assert kept.by_rule
    assert "olga" in kept.pin_reason
    absent = by_ref["chest-xray@v1"]["aks-gpu"]
    assert absent.seconds == pytest.approx(250.0)


@pytest.mark.parametrize(
    ("only", "look"),
    [
        (Only.FILLING, {Look.FILLING, Look.QUEUED}),
        (Only.READY, {Look.READY, Look.STALE}),
        (Only.PARTIAL, {Look.PARTIAL}),
        (Only.STALE, {Look.STALE}),
        (Only.DAMAGED, {Look.DAMAGED}),
    ],
)
def test_a_filter_gives_those_and_no_others(board: Board, only: Only, look: set[Look]) -> None:
    everything = board.lines(Only.ALL)
    wanted = [line.version.ref for line in everything if look & set(looks(line).values())]
    assert refs(board.lines(only)) == wanted
    assert wanted


def test_what_is_pinned_used_or_nowhere_is_found(board: Board) -> None:
    everything = board.lines(Only.ALL)
    wholes = {line.version.ref: [spot.whole for spot in line.spots] for line in everything}
    assert refs(board.lines(Only.PINNED)) == [ref for ref, held in wholes.items() if any(one.pinned_by for one in held)]
    assert refs(board.lines(Only.USED)) == [ref for ref, held in wholes.items() if any(one.leases for one in held)]
    assert refs(board.lines(Only.ABSENT)) == ["chest-xray@v3", "clicks-raw@v1", "maps@v1"]
    assert refs(board.lines(Only.ALL, text="XRAY")) == ["chest-xray@v3", "chest-xray@v2", "chest-xray@v1"]
    assert {line.version.dataset for line in board.lines(Only.ALL, team="ads")} == {"criteo", "criteo-features", "maps"}


@pytest.mark.parametrize("only", [Only.THERE, Only.ALL, Only.FILLING])
def test_pages_give_everything_once_and_in_order(board: Board, only: Only) -> None:
    found: list[str] = []
    after = ""
    while True:
        page = grid.grid(
            board.connection, board.sight, board.places, Filter(only=only, after=after, limit=2), board.now
        )
        found += refs(page.lines)
        after = page.more
        if not after:
            break
    assert found == refs(board.lines(only))


def test_a_cursor_that_is_none_is_refused(board: Board) -> None:
    with pytest.raises(InputError, match="no place in the list"):
        board.lines(after="criteo@prod")


def test_a_place_that_is_not_there_is_told_with_the_nearest(board: Board) -> None:
    with pytest.raises(NotFoundError) as caught:
        board.place("aks-gpus")
    assert "aks-gpu" in caught.value.todo


def test_what_needs_care_is_all_there(board: Board) -> None:
    found = care.care(board.connection, board.sight, board.places, board.now)
    assert [item.ref for item in found.damaged] == ["chest-xray@v2"]
    assert [item.key for item in found.down] == ["gcp-cpu"]
    assert [(item.place.key, item.versions) for item in found.full] == [("aks-gpu", 2)]
    assert [(item.quota.team, item.held_bytes) for item in found.quotas] == [("ads", (880 + 930 + 180) * GB)]
    assert {(item.site, item.ref) for item in found.tasks} == {
        ("gcp-cpu", "clicks-raw@v1"),
        ("dgx-basement", "clicks-raw@v1"),
    }
    assert {item.place.key: item.versions for item in found.leaving} == {"aks-gpu": 1, "dgx-basement": 1, "gcp-cpu": 1}


def test_what_was_given_up_long_ago_is_no_news_and_what_goes_on_failing_is(board: Board) -> None:
    found = care.care(board.connection, board.sight, board.places, board.now + care.LATELY_S + 1)
    assert [(item.site, item.errand.failures) for item in found.tasks] == [("gcp-cpu", 3)]


def test_what_would_go_is_what_the_policy_says(board: Board) -> None:
    found = going.going(board.connection, board.sight, board.place("aks-gpu"), board.now)
    assert [item.candidate.replica.ref for item in found.going] == ["chest-xray@v2", "criteo@v1"]
    assert found.frees_bytes == (251 + 880) * GB
    stays = {item.candidate.replica.ref: item.reason for item in found.staying}
    assert "in use" in stays["criteo@v2"]


def test_capacity_is_by_dataset_and_by_team(board: Board) -> None:
    found = capacity(board.connection, board.sight, board.place("aks-gpu"), board.now)
    sizes = {item.name: item.size_bytes // GB for item in found.datasets}
    assert sizes == {"criteo": 1810, "chest-xray": 251, "criteo-features": 180}
    (ads,) = (item for item in found.teams if item.name == "ads")
    assert (ads.size_bytes, ads.used_bytes, ads.stale_bytes) == (1990 * GB, (930 + 180) * GB, 880 * GB)
    assert ads.filling_bytes == int(0.62 * 1030 * GB)
    assert ads.brought_bytes == found.brought_bytes == int(0.62 * 1030 * GB)
    assert found.awaited_bytes == 1030 * GB - found.brought_bytes
    assert ads.quota is not None
    assert found.other_bytes == 0


def test_the_overview_counts_what_is_near_what_was_saved_and_what_fills(board: Board) -> None:
    near = overview.near(board.connection, board.sight)
    assert (near.ready, near.versions) == (7, 11)
    saved = overview.saved(board.connection, board.sight, board.now)
    assert saved.size_bytes > 0
    fills = overview.fills(board.connection, board.sight, board.places, board.now, 10)
    assert [(item.ref, item.place.key, item.fill is not None) for item in fills] == [
        ("criteo@v3", "aks-gpu", True),
        ("criteo@v3", "gcp-cpu", False),
        ("clicks-raw@v1", "gcp-cpu", False),
    ]


def test_the_history_goes_on_from_page_to_page(board: Board) -> None:
    whole = history.history(board.connection, board.sight, board.places, limit=1000)
    found: list[int] = []
    before = 0
    while True:
        page = history.history(board.connection, board.sight, board.places, before=before, limit=3)
        found += [item.number for item in page.events]
        before = page.before
        if not before:
            break
    assert found == [item.number for item in whole.events]
    evicted = history.history(board.connection, board.sight, [board.place("dgx-basement")], kinds=("evicted",))
    assert [item.line.reason for item in evicted.events] == ["idle for 8 days, longer than 7 days"]
    of_one = history.history(board.connection, board.sight, board.places, dataset="criteo-features", number=2)
    assert {item.line.ref.partition("[")[0] for item in of_one.events} == {"criteo-features@v2"}


def test_what_warming_takes_is_told_before(board: Board) -> None:
    line = grid.one(board.connection, board.sight, ("criteo", 2), board.places, board.now)
    assert line is not None
    target = next(spot for spot in line.spots if spot.place.key == "dgx-basement")
    takes = warming(board.connection, board.sight, line.version, line.spots, target, board.now)
    assert takes.move_bytes == 930 * GB
    assert takes.best is not None
    assert takes.best.is_lake
    assert takes.best.cost == pytest.approx(930 * 0.02)
    assert takes.evicts == ()
    there = next(spot for spot in line.spots if spot.place.key == "aks-gpu")
    assert warming(board.connection, board.sight, line.version, line.spots, there, board.now).move_bytes == 0


def everything(board: Board) -> str:
    """All that somebody can read, in words."""
    c, s, now = board.connection, board.sight, board.now
    told: list[object] = [board.places, *(board.lines(only) for only in Only), *(board.lines(text=SECRET),)]
    told += [care.care(c, s, board.places, now), history.history(c, s, board.places, limit=1000)]
    told += [running.active(c, s, 100), running.ended(c, s, 100), running.failed(c, s, 0.0, 100)]
    told += [happened.happened(c, s, board.places, 1000)]
    told += [overview.near(c, s), overview.saved(c, s, now), overview.fills(c, s, board.places, now, 100)]
    for place in board.places:
        told += [capacity(c, s, place, now), going.going(c, s, place, now)]
    told += [grid.teams(c, s), grid.one(c, s, (SECRET, 1), board.places, now)]
    return repr(told)


def test_who_may_read_a_dataset_sees_it(caches: LocalHub, clock: FakeClock) -> None:
    with reading(caches.engine) as connection:
        assert f"{SECRET}@v1" in everything(Board(caches, clock, connection, INSIDER))


def test_nothing_tells_of_a_hidden_dataset(caches: LocalHub, clock: FakeClock) -> None:
    """Not its name, and not by a count: what is there, what leaves and what was saved are those of the others."""
    with reading(caches.engine) as connection:
        told = Board(caches, clock, connection, OUTSIDER)
        assert SECRET not in everything(told).replace(f"hidden=frozenset({{'{SECRET}'}})", "")
        all_of_it = Board(caches, clock, connection, ADMIN)
        near, of_all = overview.near(connection, told.sight), overview.near(connection, all_of_it.sight)
        assert (near.ready, near.versions) == (of_all.ready - 1, of_all.versions - 1)
        assert near.size_bytes == of_all.size_bytes - 300 * GB
        leaving = care.care(connection, told.sight, told.places, told.now).leaving
        assert "gcp-cpu" not in {item.place.key for item in leaving}
        held = capacity(connection, told.sight, told.place("gcp-cpu"), told.now)
        assert {item.name for item in held.datasets} == {"chest-xray", "criteo-features"}
        assert "finance" not in {item.name for item in held.teams}
        assert len(running.active(connection, told.sight, 100)) == 2


def test_others_teams_quotas_are_not_told(caches: LocalHub, clock: FakeClock) -> None:
    with reading(caches.engine) as connection:
        told = Board(caches, clock, connection, INSIDER)
        assert going.quotas(connection, told.sight, volume_of("aks-gpu")) == []
        assert care.care(connection, told.sight, told.places, told.now).quotas == ()
