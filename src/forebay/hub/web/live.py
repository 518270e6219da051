"""Live parts of pages, as server-sent events.

Whoever watches the same page with the same sight is one audience, whose page function runs once for all of them; where
it did not ask who they are, for all with the same rights (`unnamed`). It runs when a table that it reads was written
(`turns`), and all renderings together cost at most what `budget` allows. Each watcher is sent the parts that changed.

Invariant: PRIVATE, a rendering goes only to those whose sight was read at the mark of all rights that the rendering
was made at (`access.rights_mark`): who lost a right is sent nothing that it gave, whichever process took it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from forebay.catalog.engine import joining
from forebay.errors import ForebayError, NotAllowedError, NotFoundError
from forebay.hub.access.rules import Person
from forebay.hub.api.acting import token_of
from forebay.hub.board.sight import Sight
from forebay.hub.web.budget import RESTS, Budget
from forebay.hub.web.page import Page
from forebay.hub.web.turns import Turn, next_turn
from forebay.hub.web.unnamed import Unnamed, alike
from forebay.log import get_logger

if TYPE_CHECKING:
    from forebay.hub.web.site import Site

_log = get_logger("hub.web.live")

TICK_SECONDS = 0.5
_PING_SECONDS = 15
_LOOK_AGAIN_SECONDS = 10.0
"""So late at most does a stream end whose session did."""
_SOON_SECONDS = 5.0
"""Whoever was looked at so long ago is looked at along with who is due."""
_AT_ONCE = 100
"""Sessions are looked at in one transaction: nobody waits for long until they are told."""
_NO_MARK = ""
"""Of whoever is to be looked at anew, whatever the mark is by now."""
_MOST = 2000
MOST_OF_ONE = 20
"""Streams of one session: as many pages as somebody looks at."""
TOO_MANY = f"This page is live no more: more than {MOST_OF_ONE} are open. Load it again to see what is new."


@dataclass(eq=False, slots=True)
class Watcher:
    """One open page. `shown` has the digest of each part that it was sent; `session` is what it came with.

    `mark` is that of all rights when its sight was read.
    """

    request: Request
    audience: Audience
    looked_at: float
    session: str = field(repr=False)
    mark: str = _NO_MARK
    shown: dict[str, str] = field(default_factory=dict)
    news: asyncio.Queue[dict[str, str] | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1))
    farewell: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """A page's address, and what its watchers see."""

    address: str
    sight: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """A sight, and the mark of all rights in the same snapshot."""

    sight: Sight
    mark: str


@dataclass(slots=True, kw_only=True)
class _LookedAgain:
    """What was found of some sessions, in one snapshot: the sight of each, None where it is over; none of who is not
    known of. `mark` is that of all rights.
    """

    mark: str = _NO_MARK
    sights: dict[str, Sight | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rendered:
    """`parts` by their ids, none where rights are not as they were. `person` is whom it was made for, `mark` was read
    before. `cost_s` are CPU seconds.
    """

    parts: Mapping[str, str]
    tables: Collection[str]
    person: Unnamed
    mark: str
    cost_s: float

    def is_for(self, audience: Audience, other: Audience) -> bool:
        """Whether what was made for the one is what the other sees."""
        if other == audience:
            return True
        is_same = other.address == audience.address and alike(other.sight, audience.sight)
        return bool(self.parts) and is_same and self.person.stands_for(other.sight.principal)


class Live:
    """The streams of one process. Belongs to the server's event loop."""

    def __init__(self, site: Site, is_stopping: Callable[[], bool], tick_s: float = TICK_SECONDS) -> None:
        self._site = site
        self._is_stopping = is_stopping
        self._tick_s = tick_s
        self._watchers: dict[Watcher, None] = {}
        self._turns: dict[Audience, Turn] = {}
        # The same object for all who are of one: sights of thousands of datasets are long to compare.
        self._audiences: dict[Audience, Audience] = {}
        self._budget = Budget(at=time.monotonic())
        self._rounds: asyncio.Task[None] | None = None

    def routes(self) -> list[StarletteRoute]:
        """Where."""
        return [StarletteRoute("/live", self._stream, methods=["GET"])]

    async def _stream(self, request: Request) -> Response:
        address = request.query_params.get("page", "")
        route, _ = self._site.find(address)
        if not route.live:
            raise NotFoundError("nothing-live", "This page has no live parts.")
        if len(self._watchers) >= _MOST:
            return Response(status_code=503, headers={"Retry-After": "60"})
        looked = await run_in_threadpool(self._first_look, request)
        now = time.monotonic()
        watcher = Watcher(
            request=request,
            audience=Audience(address=address, sight=looked.sight),
            looked_at=now,
            session=token_of(request) or "",
            mark=looked.mark,
        )
        return EventSourceResponse(self._told(watcher), ping=_PING_SECONDS, headers={"Cache-Control": "no-store"})

    async def _told(self, watcher: Watcher) -> AsyncIterator[bytes]:
        self.add(watcher)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._go_round(), name="live pages")
        try:
            while (parts := await watcher.news.get()) is not None:
                for name, html in parts.items():
                    yield _event("part", id=name, html=html)
            yield _event("over", why=watcher.farewell)
        finally:
            self._watchers.pop(watcher, None)

    def add(self, watcher: Watcher) -> None:
        """One more. Of too many of one session the eldest ends, and is told why."""
        own = [other for other in self._watchers if other.session == watcher.session]
        for eldest in own[: max(0, len(own) + 1 - MOST_OF_ONE)]:
            self._end(eldest, TOO_MANY)
        self._watchers[watcher] = None
        self._join(watcher, watcher.audience)

    def _end(self, watcher: Watcher, farewell: str = "") -> None:
        """It is sent nothing more, whether its browser reads on or not."""
        self._watchers.pop(watcher, None)
        watcher.farewell = farewell
        if watcher.news.full():
            watcher.news.get_nowait()
        watcher.news.put_nowait(None)

    def _join(self, watcher: Watcher, audience: Audience) -> None:
        watcher.audience = self._audiences.setdefault(audience, audience)
        self._turns.setdefault(audience, Turn()).asked_for = True

    async def _go_round(self) -> None:
        while self._watchers:
            if self._is_stopping():
                for watcher in list(self._watchers):
                    self._end(watcher)
                return
            await asyncio.sleep(await self._step())

    async def _step(self) -> float:
        """Render whoever is next, if that may be by now; how many seconds to wait then."""
        now = time.monotonic()
        await self._look_again(now)
        self._forget_unwatched()
        due = next_turn(self._turns, now, self._site.tables.counts())
        if due is None:
            return self._tick_s
        audience, why = due
        wait_s = self._budget.wait_s(now, why)
        if wait_s > 0:
            return min(wait_s, self._tick_s)
        cost_s = await self._renew(audience)
        self._budget.spend(time.monotonic(), cost_s, why)
        return RESTS * cost_s

    def _forget_unwatched(self) -> None:
        watched = set({id(watcher.audience): watcher.audience for watcher in self._watchers}.values())
        if len(watched) < max(len(self._turns), len(self._audiences)):
            self._turns = {audience: turn for audience, turn in self._turns.items() if audience in watched}
            self._audiences = {audience: audience for audience in self._audiences if audience in watched}

    async def _look_again(self, now: float) -> None:
        """Whose session ended is sent nothing more; who sees something else now is another audience's.

        A session is looked at once, however many pages it has open, and many of them in one transaction.
        """
        due: dict[str, list[Watcher]] = defaultdict(list)
        for watcher in self._watchers:
            if now - watcher.looked_at >= _SOON_SECONDS:
                due[watcher.session].append(watcher)
        if all(now - watcher.looked_at < _LOOK_AGAIN_SECONDS for watchers in due.values() for watcher in watchers):
            return
        sessions = list(due)
        for begin in range(0, len(sessions), _AT_ONCE):
            some = {session: due[session] for session in sessions[begin : begin + _AT_ONCE]}
            firsts = [watchers[0] for watchers in some.values()]
            self._sort(some, await run_in_threadpool(self._looked_at, firsts), now)

    def _sort(self, sessions: Mapping[str, Sequence[Watcher]], looked: _LookedAgain, now: float) -> None:
        """To each what they see by now. Of whom nothing is known, since the database is away, the next look tells."""
        for session, sight in looked.sights.items():
            for watcher in sessions[session]:
                watcher.looked_at = now
                if sight is None:
                    self._end(watcher)
                    continue
                watcher.mark = looked.mark
                if sight != watcher.audience.sight:
                    self._join(watcher, Audience(address=watcher.audience.address, sight=sight))

    def _looked_at(self, watchers: Sequence[Watcher]) -> _LookedAgain:
        """What these see, each of another session."""
        looked = _LookedAgain()
        # What was found holds, also where it could not be noted whose token was used.
        with contextlib.suppress(ForebayError), joining():
            looked.mark = self._site.rights_mark()
            people = self._site.people_of(watcher.request for watcher in watchers)
            for watcher in watchers:
                person = people.get(watcher.session)
                looked.sights[watcher.session] = None if person is None else self._seen_by(person, watcher, looked.mark)
        return looked

    def _seen_by(self, person: Person, watcher: Watcher, mark: str) -> Sight:
        person, before = _nobody_in_particular(person), watcher.audience.sight
        is_as_it_was = mark == watcher.mark and person == before.principal
        return before if is_as_it_was else self._site.sight_of(person, mark)

    async def _renew(self, audience: Audience) -> float:
        """Render a page's parts and hand them to who has others; the CPU seconds that it took."""
        written, began = self._site.tables.counts(), time.monotonic()
        turn = self._turns.setdefault(audience, Turn())
        first = next((watcher for watcher in self._watchers if watcher.audience == audience), None)
        if first is None:
            return 0.0
        try:
            rendered = await run_in_threadpool(self._rendered, audience, first, written)
        except ForebayError as error:
            turn.rendered(began, (), written)
            if isinstance(error, (NotAllowedError, NotFoundError)):
                for watcher in [watcher for watcher in self._watchers if watcher.audience == audience]:
                    self._end(watcher)
            return time.monotonic() - began
        except Exception as error:  # noqa: BLE001
            _log.warning("bug", page=audience.address, error=repr(error))
            turn.rendered(began, (), written)
            return time.monotonic() - began
        parts = rendered.parts
        reached = {other for other in self._turns if rendered.is_for(audience, other)}
        digests = {name: hashlib.sha256(html.encode("utf-8", "replace")).hexdigest() for name, html in parts.items()}
        for each in reached:
            self._turns[each].rendered(began, rendered.tables, written)
        for watcher in self._watchers:
            is_current = watcher.mark == rendered.mark != _NO_MARK
            if not is_current:
                watcher.looked_at, watcher.mark = -math.inf, _NO_MARK
            if watcher.audience in reached and not (is_current and _hand(watcher, parts, digests)):
                self._turns[watcher.audience].asked_for = True
        return rendered.cost_s

    def _first_look(self, request: Request) -> _Looked:
        with joining():
            mark = self._site.rights_mark()
            # Two sessions of somebody are one audience.
            person = _nobody_in_particular(self._site.principal_of(request))
            return _Looked(sight=self._site.sight_of(person, mark), mark=mark)

    def _rendered(self, audience: Audience, watcher: Watcher, written: Mapping[str, int] | None = None) -> _Rendered:
        self._site.stand_aside()
        began = time.thread_time()
        route, path = self._site.find(audience.address)
        query = tuple(parse_qsl(urlsplit(audience.address).query, keep_blank_values=True, max_num_fields=200))
        person = Unnamed.of(audience.sight.principal)
        parts: Mapping[str, str] = {}
        with joining(), self._site.tables.reading() as tables:
            mark = self._site.rights_mark()
            visit = self._site.visit(
                person,
                watcher.request,
                mark=mark,
                written=written,
                address=audience.address,
                path=path,
                query_pairs=query,
            )
            is_as_it_was = alike(visit.sight, audience.sight)
            # Where rights have changed since the last look, the next one sorts the watchers anew.
            if mark == watcher.mark and is_as_it_was:
                person.forget()
                page = route.view(visit)
                if isinstance(page, Page):
                    parts = self._site.renderer.parts(page, visit, route.live)
        cost_s = time.thread_time() - began
        return _Rendered(
            parts=parts, tables=tables, person=person, mark=mark if is_as_it_was else _NO_MARK, cost_s=cost_s
        )


@lru_cache(maxsize=64)
def _event(kind: str, **told: str) -> bytes:
    """One for all who are sent the same."""
    return ServerSentEvent(json.dumps(told), event=kind).encode()


def _nobody_in_particular(person: Person) -> Person:
    """Without what tells one session of somebody from another."""
    return replace(person, token_id="", until=0.0)


def _hand(watcher: Watcher, parts: Mapping[str, str], digests: Mapping[str, str]) -> bool:
    """What changed for this one. Who does not keep up misses states in between, never the last: False, it did not."""
    changed = {name: html for name, html in parts.items() if watcher.shown.get(name) != digests[name]}
    if changed and not watcher.news.empty():
        return False
    if changed:
        watcher.shown.update({name: digests[name] for name in changed})
        watcher.news.put_nowait(changed)
    return True
