"""What a browser asked: its address, the form that it sent, and whether a person will read the answer."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote

from starlette.requests import Request

from forebay.errors import InputError
from forebay.hub.api.cookies import check_same_site, own_origin
from forebay.wire.http import API


def address_of(request: Request) -> str:
    """The path with what is asked for."""
    path = quote(request.url.path, safe="/@:~!$&'()*+,;=")
    return f"{path}?{request.url.query}" if request.url.query else path


def for_people(request: Request) -> bool:
    """Whether an error is told as a page."""
    return not request.url.path.startswith(f"{API}/") and "text/html" in request.headers.get("accept", "")


async def form_of(request: Request) -> tuple[tuple[str, str], ...]:
    """The fields of a form that a page of this hub sent; NotAllowedError `cross-site`, InputError `bad-form`."""
    check_same_site(request.method, request.headers, own_origin(request))
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise InputError("bad-form", "This is no form of a page.")
    try:
        text = (await request.body()).decode("ascii")
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=5000, errors="strict")
    except ValueError:
        raise InputError("bad-form", "This form can't be read.") from None
    return tuple((name, value.replace("\r\n", "\n")) for name, value in found)
