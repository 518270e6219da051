"""Serves a hub over HTTP until it is told to stop: a signal ends it in good order, with what is under way answered.

Streams end at once, requests get some seconds. A hub that others than this machine can reach must speak TLS, or be told
that something in front of it does.
"""

from __future__ import annotations

import gc
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import sqlalchemy as sa
import uvicorn
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from forebay.catalog.engine import reading
from forebay.clock import Clock
from forebay.errors import InputError, UnavailableError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.answers import AnswerStore
from forebay.hub.api.acting import HubFor, TeamHub
from forebay.hub.api.app import CheckLake, create_app
from forebay.hub.api.limits import Limits
from forebay.hub.api.measured import Metrics
from forebay.hub.door import Door
from forebay.hub.local import LocalHub
from forebay.hub.web.site import Site
from forebay.loopback import is_loopback

_GARBAGE_AFTER = 10_000
_THREADS = 4
"""Requests that are worked on at once. One interpreter runs one of them at a time; more threads only wait for it, and
each for longer: with 1,000 agents the slowest hundredth took twice as long with 40.
"""
_GRACE_SECONDS = 10
_IDLE_SECONDS = 60
"""Longer than agents are silent: else each beat would need a connection of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a hub listens; port 0 is any free one. `certificate` and `key` are files in PEM."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False

    @property
    def scheme(self) -> str:
        return "http" if self.certificate is None else "https"

    def check(self) -> None:
        """InputError `bad-certificate`; `insecure-host` when tokens would cross a network in the clear."""
        if self.certificate is not None or self.key is not None:
            self._check_files()
        if self.certificate is None and not self.insecure and not is_loopback(self.host):
            raise InputError(
                "insecure-host",
                f"On {self.host} others can reach the hub, and without TLS read its tokens.",
                todo="Give --tls-cert and --tls-key; or --insecure, where a proxy in front of it speaks TLS.",
            )

    def _check_files(self) -> None:
        try:
            if self.certificate is None:
                raise FileNotFoundError("there is a key and no certificate")
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.certificate, self.key)
        except OSError as error:
            raise InputError(
                "bad-certificate",
                f"The certificate {self.certificate} with the key {self.key} can't be used: {error}.",
                todo="Give both as PEM files that belong together: --tls-cert FILE --tls-key FILE",
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """What a served hub may have besides: metrics, lakes that it takes (None: public ones), log-in by a provider, and
    pages."""

    metrics: Metrics | None = None
    check_lake: CheckLake | None = None
    door: Door | None = None
    site: Site | None = None


def serve(
    hub: LocalHub,
    hub_for: HubFor,
    address: Address,
    clock: Clock,
    limits: Limits,
    on_started: Callable[[str], object],
    more: More | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. `on_started` gets the hub's URL once it answers.

    InputError `insecure-host`; UnavailableError `cannot-listen`.
    """
    address.check()
    with listening(address) as listener, hub.scheduler.running():
        server = HubServer(make_app(hub, hub_for, clock, limits, lambda: server.should_exit, more), address)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        server.on_started = lambda: on_started(f"{address.scheme}://{shown}:{port}")
        _keep_what_is_loaded()
        server.run(sockets=[listener])


def _keep_what_is_loaded() -> None:
    """It is needed to the end: to look through all of it for garbage, again and again, would hold up pages."""
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER)


def guarded_by(access: AccessStore, hub: LocalHub) -> HubFor:
    """The hub as whoever a token speaks for may use it."""

    def hub_for(token: str | None, request: Request) -> TeamHub:
        return Guarded(hub, access, access.principal_of(token, request), request)

    return hub_for


def make_app(
    hub: LocalHub,
    hub_for: HubFor,
    clock: Clock,
    limits: Limits,
    is_stopping: Callable[[], bool],
    more: More | None = None,
) -> FastAPI:
    """The API of a hub on its database."""

    def check() -> None:
        with reading(hub.engine) as connection:
            connection.execute(sa.text("SELECT 1"))

    answers = AnswerStore(hub.engine, clock)
    more = more or More()
    return create_app(
        hub_for,
        answers=answers,
        check=check,
        limits=limits,
        check_lake=more.check_lake,
        door=more.door,
        is_stopping=is_stopping,
        metrics=more.metrics,
        site=more.site,
    )


class HubServer(uvicorn.Server):
    """Uvicorn, which here ends at a signal without raising it again, and says when it answers."""

    on_started: Callable[[], object] = staticmethod(bool)

    def __init__(self, app: FastAPI, address: Address) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                ssl_certfile=address.certificate,
                ssl_keyfile=address.key,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                timeout_keep_alive=_IDLE_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        current_default_thread_limiter().total_tokens = _THREADS
        if self.started:
            self.on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before: dict[int, Any] = {}

        def stop(number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)

        for stopping in (signal.SIGINT, signal.SIGTERM):
            before[stopping] = signal.signal(stopping, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """A socket that takes connections there, whose answers leave at once. UnavailableError `cannot-listen`."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # Said out loud, or asyncio does not know that it is TCP: answers would wait for 40 ms for their own beginning.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise UnavailableError(
            "cannot-listen",
            f"cannot listen on {address.host}:{address.port}: {error.strerror}",
            todo="Is another hub running there? Choose another --port.",
        ) from error
    with listener:
        yield listener
