"""Live pages: who sees the same shares one rendering, gets what changed, and nothing after the session's end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import sqlalchemy as sa
from starlette.requests import Request

from forebay.catalog.tables_seen import TablesWritten
from forebay.errors import UnavailableError
from forebay.hub.access.rules import Person
from forebay.hub.board.sight import Sight
from forebay.hub.web.budget import SAVED_S
from forebay.hub.web.live import MOST_OF_ONE, TOO_MANY, Audience, Live, Watcher
from forebay.hub.web.page import Page
from forebay.hub.web.route import Route
from forebay.hub.web.site import Site
from forebay.hub.web.turns import LATEST_S
from forebay.hub.web.visit import Visit
from forebay.wire.access import Role


def sight_of(user: str, role: Role = Role.SCIENTIST, sees: frozenset[str] = frozenset()) -> Sight:
    return Sight(principal=Person(user=user, role=role), datasets=sees or frozenset({user}))


class _Site:
    """Renders what a test put there, and counts."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {"grid": "<p>1</p>"}
        self.rendered: list[str] = []
        self.gone: set[str] = set()
        self.asked: list[str] = []
        self.looks, self.questions, self.is_away = 0, 0, False
        self.sees: frozenset[str] = frozenset()
        self.names = False
        self.takes_for = ""
        self.mark = "before"
        self.renderer = self
        self.tables = TablesWritten(sa.create_engine("sqlite://"))

    def stand_aside(self) -> None:
        pass

    def rights_mark(self) -> str:
        return self.mark

    def find(self, address: str) -> tuple[Route, dict[str, str]]:
        page = Page(template="", title="", nav="", context=None)
        return Route(method="GET", path=address, view=lambda _: page, live=("grid",)), {}

    def people_of(self, requests: Iterable[Request]) -> Mapping[str, Person]:
        if self.is_away:
            raise UnavailableError("database-away", "")
        self.questions += 1
        users = [cast(Any, request).user_name for request in requests]
        self.asked += users
        return {user: sight_of(user).principal for user in users if user not in self.gone}

    def sight_of(self, principal: Person, mark: str) -> Sight:
        assert mark == self.mark
        self.looks += 1
        return Sight(principal=principal, datasets=self.sees or frozenset({principal.user}))

    def visit(self, principal: Person, request: Request, *, mark: str, **_: Any) -> Visit:
        return cast(Visit, SimpleNamespace(sight=self.sight_of(principal, mark)))

    def parts_of(self, visit: Visit) -> Mapping[str, str]:
        if self.takes_for:
            own = visit.sight.principal.is_called(self.takes_for)
            self.rendered.append("own" if own else "others'")
            return {name: f"{text}, {self.rendered[-1]}" for name, text in self.parts.items()}
        if self.sees and not self.names:
            self.rendered.append(visit.sight.role.name)
            return {name: f"{text} for {visit.sight.role.name}" for name, text in self.parts.items()}
        self.rendered.append(visit.sight.user)
        return {name: f"{text} for {visit.sight.user}" for name, text in self.parts.items()}


def watcher(live: Live, user: str, role: Role = Role.SCIENTIST) -> Watcher:
    request = cast(Request, SimpleNamespace(user_name=user))
    seen = sight_of(user, role, cast(Any, live._site).sees)
    mark = cast(Any, live._site).mark
    made = Watcher(request=request, audience=Audience("/cache", seen), looked_at=0.0, session=user, mark=mark)
    live.add(made)
    return made


def live_of(site: _Site) -> Live:
    site.renderer = cast(Any, SimpleNamespace(parts=lambda page, visit, names: site.parts_of(visit)))
    live = Live(cast(Site, site), lambda: False)
    # However long a busy machine takes, the budget is not what hinders a rendering here.
    live._budget.left_s = SAVED_S
    return live


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


def test_who_was_ended_and_does_not_read_on_keeps_nobody_from_what_is_new() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ended, other = watcher(live, "ada"), watcher(live, "ada")
        ended.session = "signed out elsewhere"
        site.gone.add("ada")
        await live._look_again(1000.0)
        site.gone.clear()
        live.add(other)
        other.news.get_nowait()
        site.mark = other.mark = "after"
        await live._renew(other.audience)
        assert other.news.get_nowait() == {"grid": "<p>1</p> for ada"}
        assert ended.news.get_nowait() is None

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


def test_many_sessions_are_looked_at_together_also_those_that_are_due_soon() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        people = [watcher(live, f"user-{number}") for number in range(150)]
        people[3].looked_at = 994.0
        people[4].looked_at = 999.0
        site.gone |= {"user-7", "user-149"}
        await live._look_again(1000.0)
        assert len(site.asked) == 149
        assert site.questions == 2
        ended = [one.session for one in people if one not in live._watchers]
        assert ended == ["user-7", "user-149"]
        await live._look_again(1004.0)
        assert site.questions == 2, "nobody is due"

    asyncio.run(story())


def test_where_the_database_is_away_nobody_ends_and_the_next_look_tells() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada, olga = watcher(live, "ada"), watcher(live, "olga")
        site.is_away = True
        await live._look_again(1000.0)
        assert ada.looked_at == olga.looked_at == 0.0, "the next look tells"
        site.is_away = False
        site.gone.add("ada")
        await live._look_again(1000.5)
        assert ada.news.get_nowait() is None
        assert olga.looked_at == 1000.5

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


def test_what_nobody_in_particular_was_shown_is_for_all_who_see_the_same() -> None:
    site = _Site()
    site.sees = frozenset({"clicks"})
    live = live_of(site)

    async def story() -> None:
        ada, olga, more = watcher(live, "ada"), watcher(live, "olga"), watcher(live, "bob", Role.ENGINEER)
        await live._renew(ada.audience)
        assert ada.news.get_nowait() == olga.news.get_nowait() == {"grid": "<p>1</p> for SCIENTIST"}
        assert more.news.empty(), "who has other rights sees something else"
        assert len(site.rendered) == 1

    asyncio.run(story())


def test_what_asked_for_the_name_is_for_that_one_alone() -> None:
    site = _Site()
    site.sees, site.names = frozenset({"clicks"}), True
    live = live_of(site)

    async def story() -> None:
        ada, olga = watcher(live, "ada"), watcher(live, "olga")
        await live._renew(ada.audience)
        assert ada.news.get_nowait() == {"grid": "<p>1</p> for ada"}
        assert olga.news.empty()

    asyncio.run(story())


def test_what_only_asked_whether_it_was_somebody_else_is_for_all_others() -> None:
    site = _Site()
    site.sees, site.takes_for = frozenset({"clicks"}), "olga"
    live = live_of(site)

    async def story() -> None:
        ada, olga, bob = watcher(live, "ada"), watcher(live, "olga"), watcher(live, "bob")
        await live._renew(ada.audience)
        assert ada.news.get_nowait() == bob.news.get_nowait() == {"grid": "<p>1</p>, others'"}
        assert olga.news.empty(), "something of it may be hers"
        site.parts["grid"] = "<p>2</p>"
        await live._renew(olga.audience)
        assert olga.news.get_nowait() == {"grid": "<p>2</p>, own"}
        assert ada.news.empty(), "it is not theirs"
        assert bob.news.empty()

    asyncio.run(story())


def test_whose_rights_may_have_changed_is_sent_nothing_before_they_were_looked_at_again() -> None:
    site = _Site()
    site.sees = frozenset({"clicks"})
    live = live_of(site)

    async def story() -> None:
        ada, olga = watcher(live, "ada"), watcher(live, "olga")
        ada.looked_at = olga.looked_at = 1000.0
        site.mark = "after"
        await live._renew(ada.audience)
        assert site.rendered == [], "not even rendered, since whoever asks has not been looked at either"
        await live._look_again(1000.0)
        assert sorted(site.asked) == ["ada", "olga"], "at once, not at their time"
        assert ada.mark == olga.mark == "after"
        olga.mark = "before"
        await live._renew(ada.audience)
        assert ada.news.get_nowait() == {"grid": "<p>1</p> for SCIENTIST"}
        assert olga.news.empty()
        assert live._turns[olga.audience].asked_for
        await live._look_again(1000.0)
        await live._renew(olga.audience)
        assert olga.news.get_nowait() == {"grid": "<p>1</p> for SCIENTIST"}

    asyncio.run(story())


def test_of_too_many_of_one_session_the_eldest_ends_and_is_told_why() -> None:
    live = live_of(_Site())
    other = watcher(live, "olga")
    own = [watcher(live, "ada") for _ in range(MOST_OF_ONE + 2)]
    assert [item.farewell for item in own] == [TOO_MANY] * 2 + [""] * MOST_OF_ONE
    assert own[0].news.get_nowait() is own[1].news.get_nowait() is None
    assert own[2].news.empty()
    assert other.news.empty()
    assert not other.farewell


def test_nothing_is_rendered_while_nothing_was_written_that_it_reads() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada = watcher(live, "ada")
        ada.looked_at = math.inf
        await live._step()
        await live._step()
        assert site.rendered == ["ada"]
        assert ada.news.get_nowait() == {"grid": "<p>1</p> for ada"}
        live._turns[ada.audience].rendered_at = -LATEST_S
        await live._step()
        assert site.rendered == ["ada", "ada"]
        assert ada.news.empty(), "it is the same"

    asyncio.run(story())


def test_a_sight_is_read_anew_when_rights_were_written_and_each_session_asked_for_anyway() -> None:
    site = _Site()
    live = live_of(site)

    async def story() -> None:
        ada = watcher(live, "ada")
        await live._look_again(1000.0)
        assert (site.asked, site.looks) == (["ada"], 0)
        site.mark = "after"
        await live._look_again(1020.0)
        assert ada.mark == "after"
        assert (len(site.asked), site.looks) == (2, 1)

    asyncio.run(story())
