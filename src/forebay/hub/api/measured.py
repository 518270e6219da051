"""Counts and times requests by the route that took them, and lets a Prometheus read the numbers. ASGI, the outermost.

A route is told as its template, and what is no route as `none`: no name out of a path ever becomes a label.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forebay.hub.access.trail import Request as CameFrom
from forebay.hub.api.acting import came_from, token_of
from forebay.wire.http import API

router = APIRouter(include_in_schema=False)

NO_ROUTE = "none"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics(Protocol):
    """What is counted here, and told to whoever may read it."""

    def under_way(self) -> AbstractContextManager[object]:
        """For the time of a request."""

    def answered(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """A request has ended; `seconds` until its answer began, None where none did."""

    def told_to(self, token: str | None, request: CameFrom) -> tuple[bytes, str]:
        """The text and its content type; NotAllowedError for whoever may not read it."""


class Measured:
    """Counts and times."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status, seconds = 500, None

        async def tell(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.perf_counter() - began
            await send(message)

        try:
            with self._metrics.under_way():
                await self._app(scope, receive, tell)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.answered(_template(scope), method, status, seconds)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """The numbers, for the metrics token or an admin's."""
    told: Metrics = request.app.state.metrics
    text, kind = told.told_to(token_of(request), came_from(request))
    return Response(text, media_type=kind)


def _template(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return NO_ROUTE
    # Of a route that was included FastAPI tells its own part alone, or the whole: that changed from release to release.
    return f"{API}{path.removeprefix(API)}" if scope["path"].startswith(f"{API}/") else str(path)
