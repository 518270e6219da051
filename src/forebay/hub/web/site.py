"""The dashboard as a whole: finds the pages, answers their addresses, and tells errors to people as pages.

A page function runs in a thread, for one visitor, in one transaction; what it gives is rendered there as well.
"""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import compile_path

from forebay.catalog.engine import joining, reading
from forebay.catalog.tables_seen import TablesWritten
from forebay.clock import Clock
from forebay.errors import ForebayError, InputError, InternalError, NotAllowedError, NotFoundError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rights_mark import mark_of
from forebay.hub.access.rules import Person, Principal
from forebay.hub.access.sessions import Sessions
from forebay.hub.access.store import AccessStore
from forebay.hub.api.acting import came_from, token_of
from forebay.hub.api.cookies import SESSION, cookie_name, is_secure
from forebay.hub.api.errors import internal
from forebay.hub.api.rates import SIGN_IN_FAILED, SIGNED_IN
from forebay.hub.board.checkup import Checkups
from forebay.hub.board.checkup import Look as DoctorsLook
from forebay.hub.board.counts import counts_of
from forebay.hub.board.sight import Sight
from forebay.hub.local import LocalHub
from forebay.hub.web import pages as page_modules
from forebay.hub.web.asked import address_of, for_people, form_of
from forebay.hub.web.assets import PLACE, Assets
from forebay.hub.web.committer import Committer
from forebay.hub.web.lister import Lister
from forebay.hub.web.live import Live
from forebay.hub.web.login import LINK, Entrance
from forebay.hub.web.page import Answer, Page, Raw, Redirect
from forebay.hub.web.render import Look, Renderer
from forebay.hub.web.route import Pages, Route, in_order
from forebay.hub.web.sent import NOTICE, asset_response, html_response, notice_in, raw_response, set_cookie, theme_in
from forebay.hub.web.sights import Sights
from forebay.hub.web.sums import Sums
from forebay.hub.web.table import as_csv, as_json
from forebay.hub.web.visit import Visit
from forebay.log import get_logger
from forebay.wire.access import Role
from forebay.wire.http import INTERNAL, status_of

_log = get_logger("hub.web")

_HEADINGS = {
    403: "Not allowed",
    404: "Not found",
    409: "Not as it was",
    413: "Too large",
    429: "Too often",
    500: "Something broke",
    503: "Away",
    507: "No room",
}


_ASIDE_S = 0.2


class Site:
    """The pages of one hub. `origin` is where people reach it, "" where that is not set; `look` is the doctor's."""

    def __init__(
        self,
        hub: LocalHub,
        access: AccessStore,
        clock: Clock,
        sessions: Sessions,
        *,
        origin: str = "",
        lister: Lister | None = None,
        committer: Committer | None = None,
        look: DoctorsLook | None = None,
    ) -> None:
        self.sessions = sessions
        parts = urlsplit(origin)
        self.origin = f"{parts.scheme}://{parts.netloc}" if origin else ""
        self.clock = clock
        self.lister = lister
        self.committer = committer
        self.renderer = Renderer(Assets())
        self.tables = TablesWritten(hub.engine)
        self._checkups = Checkups(look)
        self._sights = Sights()
        self._sums = Sums(self.tables)
        self._hub = hub
        self._access = access
        self.routes = in_order(route for each in found_pages() for route in each.routes)
        self._patterns = [(route, compile_path(route.path)[0]) for route in self.routes if route.method == "GET"]

    def link_for_admin(self, url: str) -> str:
        """An address that lets in, once and within the hour, as the hub's first admin: for who has just started it."""
        admin = next((user.name for user in self._access.users() if user.role is Role.ADMIN), "")
        return f"{(self.origin or url).rstrip('/')}{LINK}?key={self.sessions.key_for(admin)}" if admin else ""

    def add_to(self, app: FastAPI) -> None:
        """Let the application have the pages."""
        app.state.site = self
        entrance = Entrance(self, app.state.door)
        routes = [
            StarletteRoute(PLACE + "{name}", self._asset, methods=["GET"]),
            *entrance.routes(),
            *Live(self, app.state.is_stopping).routes(),
            *(self._routed(route) for route in self.routes),
        ]
        # Before the API's: its routes take no address of a page, and the pages' `/login` is for people.
        app.router.routes[:0] = routes
        for kind in (ForebayError, HTTPException):
            app.add_exception_handler(kind, partial(self._failed, app.exception_handlers[kind]))

    def principal_of(self, request: Request) -> Person:
        """Who asks; NotAllowedError `not-signed-in`, `not-a-person`."""
        token = token_of(request)
        try:
            found: Principal = self._access.principal_of(token, came_from(request))
        except NotAllowedError:
            setattr(request.state, SIGN_IN_FAILED, token is not None)
            raise
        setattr(request.state, SIGNED_IN, True)
        if not isinstance(found, Person):
            raise NotAllowedError("not-a-person", "Pages are for people, and this is a site's agent's token.")
        return found

    def people_of(self, requests: Iterable[Request]) -> dict[str, Person]:
        """Who sent these, by their tokens, in one question; without those whose token holds no more."""
        asking = {token: came_from(request) for request in requests if (token := token_of(request))}
        found = self._access.principals_of(asking)
        return {token: one for token, one in found.items() if isinstance(one, Person)}

    def sight_of(self, principal: Person, mark: str = "") -> Sight:
        """What somebody sees by now; `mark` is what `rights_mark` gave in the same transaction, if anything."""
        with self.read() as connection:
            return self._sights.of(connection, principal, mark)

    def visit(
        self,
        principal: Person,
        request: Request,
        *,
        mark: str = "",
        written: Mapping[str, int] | None = None,
        **more: Any,
    ) -> Visit:
        """What a page function gets; inside a transaction that is joined. `mark` is as for `sight_of`, `written` as for
        `Sums.keep`.
        """
        hub = Guarded(self._hub, self._access, principal, came_from(request))
        sight = self.sight_of(principal, mark)
        return Visit(
            hub=hub,
            sight=sight,
            keep=self._sums.keep(sight, written),
            read=self.read,
            data_of=lambda name: self._access.subjects.data(name, principal),
            now=self.clock.now(),
            lister=self.lister,
            committer=self.committer,
            checkups=self._checkups,
            **more,
        )

    def stand_aside(self) -> None:
        """For a moment, where somebody waits for a page: live parts come after it."""
        self._hub.foreground.aside(_ASIDE_S)()

    def rights_mark(self) -> str:
        """A mark of everybody's rights by now."""
        with self.read() as connection:
            return mark_of(connection)

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A read transaction."""
        return reading(self._hub.engine)

    def look_of(self, visit: Visit, request: Request) -> Look:
        """What the page around a page's own parts shows."""
        with self.read() as connection:
            counts = counts_of(connection, visit.sight, visit.keep)
        return Look(theme=theme_in(request), notice=notice_in(request), counts=counts)

    def find(self, address: str) -> tuple[Route, dict[str, str]]:
        """The page at an address of this hub, with its parameters; NotFoundError `page-not-found`."""
        path = unquote(urlsplit(address).path)
        for route, pattern in self._patterns:
            if found := pattern.fullmatch(path):
                return route, found.groupdict()
        raise NotFoundError("page-not-found", f"There is no page at {path}.")

    def _routed(self, route: Route) -> StarletteRoute:
        return StarletteRoute(route.path, self._endpoint(route), methods=[route.method], name=f"page {route.path}")

    def _endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            form = await form_of(request) if route.method == "POST" else ()
            return await run_in_threadpool(self._answer, route, request, form)

        return answer

    def _answer(self, route: Route, request: Request, form: tuple[tuple[str, str], ...]) -> Response:
        written = self.tables.counts()
        # What somebody sends may take long, and what a hub does by itself may be a part of it.
        waits = self._hub.foreground.answering() if route.method == "GET" else nullcontext()
        try:
            with waits, joining():
                principal = self.principal_of(request)
                visit = self.visit(
                    principal,
                    request,
                    written=written if route.method == "GET" else None,
                    address=address_of(request),
                    path=dict(request.path_params),
                    query_pairs=tuple(request.query_params.multi_items()),
                    form_pairs=form,
                )
                return self._sent(route.view(visit), visit, request, is_get=route.method == "GET")
        except ForebayError:
            raise
        except Exception:  # noqa: BLE001
            _log.warning("bug", trace=traceback.format_exc())
            raise internal(request.state.request_id) from None

    def _sent(self, answer: Answer, visit: Visit, request: Request, *, is_get: bool) -> Response:
        match answer:
            case Redirect():
                response: Response = RedirectResponse(answer.to, 303, {"Cache-Control": "no-store"})
                if answer.notice:
                    set_cookie(response, request, NOTICE, quote(answer.notice[:500]), 60)
                return response
            case Raw():
                return raw_response(answer, request)
            case Page() if visit.exports and is_get:
                return _exported(answer, visit, request)
            case Page():
                look = self.look_of(visit, request)
                response = html_response(self.renderer.page(answer, visit, look), request, answer.status)
                if look.notice:
                    set_cookie(response, request, NOTICE, "", 0)
                return response

    async def _asset(self, request: Request) -> Response:
        found = self.renderer.assets.at(request.path_params["name"])
        if found is None:
            raise NotFoundError("no-asset", "There is no such file.")
        return asset_response(found, request)

    async def _failed(self, told_by_api: Any, request: Request, error: Exception) -> Response:
        """To people as a page; to programs as ever."""
        response: Response
        if not for_people(request):
            response = await told_by_api(request, error)
            return response
        found = _found_error(request, error)
        if status_of(found) == 401 and request.method in ("GET", "HEAD"):
            after = f"?next={quote(address_of(request))}" if request.url.path != "/" else ""
            response = RedirectResponse(f"/login{after}", 303, {"Cache-Control": "no-store"})
            set_cookie(response, request, cookie_name(SESSION, is_secure=is_secure(request)), "", 0)
            return response
        return self.error_response(found, request)

    def refusal(self, error: ForebayError, request: Request) -> Response | None:
        """The same before anything is looked at; None: a program asked."""
        return self.error_response(error, request) if for_people(request) else None

    def error_response(self, error: ForebayError, request: Request) -> Response:
        """An error as a page."""
        if isinstance(error, InternalError) and error.kind != INTERNAL:
            _log.warning("bug", kind=error.kind, message=error.message)
            error = internal(request.state.request_id)
        status = status_of(error)
        back = _back(request)
        html = self.renderer.bare(
            "error.html",
            self.clock.now(),
            theme=theme_in(request),
            heading=_HEADINGS.get(status, "That did not work"),
            message=error.message,
            todo=error.todo,
            status=status,
            kind=error.kind,
            request_id=request.state.request_id,
            back="/login" if status == 401 else back,
            back_label="Log in" if status == 401 else "Back",
        )
        return html_response(html, request, status)


def found_pages() -> list[Pages]:
    """Every module's."""
    names = sorted(item.name for item in pkgutil.iter_modules(page_modules.__path__))
    return [importlib.import_module(f"{page_modules.__name__}.{name}").pages for name in names]


def _exported(page: Page, visit: Visit, request: Request) -> Response:
    found = next((table for table in page.tables if table.name == visit.exports), None)
    if found is None:
        raise NotFoundError("no-table", "This page has no such table.")
    if visit.query["as"] == "json":
        text, kind = as_json(found), "application/json"
    else:
        text, kind = as_csv(found), "text/csv; charset=utf-8"
    name = f"{found.name}.{visit.query['as']}"
    return raw_response(Raw(content=text.encode(errors="replace"), media_type=kind, filename=name), request)


def _found_error(request: Request, error: Exception) -> ForebayError:
    if isinstance(error, ForebayError):
        return error
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ForebayError):
        return error.__cause__
    if error.status_code == 404:
        return NotFoundError("page-not-found", f"There is no page at {request.url.path}.")
    if error.status_code == 405:
        return InputError("method-not-allowed", f"Nothing can be sent to {request.url.path}.")
    return InputError("bad-request", f"The request is wrong: {error.detail}.")


def _back(request: Request) -> str:
    """Where one came from on this hub."""
    came = urlsplit(request.headers.get("referer", ""))
    if came.netloc != request.headers.get("host", "") or not came.path.startswith("/"):
        return "/"
    return f"{came.path}?{came.query}" if came.query else came.path
