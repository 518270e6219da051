"""Bounds on what a request may send: so many bytes, and not too slowly. ASGI, before anything is read or parsed."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forebay.catalog.archive import BUNDLE_BYTES
from forebay.errors import InputError, UnavailableError
from forebay.hub.api.errors import refusal
from forebay.settings import Frequency
from forebay.wire.http import API
from forebay.wire.runs import KEEPSAKE_BYTES

_UPLOAD = re.compile(rf"{API}/(manifests|seals|manifests/[0-9a-f]+/recipe)/?")
_KEEPSAKE = re.compile(rf"{API}/runs/[^/]+/keepsakes/[^/]+/[^/]+")
_BUNDLE = re.compile(rf"{API}/bundles/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a request may send, how long it may be silent while it does, and how often requests may come.

    Without a frequency they may come as often as they like.
    """

    body_bytes: int = 8 << 20
    upload_bytes: int = 1 << 30
    bundle_bytes: int = BUNDLE_BYTES + (1 << 20)
    keepsake_bytes: int = KEEPSAKE_BYTES + (1 << 20)
    silent_seconds: float = 30.0
    token_rate: Frequency | None = None
    address_rate: Frequency | None = None
    failed_sign_ins: Frequency | None = None

    def most_at(self, path: str) -> int:
        """The most that a request to there may send.

        Of a code bundle or a keepsake a little more than is kept, which is told so.
        """
        if _BUNDLE.fullmatch(path):
            return self.bundle_bytes
        if _KEEPSAKE.fullmatch(path):
            return self.keepsake_bytes
        return self.upload_bytes if _UPLOAD.fullmatch(path) else self.body_bytes


class Bounded:
    """Refuses bodies that are too large (413) or don't come (408)."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limits.most_at(scope["path"])
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > most:
            response = refusal(_too_large(most), scope)
            await response(scope, receive, send)
            return
        await self._app(scope, _Body(receive, most, self._limits.silent_seconds).receive, send)


class _Body:
    def __init__(self, receive: Receive, most: int, silent_seconds: float) -> None:
        self._receive = receive
        self._most = most
        self._silent_seconds = silent_seconds
        self._got = 0
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:
            # What comes now is only that the client has gone.
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._silent_seconds)
        except TimeoutError:
            raise UnavailableError(
                "request-timeout", f"Nothing of the request's body came for {self._silent_seconds:.0f} s."
            ) from None
        self._got += len(message.get("body", b""))
        if self._got > self._most:
            raise _too_large(self._most)
        self._is_whole = not message.get("more_body", False)
        return message


def _too_large(most: int) -> InputError:
    return InputError(
        "body-too-large",
        f"The request's body has more than {most} bytes.",
        todo="Send less, or raise hub_upload_limit where the hub runs.",
    )
