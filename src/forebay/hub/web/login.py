"""The way in and out for people with a browser: a token in a form, the link that the hub told at its start, or the
team's provider. No token ever stays in the browser: what it keeps is a session's, in a cookie that no script sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from forebay.errors import InputError, NotAllowedError
from forebay.hub.access.secret import is_secret
from forebay.hub.api.acting import came_from
from forebay.hub.api.cookies import SESSION, check_next, cookie_name, is_secure, session_in
from forebay.hub.api.rates import SIGN_IN_FAILED
from forebay.hub.door import Door
from forebay.hub.web.asked import form_of
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.sent import THEME, THEMES, html_response, set_cookie, theme_in
from forebay.wire.access import MadeToken

if TYPE_CHECKING:
    from forebay.hub.web.site import Site

LINK = "/login/link"
_YEAR = 365 * 86400.0


class Entrance:
    """Lets people in and out."""

    def __init__(self, site: Site, door: Door | None) -> None:
        self._site = site
        self._provider = "" if door is None else urlsplit(door.settings.client.issuer).hostname or "your provider"

    def routes(self) -> list[Route]:
        """Where."""
        return [
            Route("/login", self._page, methods=["GET"]),
            Route("/login", self._with_token, methods=["POST"]),
            Route(LINK, self._with_link, methods=["GET"]),
            Route("/logout", self._leave, methods=["POST"]),
            Route("/theme", self._look, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        return self._shown(request, _next(request.query_params))

    async def _with_token(self, request: Request) -> Response:
        form = dict(await form_of(request))
        secret, next_ = form.get("token", "").strip(), _next(form)
        try:
            made = await run_in_threadpool(self._begin, secret, request)
        except NotAllowedError as error:
            setattr(request.state, SIGN_IN_FAILED, True)
            await run_in_threadpool(self._site.sessions.refused, error, came_from(request))
            told = error.message if is_secret(secret) and error.kind != "not-signed-in" else _DOES_NOT_HOLD
            return self._shown(request, next_, told)
        await self._end_earlier(request)
        return _entered(request, made, next_)

    async def _with_link(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response()  # whoever only looks where the link leads does not use it up
        try:
            made = await run_in_threadpool(
                self._site.sessions.take, request.query_params.get("key", ""), came_from(request)
            )
        except NotAllowedError as error:
            if await run_in_threadpool(self._is_in, request):
                return RedirectResponse("/", 303, {"Cache-Control": "no-store"})
            setattr(request.state, SIGN_IN_FAILED, True)
            return self._shown(request, "/", error.message)
        await self._end_earlier(request)
        return _entered(request, made, "/")

    async def _leave(self, request: Request) -> Response:
        await form_of(request)
        await self._end_earlier(request)
        response = RedirectResponse("/login", 303, {"Cache-Control": "no-store", "Clear-Site-Data": '"cache"'})
        set_cookie(response, request, cookie_name(SESSION, is_secure=is_secure(request)), "", 0)
        return response

    async def _look(self, request: Request) -> Response:
        """Light or dark, for this browser."""
        theme = dict(await form_of(request)).get("theme", "")
        response = RedirectResponse("/settings", 303, {"Cache-Control": "no-store"})
        set_cookie(response, request, THEME, theme if theme in THEMES else "", _YEAR if theme in THEMES else 0)
        return response

    async def _end_earlier(self, request: Request) -> None:
        """The session that this browser had."""
        earlier = session_in(request.headers, is_secure=is_secure(request))
        await run_in_threadpool(self._site.sessions.end, earlier)

    def _is_in(self, request: Request) -> bool:
        try:
            self._site.principal_of(request)
        except NotAllowedError:
            return False
        return True

    def _begin(self, secret: str, request: Request) -> MadeToken:
        return self._site.sessions.begin(secret, came_from(request))

    def _shown(self, request: Request, next_: str, error: str = "") -> Response:
        token = Field(
            name="token", label="Token", kind="password", required=True, error=error, autocomplete="current-password"
        )
        fields = (token, Field(name="next", label="", kind="hidden", value=next_))
        html = self._site.renderer.bare(
            "login.html",
            self._site.clock.now(),
            theme=theme_in(request),
            provider=self._provider,
            next=next_,
            token_form=Form(action="/login", button="Log in", fields=fields),
        )
        return html_response(html, request, 401 if error else 200)


_DOES_NOT_HOLD = "This is no token that holds."


def _entered(request: Request, made: MadeToken, next_: str) -> Response:
    response = RedirectResponse(next_, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
    seconds = max(1.0, made.token.expires_at - made.token.created_at)
    set_cookie(response, request, cookie_name(SESSION, is_secure=is_secure(request)), made.secret, seconds)
    return response


def _next(given: Mapping[str, str]) -> str:
    """Where one wanted to go; the overview where that is elsewhere."""
    try:
        return check_next(given.get("next", "") or "/")
    except InputError:
        return "/"
