"""Log in with a browser, by the team's OpenID provider. No part of the API: these answer with redirects."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from forebay.errors import NotAllowedError, NotFoundError
from forebay.hub.access.log_ins import BEGUN_SECONDS
from forebay.hub.api.acting import came_from, door_of
from forebay.hub.api.cookies import LOG_IN, SESSION, check_next, cookie_name
from forebay.hub.api.rates import SIGN_IN_FAILED
from forebay.hub.door import CALLBACK, Door

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=4096)]


@router.get("/login/provider")
def log_in(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> RedirectResponse:
    """Go to the provider, and come back to a path of this hub."""
    door = _door(request)
    left = door.begin(check_next(next))
    response = RedirectResponse(left.address, 303, {"Cache-Control": "no-store"})
    _set(response, door, LOG_IN, left.browser, BEGUN_SECONDS)
    return response


@router.get(CALLBACK)
def come_back(request: Request, state: Text = "", code: Text = "") -> RedirectResponse:
    """Back from the provider: a session begins, or the log-in is refused."""
    door = _door(request)
    browser = request.cookies.get(cookie_name(LOG_IN, is_secure=door.is_secure), "")
    try:
        entered = door.enter(state, code, browser, came_from(request))
    except NotAllowedError:
        setattr(request.state, SIGN_IN_FAILED, True)
        raise
    response = RedirectResponse(entered.next, 303, {"Cache-Control": "no-store"})
    _set(response, door, SESSION, entered.secret, door.settings.session_seconds)
    _set(response, door, LOG_IN, "", 0)
    return response


def _door(request: Request) -> Door:
    door = door_of(request)
    if door is None:
        raise NotFoundError("no-log-in", "This hub knows no log-in by a provider.", todo="Use a token.")
    return door


def _set(response: Response, door: Door, name: str, value: str, seconds: float) -> None:
    response.set_cookie(
        cookie_name(name, is_secure=door.is_secure),
        value,
        max_age=int(seconds),
        path="/",
        secure=door.is_secure,
        httponly=True,
        samesite="lax",
    )
