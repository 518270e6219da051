"""The grid of the cache with more sites than it has columns, and with subsets in every state, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from forebay.catalog.engine import reading
from forebay.hub.access.rules import Person
from forebay.hub.board import care, grid, overview
from forebay.hub.board.capacity import capacity
from forebay.hub.board.filtered import Only
from forebay.hub.board.grid import Filter, Grid, Spot
from forebay.hub.board.places import Place, places
from forebay.hub.board.sight import Sight, sight_of
from forebay.hub.board.standing import Look
from forebay.hub.local import LocalHub
from forebay.hub.web.pages.cache import MOST_PLACES
from forebay.testing.cached import FakeClock
from forebay.testing.web.caches import Crowded
from forebay.wire.access import Role
from forebay.wire.cache import ReplicaState
from tests.contract.hub.conftest import filled_hub

HERE: Final = "dgx-basement"


class Board:
    """Who sees everything looks at it."""

    def __init__(self, clock: FakeClock, connection: Connection) -> None:
        self.connection = connection
        self.sight: Sight = sight_of(connection, Person(user="root", role=Role.ADMIN))
        self.now = clock.now()
        self.places: tuple[Place, ...] = places(connection, self.sight, self.now)

    def grid(self, only: Only = Only.THERE, *, most: int = 0, **more: Any) -> Grid:
        return grid.grid(self.connection, self.sight, self.places, Filter(only=only, **more), self.now, most=most)

    def refs(self, only: Only, **more: Any) -> list[str]:
        return [line.version.ref for line in self.grid(only, **more).lines]

    def spot(self, number: int, place: str = HERE) -> Spot:
        """A version of the dataset of which there are subsets alone."""
        line = grid.one(self.connection, self.sight, ("parts", number), self.places, self.now)
        assert line is not None
        return next(spot for spot in line.spots if spot.place.key == place)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clock: FakeClock
) -> Iterator[LocalHub]:
    """Made once: nothing here changes it."""
    home = tmp_path_factory.mktemp("home")
    yield from filled_hub(request, home, clock, lambda *hub: Crowded(*hub).make())


@pytest.fixture
def board(hub: LocalHub, clock: FakeClock) -> Iterator[Board]:
    with reading(hub.engine) as connection:
        yield Board(clock, connection)


def test_a_version_of_which_a_subset_is_ready_is_not_ready(board: Board) -> None:
    assert "parts@v1" not in board.refs(Only.READY, text="parts")
    assert board.refs(Only.READY, text="parts") == ["parts@v9"]
    assert "parts@v1" in board.refs(Only.PARTIAL)


def test_a_version_that_is_whole_there_is_not_there_in_part(board: Board) -> None:
    assert [part.subset for part in board.spot(9).parts] != []
    assert "parts@v9" not in board.refs(Only.PARTIAL)


def test_what_is_ready_in_part_is_not_near(board: Board) -> None:
    lines = board.grid(Only.ALL, limit=1000).lines
    found = overview.near(board.connection, board.sight)
    ready = [sum(spot.whole.state is ReplicaState.READY for spot in line.spots) for line in lines]
    assert (found.versions, found.ready) == (len(lines), sum(count > 0 for count in ready))
    assert found.size_bytes == sum(count * line.version.size_bytes for count, line in zip(ready, lines, strict=True))
    assert "parts@v1" in {line.version.ref for count, line in zip(ready, lines, strict=True) if not count}


def test_what_was_asked_to_go_leaves_whoever_uses_it(board: Board) -> None:
    def leaves(key: str, dataset: str) -> int:
        (place,) = (item for item in board.places if item.key == key)
        held = capacity(board.connection, board.sight, place, board.now).datasets
        return next(item.stale_bytes for item in held if item.name == dataset)

    (asked,) = (line for line in board.grid(Only.EVICTING).lines if line.version.dataset == "criteo-features")
    assert leaves("site-10", "criteo-features") == asked.version.size_bytes
    assert leaves(HERE, "parts") == sum(part.size_bytes for number in (4, 8) for part in board.spot(number).parts)
    found = care.care(board.connection, board.sight, board.places, board.now).leaving
    spots = [spot for line in board.grid(Only.STALE).lines for spot in line.spots if spot.place.key == HERE]
    assert {item.place.key: item.versions for item in found}[HERE] == sum(Look.STALE in spot.looks for spot in spots)
    assert "site-10" not in {item.place.key for item in found}


@pytest.mark.parametrize("only", [only for only in Only if only is not Only.ABSENT])
def test_a_filter_gives_those_whose_cells_say_so(board: Board, only: Only) -> None:
    """Of all versions, at every place; each state is there for a subset as well."""
    said = [line.version.ref for line in board.grid(Only.ALL).lines if any(spot.answers(only) for spot in line.spots)]
    assert board.refs(only) == (board.refs(Only.ALL) if only is Only.ALL else said)
    if only not in (Only.READY, Only.PARTIAL):
        assert any(ref.startswith("parts@") for ref in said)


def test_what_a_subset_is_stands_in_its_versions_cell(board: Board) -> None:
    looks = {number: board.spot(number).looks for number in range(1, 10)}
    assert looks == {
        1: {Look.PARTIAL, Look.READY},
        2: {Look.PARTIAL, Look.FILLING},
        3: {Look.PARTIAL, Look.DAMAGED},
        4: {Look.PARTIAL, Look.STALE},
        5: {Look.PARTIAL, Look.READY},
        6: {Look.PARTIAL, Look.READY},
        7: {Look.ABSENT, Look.QUEUED},
        8: {Look.PARTIAL, Look.EVICTING},
        9: {Look.READY},
    }
    assert {number: board.refs(only, text="parts") for number, only in _BY_STATE.items()} == {
        2: ["parts@v7", "parts@v2"],
        3: ["parts@v3"],
        4: ["parts@v4"],
        5: ["parts@v9", "parts@v5"],
        6: ["parts@v6"],
        8: ["parts@v8"],
    }


_BY_STATE: Final = {
    2: Only.FILLING,
    3: Only.DAMAGED,
    4: Only.STALE,
    5: Only.PINNED,
    6: Only.USED,
    8: Only.EVICTING,
}


def test_what_is_at_a_place_without_a_column_is_found(board: Board) -> None:
    assert len(board.places) > MOST_PLACES
    assert [place.key for place in board.places].index("site-12") >= MOST_PLACES
    assert "chest-xray@v3" in board.refs(Only.THERE, most=MOST_PLACES)
    assert "chest-xray@v3" not in board.refs(Only.ABSENT, most=MOST_PLACES)
    assert "clicks-raw@v1" in board.refs(Only.DAMAGED, most=MOST_PLACES)


def test_a_column_is_for_a_place_that_has_something_of_the_page(board: Board) -> None:
    found = board.grid(Only.THERE, most=4)
    assert len(found.places) == 4
    assert {*found.places, *found.others} == set(board.places)
    there = [place for place in board.places if place in found.places]
    assert list(found.places) == there
    assert [len(line.spots) for line in found.lines] == [4] * len(found.lines)
    (one,) = board.grid(Only.THERE, text="xray", limit=1, most=1).places
    assert one.key == "site-12"
    assert [place.key for place in board.grid(Only.DAMAGED, most=2).places] == ["aks-gpu", "dgx-basement"]
    assert [place.key for place in board.grid(Only.DAMAGED, text="clicks", most=1).places] == ["site-11"]
    assert board.grid(Only.THERE, most=MOST_PLACES).places != board.places[:MOST_PLACES]
