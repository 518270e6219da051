"""Who asks: a request's bearer token, or its browser's session, becomes the hub through which all it wants is done."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from forebay.catalog.engine import joining
from forebay.errors import NotAllowedError
from forebay.hub.access.trail import Request as CameFrom
from forebay.hub.api.cookies import check_same_site, is_secure, own_origin, session_in
from forebay.hub.api.rates import SIGN_IN_FAILED, SIGNED_IN
from forebay.hub.door import Door
from forebay.hub.watched import WatchedHub
from forebay.wire.access import Access


class TeamHub(WatchedHub, Protocol):
    """A hub that also knows who may do what on it."""

    @property
    def access(self) -> Access: ...


Result = TypeVar("Result")
HubFor = Callable[[str | None, CameFrom], TeamHub]
"""The hub that a token's bearer may act through, for a request from there; NotAllowedError `not-signed-in`."""

_bearer = HTTPBearer(auto_error=False, description="The token that `forebay hub serve` told, or one made for you.")


_Sent = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def acting(request: Request, _sent: _Sent) -> TeamHub:
    """The hub for whoever sent this request."""
    token = token_of(request)
    try:
        hub = hub_for(request)(token, came_from(request))
    except NotAllowedError:
        setattr(request.state, SIGN_IN_FAILED, token is not None)
        raise
    setattr(request.state, SIGNED_IN, True)
    return hub


Acting = Annotated[TeamHub, Depends(acting)]


class Asker:
    """Who sent a request, for what comes often: one thread looks at the token, decides, does it and writes it down.

    Routes that use it are async and wait for that thread: of one that is not, FastAPI hands each answer to a second
    thread, only to look at it.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self.caller = caller_of(request)

    async def does(self, act: Callable[[TeamHub], Result], *, to_write: bool = False) -> Result:
        """What `act` gives for the hub as they may use it, in few transactions (`joining`).

        Each time the token is looked at anew; NotAllowedError `not-signed-in`.
        """

        def done() -> Result:
            with joining(to_write=to_write):
                return act(self._hub())

        return await run_in_threadpool(done)

    async def sign_in(self) -> None:
        """NotAllowedError `not-signed-in`."""
        await self.does(lambda hub: known_callers(self._request).add(self.caller))

    def _hub(self) -> TeamHub:
        try:
            return acting(self._request, None)
        except NotAllowedError:
            known_callers(self._request).forget(self.caller)
            raise


async def asking(request: Request, _sent: _Sent) -> Asker:
    """Whoever was never let in is refused before anything else of the request is looked at."""
    asker = Asker(request)
    if asker.caller not in known_callers(request):
        await asker.sign_in()
    return asker


Asking = Annotated[Asker, Depends(asking)]
"""For routes that come often. Nothing is done for them but by `does`."""


class KnownCallers:
    """Whose token held when it was looked at last. Decides nothing but the order in which a request is looked at."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._callers: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, caller: str) -> bool:
        return caller in self._callers

    def add(self, caller: str) -> None:
        self._callers[caller] = None
        if len(self._callers) > self._most:
            self._callers.popitem(last=False)

    def forget(self, caller: str) -> None:
        self._callers.pop(caller, None)


def known_callers(request: Request) -> KnownCallers:
    """Those of this application."""
    found: KnownCallers = request.app.state.known_callers
    return found


def hub_for(request: Request) -> HubFor:
    """How the served hub tells its callers apart."""
    found: HubFor = request.app.state.hub_for
    return found


def came_from(request: Request) -> CameFrom:
    """What the audit keeps of a request."""
    source = "" if request.client is None else request.client.host
    return CameFrom(source=source, request_id=request.state.request_id)


def door_of(request: Request) -> Door | None:
    """Where people with a browser log in, if this hub has such a door."""
    found: Door | None = request.app.state.door
    return found


def token_of(request: Request) -> str | None:
    """The bearer token that came with a request, or the session of a browser that may use it for this.

    NotAllowedError `cross-site`.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return token.strip() if scheme.lower() == "bearer" else None
    state = request.app.state
    session = session_in(request.headers, is_secure=is_secure(request)) if state.door or state.site else ""
    if not session:
        return None
    check_same_site(request.method, request.headers, own_origin(request))
    return session


def caller_of(request: Request) -> str:
    """Tells one token's bearer from another's, and nobody the token."""
    return hashlib.sha256((token_of(request) or "").encode()).hexdigest()
