"""Responses of pages: their headers, compression and cookies. What a page may load and do is fixed here (CSP)."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from forebay.hub.api.cookies import is_secure
from forebay.hub.web.assets import Asset
from forebay.hub.web.page import Raw

NOTICE: Final = "forebay_notice"
THEME: Final = "forebay_theme"
THEMES: Final = ("light", "dark")

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_PRIVATE: Final = {"Cache-Control": "no-store"}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_WORTH_IT = 1000
_LEVEL = 5


def html_response(html: str, request: Request, status: int = 200) -> Response:
    """A page, or a fragment of one."""
    headers = {**_ALWAYS, **_PRIVATE, "Content-Security-Policy": POLICY, "X-Frame-Options": "DENY"}
    content = html.encode("utf-8", "replace")
    return _compressed(content, request, status, headers, "text/html; charset=utf-8")


def raw_response(raw: Raw, request: Request) -> Response:
    """Bytes, of which nothing is trusted."""
    ancestors = "'self'" if raw.framed else "'none'"
    headers = {**_ALWAYS, **_PRIVATE, "Content-Security-Policy": f"{raw.policy}; frame-ancestors {ancestors}"}
    if raw.filename:
        plain = "".join(
            letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "_" for letter in raw.filename
        )
        headers["Content-Disposition"] = (
            f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(raw.filename, safe='')}"
        )
    return _compressed(raw.content, request, raw.status, {**headers, **raw.headers}, raw.media_type)


def asset_response(asset: Asset, request: Request) -> Response:
    """A file of this package, which never changes under its name."""
    headers = {**_ALWAYS, **_FOR_EVER, "Vary": "Accept-Encoding"}
    if _takes_gzip(request):
        return Response(asset.compressed, 200, {**headers, "Content-Encoding": "gzip"}, asset.media_type)
    return Response(asset.content, 200, headers, asset.media_type)


def set_cookie(
    response: Response, request: Request, name: str, value: str, seconds: float, *, same_site_strict: bool = False
) -> None:
    """A cookie that no script sees; for 0 seconds it goes."""
    response.set_cookie(
        name,
        value,
        max_age=int(seconds),
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="strict" if same_site_strict else "lax",
    )


def theme_in(request: Request) -> str:
    """ "light", "dark", or "" for the system's."""
    theme = request.cookies.get(THEME, "")
    return theme if theme in THEMES else ""


def notice_in(request: Request) -> str:
    """What is to be shown this once."""
    return unquote(request.cookies.get(NOTICE, ""))[:500]


def _compressed(content: bytes, request: Request, status: int, headers: Mapping[str, str], media_type: str) -> Response:
    told = {**headers, "Vary": "Accept-Encoding"}
    if len(content) >= _WORTH_IT and _takes_gzip(request):
        return Response(
            gzip.compress(content, _LEVEL, mtime=0), status, {**told, "Content-Encoding": "gzip"}, media_type
        )
    return Response(content, status, told, media_type)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
