"""The mark of all rights is another one after each change of what somebody may see, by whichever process; PRIVATE."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.requests import Request

from forebay.catalog.engine import reading
from forebay.hub.access.rights_mark import mark_of
from forebay.hub.access.sessions import Sessions
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.hub.web.live import Audience, Live, Watcher
from forebay.hub.web.site import Site
from forebay.testing.cached import FakeClock
from forebay.wire.access import DatasetPolicy, NewToken, Role
from tests.contract.hub.conftest import new_version


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`clicks` is everybody's, `secret` of the team ads, in which ada is and olga was."""

    hub: LocalHub
    access: AccessStore
    clock: FakeClock

    def mark(self) -> str:
        with reading(self.hub.engine) as connection:
            return mark_of(connection)


def world_on(hub: LocalHub, clock: FakeClock) -> World:
    return World(hub=hub, access=AccessStore(hub.engine, clock), clock=clock)


@pytest.fixture
def world(embedded: LocalHub, clock: FakeClock) -> World:
    made = world_on(embedded, clock)
    for name in ("ada", "olga", "bob"):
        made.access.add_user(name, Role.SCIENTIST)
    made.access.join_team("ads", ["ada", "olga"])
    made.access.join_team("maps", [])
    for dataset in ("clicks", "secret"):
        new_version(embedded, dataset)
    made.access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    return made


@pytest.fixture
def elsewhere(world: World, tmp_path: Path, database_url: str) -> Iterator[World]:
    """The same database, as another process has it."""
    hub = LocalHub.open(tmp_path / "home", database_url, world.clock)
    yield world_on(hub, world.clock)
    hub.close()


CHANGES: dict[str, Callable[[World], object]] = {
    "role": lambda it: it.access.set_role("ada", Role.VIEWER),
    "joined": lambda it: it.access.join_team("maps", ["ada"]),
    "left": lambda it: it.access.leave_team("ads", ["ada"]),
    "user": lambda it: it.access.remove_user("ada"),
    "read": lambda it: it.access.set_policy(DatasetPolicy(dataset="clicks", read=("ads",))),
    "write": lambda it: it.access.set_policy(DatasetPolicy(dataset="clicks", write=("ads",))),
    "run": lambda it: it.access.set_policy(DatasetPolicy(dataset="clicks", run=("ads",))),
    "sites": lambda it: it.access.set_policy(DatasetPolicy(dataset="clicks", sites=("dgx",))),
    "new": lambda it: new_version(it.hub, "more"),
    "removed": lambda it: it.hub.catalog.remove_dataset("secret"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_change_of_rights_makes_another_mark(world: World, change: Callable[[World], object]) -> None:
    before = world.mark()
    assert world.mark() == before
    change(world)
    assert world.mark() != before


def test_a_token_or_another_version_makes_none(world: World) -> None:
    before = world.mark()
    world.access.make_token(NewToken(user="ada", role=Role.SCIENTIST))
    new_version(world.hub, "clicks", size_bytes=200)
    assert world.mark() == before


def test_PRIVATE_who_lost_a_right_by_another_process_is_sent_nothing_that_it_gave(
    world: World, elsewhere: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sum may be as old as that where another process wrote; here all that is old is old enough.
    monkeypatch.setattr("forebay.hub.web.sums.NEARLY_S", 0.0)
    sessions = Sessions(world.hub.engine, world.clock, 3600.0)
    live = Live(Site(world.hub, world.access, world.clock, sessions), lambda: False)

    async def story() -> None:
        ada, olga = (_watching(live, world, name) for name in ("ada", "olga"))
        await live._renew(ada.audience)
        assert "of 2 versions" in _says(ada)
        assert "of 2 versions" in _says(olga), "it is made once for both"
        elsewhere.access.leave_team("ads", ["olga"])
        new_version(elsewhere.hub, "secret", size_bytes=7)
        await live._renew(ada.audience)
        assert ada.news.empty(), "it is not known by now who sees what she sees"
        assert olga.news.empty()
        await live._look_again(0.0)
        await live._renew(ada.audience)
        assert "of 3 versions" in _says(ada)
        assert olga.news.empty()
        await live._renew(olga.audience)
        assert "of 1 version" in _says(olga)

    asyncio.run(story())


def _says(watcher: Watcher) -> str:
    parts = watcher.news.get_nowait()
    assert parts is not None
    return parts["says"]


def _watching(live: Live, world: World, user: str) -> Watcher:
    secret = world.access.make_token(NewToken(user=user, role=Role.SCIENTIST)).secret
    headers = [(b"authorization", f"Bearer {secret}".encode())]
    request = Request({"type": "http", "method": "GET", "path": "/live", "query_string": b"", "headers": headers})
    request.state.request_id = user
    looked = live._first_look(request)
    audience = Audience("/", looked.sight)
    made = Watcher(request=request, audience=audience, looked_at=0.0, session=secret, mark=looked.mark)
    live.add(made)
    return made
