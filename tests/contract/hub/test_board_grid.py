"""The grid of the cache with more sites than it has columns, and with subsets in every state, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from forebay.catalog.engine import reading
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.board import grid
from forebay.hub.board.filtered import Only
from forebay.hub.board.grid import Filter, Grid, Spot
from forebay.hub.board.places import Place, places
from forebay.hub.board.sight import Sight, sight_of
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.servers import Postgres
from forebay.testing.web.caches import Crowded
from forebay.wire.access import Role

HERE: Final = "dgx-basement"


class Board:
    """Who sees everything looks at it."""

    def __init__(self, clock: FakeClock, connection: Connection) -> None:
        self.connection = connection
        self.sight: Sight = sight_of(connection, Person(user="root", role=Role.ADMIN))
        self.now = clock.now()
        self.places: tuple[Place, ...] = places(connection, self.sight, self.now)

    def grid(self, only: Only = Only.THERE, **more: Any) -> Grid:
        return grid.grid(self.connection, self.sight, self.places, Filter(only=only, **more), self.now)

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
    url = f"sqlite:///{home}/hub.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.new_database()
    hub = LocalHub.open(home, url, clock)
    access = AccessStore(hub.engine, clock)
    access.bootstrap()
    Crowded(hub, access, clock).make()
    yield hub
    hub.close()


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
