"""How often somebody may ask: by token and by address; and how often an address may fail to sign in. ASGI.

Each process counts for itself, in memory: of several hubs behind one address each lets as many through. Who has signed
in here lately is not shut out because somebody else at the same address fails to.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forebay.errors import UnavailableError
from forebay.hub.api.cookies import session_in
from forebay.hub.api.errors import refusal
from forebay.hub.api.limits import Limits
from forebay.hub.api.window import Window
from forebay.settings import Frequency

SIGNED_IN = "signed_in"
"""In a request's state: its credential held."""

SIGN_IN_FAILED = "sign_in_failed"
"""In a request's state: it tried to sign in, and did not."""

_KNOWN = 10_000
_UNCOUNTED = ("/static/", "/healthz", "/readyz", "/metrics")


class Paced:
    """Refuses what comes too often (429), and says when to come again."""

    def __init__(self, app: ASGIApp, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self._tokens = _window(limits.token_rate)
        self._addresses = _window(limits.address_rate)
        self._failures = _window(limits.failed_sign_ins)
        self._known: OrderedDict[str, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNCOUNTED):
            await self._app(scope, receive, send)
            return
        address, credential = _network(scope), _credential(scope)
        refused = self._refused(address, credential, scope["path"])
        if refused is not None:
            error, seconds = refused
            response = refusal(error, scope)
            response.headers["Retry-After"] = str(seconds)
            await response(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope["state"], address, credential)
            await send(message)

        await self._app(scope, receive, tell)

    def _refused(self, address: str, credential: str, path: str) -> tuple[UnavailableError, int] | None:
        now = self._clock()
        if not self._addresses.take(address, now):
            return _too_many("Too many requests come from this address.", self._addresses.seconds_left(address, now))
        if credential and not self._tokens.take(credential, now):
            return _too_many("Too many requests come with this token.", self._tokens.seconds_left(credential, now))
        tries = credential not in self._known if credential else path.startswith("/login")
        if tries and not self._failures.has_room(address, now):
            seconds = self._failures.seconds_left(address, now)
            told = f"Too many tries to sign in have failed from this address: try again in {seconds} s."
            return UnavailableError("too-many-failed-sign-ins", told, todo="Check the token."), seconds
        return None

    def _note(self, state: dict[str, object], address: str, credential: str) -> None:
        if state.get(SIGN_IN_FAILED):
            self._failures.take(address, self._clock())
        elif credential and state.get(SIGNED_IN):
            self._known[credential] = None
            self._known.move_to_end(credential)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)


def _window(frequency: Frequency | None) -> Window:
    return Window(0, 1) if frequency is None else Window(frequency.count, frequency.seconds)


def _network(scope: Scope) -> str:
    """Where a request comes from; of IPv6 the network, since whoever has one address has 2**64."""
    host = str(scope["client"][0]) if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host


def _credential(scope: Scope) -> str:
    """Tells one token from another, and nobody the token."""
    headers = Headers(scope=scope)
    sessions = (session_in(headers, is_secure=is_secure) for is_secure in (True, False))
    shown = headers.get("Authorization", "") or next(filter(None, sessions), "")
    return hashlib.sha256(shown.encode()).hexdigest() if shown else ""


def _too_many(what: str, seconds: int) -> tuple[UnavailableError, int]:
    return UnavailableError("too-many-requests", what, todo=f"Try again in {seconds} s, and less often."), seconds
