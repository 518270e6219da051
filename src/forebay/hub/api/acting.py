"""Who asks: the bearer token of a request becomes the hub through which everything it wants is done."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from forebay.hub.access.trail import Request as CameFrom
from forebay.wire.hub import Hub

HubFor = Callable[[str | None, CameFrom], Hub]
"""The hub that a token's bearer may act through, for a request from there; NotAllowedError `not-signed-in`."""

_bearer = HTTPBearer(auto_error=False, description="The token that `forebay hub serve` told, or one made for you.")


def acting(request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Hub:
    """The hub for whoever sent this request."""
    return hub_for(request)(None if sent is None else sent.credentials, came_from(request))


Acting = Annotated[Hub, Depends(acting)]


def hub_for(request: Request) -> HubFor:
    """How the served hub tells its callers apart."""
    found: HubFor = request.app.state.hub_for
    return found


def came_from(request: Request) -> CameFrom:
    """What the audit keeps of a request."""
    source = "" if request.client is None else request.client.host
    return CameFrom(source=source, request_id=request.state.request_id)


def token_of(request: Request) -> str | None:
    """The bearer token that came with a request."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def caller_of(request: Request) -> str:
    """Tells one token's bearer from another's, and nobody the token."""
    return hashlib.sha256((token_of(request) or "").encode()).hexdigest()
