"""Hubs behind one real HTTP server in a thread of this process: making an application for each would take too long.

Each hub has a token of its own, by which the server tells them apart; a hub's clock and terms stay the test's.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
import uvicorn

from forebay.catalog.engine import reading
from forebay.client.remote.hub import RemoteHub
from forebay.clock import Clock
from forebay.errors import NotAllowedError
from forebay.hub.access.trail import Request
from forebay.hub.answers import Answer, AnswerStore, Key
from forebay.hub.api.app import create_app
from forebay.hub.api.limits import Limits
from forebay.hub.local import LocalHub
from forebay.wire.hub import Hub

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lent:
    hub: LocalHub
    answers: AnswerStore


class _Server(uvicorn.Server):
    """In a thread that no signal reaches."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


class ServedHubs:
    """A context manager. `lend` gives a hub to whoever has the token that it returns."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._lent: dict[str, _Lent] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        app = create_app(
            self._hub_for,
            answers=_AnswersByCaller(self._lent),
            check=self._check,
            limits=limits,
            is_stopping=self._is_stopping,
        )
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lend(self, hub: LocalHub, clock: Clock) -> str:
        """The token with which this hub is reached."""
        token = uuid.uuid4().hex
        self._lent[token] = _Lent(hub=hub, answers=AnswerStore(hub.engine, clock))
        return token

    def take_back(self, token: str) -> None:
        """Nobody reaches that hub any more."""
        del self._lent[token]

    @contextmanager
    def client_of(self, hub: LocalHub, clock: Clock, folder: Path) -> Iterator[RemoteHub]:
        """A client that reaches the hub over HTTP, and keeps its files in the folder."""
        token = self.lend(hub, clock)
        remote = RemoteHub(self.url, token, folder)
        try:
            yield remote
        finally:
            remote.close()
            self.take_back(token)

    def answers_of(self, token: str) -> AnswerStore:
        """The answers that are kept for that hub's callers."""
        return self._lent[token].answers

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._server.is_up.wait(_START_SECONDS):
            raise TimeoutError("the server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_START_SECONDS)
        self._listener.close()

    def _hub_for(self, token: str | None, _request: Request) -> Hub:
        if token not in self._lent:
            raise _not_signed_in()
        return self._lent[token].hub

    def _check(self) -> None:
        for lent in list(self._lent.values()):
            with reading(lent.hub.engine) as connection:
                connection.execute(sa.text("SELECT 1"))

    def _is_stopping(self) -> bool:
        return self._server.should_exit


class _AnswersByCaller:
    """Each hub keeps its own callers' answers."""

    def __init__(self, lent: Mapping[str, _Lent]) -> None:
        self._lent = lent

    def begin(self, key: Key, asked: str) -> Answer | None:
        return self._of(key).begin(key, asked)

    def keep(self, key: Key, answer: Answer) -> None:
        self._of(key).keep(key, answer)

    def forget(self, key: Key) -> None:
        self._of(key).forget(key)

    def _of(self, key: Key) -> AnswerStore:
        found = (lent.answers for token, lent in self._lent.items() if _digest(token) == key.caller)
        store = next(found, None)
        if store is None:
            raise _not_signed_in()
        return store


def _not_signed_in() -> NotAllowedError:
    return NotAllowedError("not-signed-in", "The hub wants a token, and this is none of its.")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
