"""The cookies of the hub, and when a browser's cookie is enough: never for a write that another site began. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request, cookie_parser

from forebay.errors import InputError, NotAllowedError

SESSION = "forebay_session"
LOG_IN = "forebay_login"

_HOST_ONLY = "__Host-"
_SAFE = {"GET", "HEAD"}
_OWN_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")


def cookie_name(name: str, *, is_secure: bool) -> str:
    """With TLS no other host of the domain, and nobody without TLS, can set a cookie of this name."""
    return _HOST_ONLY + name if is_secure else name


def session_in(headers: Mapping[str, str], *, is_secure: bool) -> str:
    """The session that a browser sent; "" for none. With TLS a cookie that another host could have set is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(SESSION, is_secure=is_secure), "")


def check_same_site(method: str, headers: Mapping[str, str], origin: str) -> None:
    """NotAllowedError `cross-site` for a write that a page of another site may have begun.

    Browsers say where a request comes from; one that says nothing is no browser, and has no business with its cookie.
    """
    if method in _SAFE:
        return
    site, came_from = headers.get("sec-fetch-site"), headers.get("origin")
    if site in (None, "same-origin") and came_from in (None, origin) and (site or came_from):
        return
    raise NotAllowedError(
        "cross-site",
        "A session's cookie is enough for writes from the hub's own pages alone.",
        todo="Programs send a token: Authorization: Bearer ...",
    )


def own_origin(request: Request) -> str:
    """Where people reach this hub: as it is set, or else as the request names it.

    By its own name a hub that knows none can't tell whether a proxy in front of it speaks TLS: for that it takes the
    browser's word, whose host must be the same.
    """
    known = known_origin(request)
    if known:
        return known
    scheme = urlsplit(request.headers.get("origin", "")).scheme or request.url.scheme
    return f"{scheme}://{request.headers.get('host', '')}"


def known_origin(request: Request) -> str:
    """As it is set, "" where it is not."""
    door, site = request.app.state.door, request.app.state.site
    return str((site and site.origin) or (door and door.origin) or "")


def is_secure(request: Request) -> bool:
    """Whether browsers reach this hub by TLS alone."""
    return (known_origin(request) or f"{request.url.scheme}://").startswith("https://")


def check_next(path: str) -> str:
    """The path itself where it stays on this hub; InputError `bad-next`."""
    if len(path) > 1000 or _OWN_PATH.fullmatch(path) is None:
        raise InputError("bad-next", "After a log-in one goes on at a path of this hub.", todo="Write next=/path.")
    return path
