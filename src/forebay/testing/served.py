"""Hubs behind one real HTTP server in a thread of this process: making an application for each would take too long.

Each hub has a token of its own, by which the server tells them apart; a hub's clock and terms stay the test's.
"""

from __future__ import annotations

import hashlib
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from forebay.catalog.engine import reading
from forebay.client.remote.hub import RemoteHub
from forebay.clock import Clock
from forebay.errors import NotAllowedError
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.answers import Answer, AnswerStore, Key
from forebay.hub.api.acting import TeamHub
from forebay.hub.api.app import CheckLake, create_app
from forebay.hub.api.limits import Limits
from forebay.hub.local import LocalHub
from forebay.hub.serve import guarded_by

_START_SECONDS = 30.0


class OpenHub:
    """A hub without a guard in front, with its users: implements `hub.api.acting.TeamHub`."""

    def __init__(self, hub: LocalHub, access: AccessStore) -> None:
        self.owner = hub.owner
        self.catalog, self.volumes, self.fills = hub.catalog, hub.volumes, hub.fills
        self.leases, self.replicas, self.links = hub.leases, hub.replicas, hub.links
        self.sites, self.downtimes, self.rules = hub.sites, hub.downtimes, hub.rules
        self.runs, self.revisions = hub.runs, hub.revisions
        self.retention, self.previews = hub.retention, hub.previews
        self.access = access

    def close(self) -> None:
        """Whoever opened the hub closes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lent:
    hub: LocalHub
    access: AccessStore
    answers: AnswerStore
    guarded: bool = False


class _Server(uvicorn.Server):
    """In a thread that no signal reaches."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


class ServedApp:
    """An application behind a real HTTP server; a context manager. `make` gets what tells whether the server stops."""

    def __init__(self, make: Callable[[Callable[[], bool]], FastAPI], port: int = 0) -> None:
        # As `hub.serve` says it: else each answer waits for its own beginning.
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port))
        app = make(lambda: self._server.should_exit)
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

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


class ServedHubs(ServedApp):
    """A context manager. `lend` gives a hub to whoever has the token that it returns.

    Tests have their lakes on this machine: here all are allowed, unless told otherwise.
    """

    def __init__(self, limits: Limits | None = None, check_lake: CheckLake = bool) -> None:
        self._lent: dict[str, _Lent] = {}
        answers = _AnswersByCaller(self._lent)
        super().__init__(
            lambda is_stopping: create_app(
                self._hub_for,
                answers=answers,
                check=self._check,
                limits=limits,
                check_lake=check_lake,
                is_stopping=is_stopping,
            )
        )

    def lend(self, hub: LocalHub, clock: Clock) -> str:
        """The token with which this hub is reached."""
        token = uuid.uuid4().hex
        self._lent[token] = _lent(hub, clock)
        return token

    def admit(self, hub: LocalHub, clock: Clock, secret: str) -> None:
        """Let the hub itself decide what the bearer of one of its own tokens may do."""
        self._lent[secret] = replace(_lent(hub, clock), guarded=True)

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

    def _hub_for(self, token: str | None, request: Request) -> TeamHub:
        if token not in self._lent:
            raise _not_signed_in()
        lent = self._lent[token]
        if lent.guarded:
            return guarded_by(lent.access, lent.hub)(token, request)
        return OpenHub(lent.hub, lent.access)

    def _check(self) -> None:
        for lent in list(self._lent.values()):
            with reading(lent.hub.engine) as connection:
                connection.execute(sa.text("SELECT 1"))


def _lent(hub: LocalHub, clock: Clock) -> _Lent:
    return _Lent(hub=hub, access=AccessStore(hub.engine, clock), answers=AnswerStore(hub.engine, clock))


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
