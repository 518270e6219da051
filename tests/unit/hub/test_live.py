"""Live pages: who sees the same shares one rendering, gets what changed, and nothing after the session's end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from starlette.requests import Request

from forebay.errors import NotAllowedError
from forebay.hub.access.rules import Person
from forebay.hub.board.sight import Sight
from forebay.hub.web.live import Audience, Live, Watcher
from forebay.hub.web.page import Page
from forebay.hub.web.route import Route
from forebay.hub.web.site import Site
from forebay.hub.web.visit import Visit
from forebay.wire.access import Role


def sight_of(user: str) -> Sight:
    return Sight(principal=Person(user=user, role=Role.SCIENTIST), datasets=frozenset({user}))


class _Site:
    """Renders what a test put there, and counts."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {"grid": "<p>1</p>"}
        self.rendered: list[str] = []
        self.gone: set[str] = set()
        self.asked: list[str] = []
        self.renderer = self

    def find(self, address: str) -> tuple[Route, dict[str, str]]:
        page = Page(template="", title="", nav="", context=None)
        return Route(method="GET", path=address, view=lambda _: page, live=("grid",)), {}

    def principal_of(self, request: Request) -> Person:
        user = cast(Any, request).user_name
        self.asked.append(user)
        if user in self.gone:
            raise NotAllowedError("not-signed-in", "")
        return sight_of(user).principal

    def visit(self, principal: Person, request: Request, **_: Any) -> Visit:
        return cast(Visit, SimpleNamespace(sight=sight_of(principal.user)))

    def parts_of(self, visit: Visit) -> Mapping[str, str]:
        self.rendered.append(visit.sight.user)
        return {name: f"{text} for {visit.sight.user}" for name, text in self.parts.items()}


def watcher(live: Live, user: str) -> Watcher:
    request = cast(Request, SimpleNamespace(user_name=user))
    made = Watcher(request=request, audience=Audience("/cache", sight_of(user)), looked_at=0.0, session=user)
    live._watchers.add(made)
    return made


def live_of(site: _Site) -> Live:
    site.renderer = cast(Any, SimpleNamespace(parts=lambda page, visit, names: site.parts_of(visit)))
    return Live(cast(Site, site), lambda: False)


def test_one_rendering_is_for_all_with_the_same_sight_and_for_nobody_else() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada, too, olga = watcher(live, "ada"), watcher(live, "ada"), watcher(live, "olga")
        await live._renew(ada.audience)
        assert site.rendered == ["ada"]
        assert ada.news.get_nowait() == too.news.get_nowait() == {"grid": "<p>1</p> for ada"}
        assert olga.news.empty()

    asyncio.run(story())


def test_only_what_changed_is_sent_and_who_is_slow_gets_the_last_state() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada = watcher(live, "ada")
        await live._renew(ada.audience)
        ada.news.get_nowait()
        await live._renew(ada.audience)
        assert ada.news.empty(), "nothing changed"
        for number in (2, 3, 4):
            site.parts["grid"] = f"<p>{number}</p>"
            await live._renew(ada.audience)
        assert ada.news.get_nowait() == {"grid": "<p>2</p> for ada"}
        await live._renew(ada.audience)
        assert ada.news.get_nowait() == {"grid": "<p>4</p> for ada"}

    asyncio.run(story())


def test_a_stream_ends_with_its_session_and_with_no_other() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada, olga = watcher(live, "ada"), watcher(live, "olga")
        site.gone.add("ada")
        await live._look_again(1000.0)
        assert ada.news.get_nowait() is None
        assert olga.news.empty()

    asyncio.run(story())


def test_a_session_is_looked_at_once_for_all_its_pages() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada, too, _ = watcher(live, "ada"), watcher(live, "ada"), watcher(live, "olga")
        site.gone.add("ada")
        await live._look_again(1000.0)
        assert sorted(site.asked) == ["ada", "olga"]
        assert ada.news.get_nowait() is too.news.get_nowait() is None
        await live._look_again(1001.0)
        assert len(site.asked) == 2, "not before its time"

    asyncio.run(story())


def test_who_sees_something_else_by_now_is_told_nothing_of_what_they_saw_before() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada = watcher(live, "ada")
        ada.audience = Audience("/cache", Sight(principal=sight_of("ada").principal))
        await live._renew(ada.audience)
        assert ada.news.empty()
        await live._look_again(1000.0)
        assert ada.audience.sight == sight_of("ada")

    asyncio.run(story())
