"""Server-sent events: a stream that goes on until it has nothing more to tell, its reader leaves, or the hub stops."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import anyio
from fastapi import Request
from sse_starlette import EventSourceResponse

_PING_SECONDS = 15
# Less than the server gives requests at its end: a stream shall be whole, not cut.
_LAST_WORDS_SECONDS = 5

Told = AsyncIterator[Mapping[str, str]]


class Ending:
    """Whether a stream shall end, and a pause that ends with it."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self.stopping = anyio.Event()
        self._is_stopping = is_stopping

    @property
    def is_over(self) -> bool:
        return self.stopping.is_set() or self._is_stopping()

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with anyio.move_on_after(seconds):
            await self.stopping.wait()


def stream_of(request: Request, tell: Callable[[Ending], Told]) -> EventSourceResponse:
    """The events that `tell` gives, as an answer."""
    ending = Ending(request.app.state.is_stopping)
    return EventSourceResponse(
        tell(ending),
        ping=_PING_SECONDS,
        shutdown_event=ending.stopping,
        shutdown_grace_period=_LAST_WORDS_SECONDS,
    )


def event(name: str, data: Any, event_id: str = "") -> Mapping[str, str]:
    """One event."""
    told = {"event": name, "data": json.dumps(data)}
    return {**told, "id": event_id} if event_id else told


def described(events: str) -> dict[int | str, dict[str, Any]]:
    """What the API's description says of a stream."""
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return {200: {"content": content, "description": events}}
