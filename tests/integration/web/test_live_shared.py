"""Live parts that many share: what was made for one is sent only to those who would see the very same; PRIVATE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.requests import Request

from forebay.catalog.engine import joining
from forebay.hub.access.rules import Person
from forebay.hub.board.sight import sight_of
from forebay.hub.web.live import Audience, Live, Watcher
from forebay.hub.web.page import Page
from forebay.hub.web.unnamed import Unnamed, is_known_for
from forebay.testing.cached import FakeClock
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.paths import PATHS
from forebay.testing.web.showcase import HIDDEN, Showcase
from forebay.wire.access import Role

ALIKE = ("ada", "carl", "dora", "eli")
"""Scientists of one team. The runs on the showcase are ada's; carl has one on what is hidden from all four by now."""

OWN = "carls-own.py"


@dataclass
class Hall:
    """A hub on which something of everybody goes on."""

    showcase: Showcase
    live: Live
    tokens: Mapping[str, str]

    def watcher(self, user: str, address: str) -> Watcher:
        request = _request(self.tokens[user])
        looked = self.live._first_look(request)
        audience = Audience(address, looked.sight)
        return Watcher(request=request, audience=audience, looked_at=0.0, session=user, mark=looked.mark)

    def shown(self, user: str, address: str) -> tuple[Mapping[str, str], set[str]]:
        """A page's parts as they are made for somebody, and who else of those who are alike is sent them."""
        one = self.watcher(user, address)
        made = self.live._rendered(one.audience, one)
        others = {name: self.watcher(name, address).audience for name in ALIKE if name != user}
        return made.parts, {name for name, audience in others.items() if made.is_for(one.audience, audience)}

    def on_the_page(self, user: str, address: str) -> Mapping[str, str]:
        """The same parts as they are in the page that somebody opens."""
        site, request = self.showcase.dashboard.site, _request(self.tokens[user])
        route, path = site.find(address)
        query = tuple(parse_qsl(urlsplit(address).query))
        with joining():
            visit = site.visit(site.principal_of(request), request, address=address, path=path, query_pairs=query)
            page = route.view(visit)
            assert isinstance(page, Page)
            return site.renderer.parts(page, visit, route.live)


@pytest.fixture
def hall(dashboard: Dashboard, clock: FakeClock) -> Hall:
    showcase = Showcase(dashboard, clock).make()
    tokens = {name: dashboard.token_of(name, Role.SCIENTIST, "ads") for name in ALIKE}
    tokens["finn"] = dashboard.token_of("finn")
    dashboard.access.join_team("finance", ["carl"])
    showcase.started(showcase.submit(f"{HIDDEN}@v1", OWN, gpus=0, by="carl"))
    dashboard.access.leave_team("finance", ["carl"])
    return Hall(showcase=showcase, live=Live(dashboard.site, lambda: False), tokens=tokens)


def _request(token: str) -> Request:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    request = Request({"type": "http", "method": "GET", "path": "/live", "query_string": b"", "headers": headers})
    request.state.request_id = "one"
    return request


def _live_paths(hall: Hall) -> list[str]:
    site = hall.showcase.dashboard.site
    found = [path.format(**hall.showcase.ids) for path in PATHS if not path.startswith("/admin")]
    return [path for path in found if site.find(path)[0].live]


def test_who_has_nothing_of_their_own_there_shares_one_rendering(hall: Hall) -> None:
    for address in ("/", "/runs", "/sites", "/cache"):
        parts, others = hall.shown("dora", address)
        assert "eli" in others, address
        assert parts == hall.shown("eli", address)[0], address


@pytest.mark.parametrize("address", ["/", "/runs", "/sites"])
def test_PRIVATE_ones_own_run_on_what_is_hidden_is_sent_to_nobody_else(hall: Hall, address: str) -> None:
    own, others = hall.shown("carl", address)
    assert others == set()
    foreign, others = hall.shown("dora", address)
    assert "carl" not in others
    assert own != foreign, "it is in it"
    assert HIDDEN not in "".join(foreign.values())
    assert OWN not in "".join(foreign.values())


def test_PRIVATE_what_one_is_sent_that_was_made_for_another_is_what_one_would_have_got(hall: Hall) -> None:
    shared = 0
    for address in _live_paths(hall):
        made = {user: hall.shown(user, address) for user in ALIKE}
        for user, (parts, others) in made.items():
            shared += len(others)
            assert parts == hall.on_the_page(user, address), f"{address}: {user}"
            for other in others:
                assert parts == made[other][0], f"{address}: made for {user}, sent to {other}"
    assert shared > 0


def test_PRIVATE_a_sight_is_not_that_of_who_owns_something_that_is_hidden_from_others(hall: Hall) -> None:
    dashboard = hall.showcase.dashboard
    dashboard.access.leave_team("finance", ["finn"])
    people = {name: Person(user=name, role=Role.SCIENTIST) for name in ("finn", "gus", "hal")}
    with dashboard.site.read() as connection:
        found = {name: sight_of(connection, Unnamed.of(person)) for name, person in people.items()}
    assert {name: found[name].sees(HIDDEN) for name in people} == {"finn": True, "gus": False, "hal": False}
    known = {(one, other) for one in people for other in people if is_known_for(found[one], people[other])}
    assert known == {("gus", "hal"), ("hal", "gus"), *((name, name) for name in people)}


def test_PRIVATE_who_has_other_rights_shares_with_nobody(hall: Hall) -> None:
    for address in _live_paths(hall):
        one, other = hall.watcher("dora", address), hall.watcher("finn", address)
        assert not hall.live._rendered(one.audience, one).is_for(one.audience, other.audience), address
