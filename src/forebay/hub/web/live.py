"""Live parts of pages, as server-sent events, and the palette's answers.

Whoever watches the same page with the same sight is one audience: its page function runs once a tick for all of them,
and each is sent the parts that changed. Rendering costs at most a tenth of a core: what it took is waited nine times.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from forebay.catalog.engine import joining
from forebay.errors import ForebayError, NotAllowedError, NotFoundError
from forebay.hub.api.acting import token_of
from forebay.hub.board.sight import Sight
from forebay.hub.web.page import Page
from forebay.hub.web.visit import Visit
from forebay.log import get_logger

if TYPE_CHECKING:
    from forebay.hub.web.site import Site

_log = get_logger("hub.web.live")

TICK_SECONDS = 1.0
_IDLE_SHARE = 9.0
_PING_SECONDS = 15
_LOOK_AGAIN_SECONDS = 10.0
"""So late at most does a stream end whose session did."""
_MOST = 2000


@dataclass(eq=False, slots=True)
class Watcher:
    """One open page. `shown` has the digest of each part that it was sent; `session` is what it came with."""

    request: Request
    audience: Audience
    looked_at: float
    session: str = field(repr=False)
    shown: dict[str, str] = field(default_factory=dict)
    news: asyncio.Queue[dict[str, str] | None] = field(default_factory=lambda: asyncio.Queue(maxsize=1))


@dataclass(frozen=True, slots=True)
class Audience:
    """A page's address, and what its watchers see."""

    address: str
    sight: Sight


class Live:
    """The streams of one process. Belongs to the server's event loop."""

    def __init__(self, site: Site, is_stopping: Callable[[], bool], tick_s: float = TICK_SECONDS) -> None:
        self._site = site
        self._is_stopping = is_stopping
        self._tick_s = tick_s
        self._watchers: set[Watcher] = set()
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
        sight = await run_in_threadpool(self._sight_of, request)
        audience = Audience(address=address, sight=sight)
        watcher = Watcher(
            request=request, audience=audience, looked_at=time.monotonic(), session=token_of(request) or ""
        )
        return EventSourceResponse(self._told(watcher), ping=_PING_SECONDS, headers={"Cache-Control": "no-store"})

    async def _told(self, watcher: Watcher) -> AsyncIterator[Mapping[str, str]]:
        self._watchers.add(watcher)
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._go_round(), name="live pages")
        try:
            while (parts := await watcher.news.get()) is not None:
                for name, html in parts.items():
                    yield {"event": "part", "data": json.dumps({"id": name, "html": html})}
            yield {"event": "over", "data": "{}"}
        finally:
            self._watchers.discard(watcher)

    async def _go_round(self) -> None:
        while self._watchers:
            began = time.monotonic()
            if self._is_stopping():
                for watcher in list(self._watchers):
                    _end(watcher)
                return
            await self._look_again(began)
            for audience in {watcher.audience for watcher in self._watchers}:
                await self._look_again(time.monotonic())
                took = await self._renew(audience)
                await asyncio.sleep(_IDLE_SHARE * took)
            await asyncio.sleep(max(0.0, self._tick_s - (time.monotonic() - began)))

    async def _look_again(self, now: float) -> None:
        """Whose session ended is sent nothing more; who sees something else now is another audience's.

        A session is looked at once, however many pages it has open.
        """
        due: dict[str, list[Watcher]] = defaultdict(list)
        for watcher in self._watchers:
            if now - watcher.looked_at >= _LOOK_AGAIN_SECONDS:
                due[watcher.session].append(watcher)
        for watchers in due.values():
            for watcher in watchers:
                watcher.looked_at = now
            try:
                sight = await run_in_threadpool(self._sight_of, watchers[0].request)
            except NotAllowedError:
                for watcher in watchers:
                    _end(watcher)
            except ForebayError:
                continue  # the database is away: the next look tells
            else:
                for watcher in watchers:
                    watcher.audience = Audience(address=watcher.audience.address, sight=sight)

    async def _renew(self, audience: Audience) -> float:
        """Render a page's parts and hand them to who has others; the seconds that it took."""
        watchers = [item for item in self._watchers if item.audience == audience]
        if not watchers:
            return 0.0
        began = time.monotonic()
        try:
            parts = await run_in_threadpool(self._parts, watchers[0].request, audience)
        except ForebayError as error:
            if isinstance(error, (NotAllowedError, NotFoundError)):
                for watcher in watchers:
                    _end(watcher)
            return time.monotonic() - began
        except Exception as error:  # noqa: BLE001
            _log.warning("bug", page=audience.address, error=repr(error))
            return time.monotonic() - began
        digests = {name: hashlib.sha256(html.encode("utf-8", "replace")).hexdigest() for name, html in parts.items()}
        for watcher in watchers:
            _hand(watcher, parts, digests)
        return time.monotonic() - began

    def _sight_of(self, request: Request) -> Sight:
        with joining():
            sight = self._site.visit(self._site.principal_of(request), request, address="/", path={}).sight
        # Two sessions of somebody are one audience.
        return replace(sight, principal=replace(sight.principal, token_id="", until=0.0))

    def _parts(self, request: Request, audience: Audience) -> dict[str, str]:
        route, path = self._site.find(audience.address)
        query = tuple(parse_qsl(urlsplit(audience.address).query, keep_blank_values=True, max_num_fields=200))
        with joining():
            visit: Visit = self._site.visit(
                audience.sight.principal, request, address=audience.address, path=path, query_pairs=query
            )
            if visit.sight != audience.sight:
                return {}  # rights have changed since the last look; the next one sorts the watchers anew
            page = route.view(visit)
            return self._site.renderer.parts(page, visit, route.live) if isinstance(page, Page) else {}


def _hand(watcher: Watcher, parts: Mapping[str, str], digests: Mapping[str, str]) -> None:
    """What changed for this one. Who does not keep up misses states in between, never the last."""
    if not watcher.news.empty():
        return
    changed = {name: html for name, html in parts.items() if watcher.shown.get(name) != digests[name]}
    if changed:
        watcher.shown.update({name: digests[name] for name in changed})
        watcher.news.put_nowait(changed)


def _end(watcher: Watcher) -> None:
    if watcher.news.full():
        watcher.news.get_nowait()
    watcher.news.put_nowait(None)
