"""One hub's address, its connections, and the one way to ask it: errors come out as they went in at the other end.

Whatever is asked may be asked again when the answer was lost: a read, a write that is the same done twice, or one that
carries an idempotency key, the same over all tries, as is the id under which the hub's log has them. A hub that was
never reached is given up soon; one that was there is waited for, since it may be starting again. Threads may share a
connection; a forked child gets sockets of its own.
"""

from __future__ import annotations

import json
import os
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from forebay import __version__
from forebay.catalog.names import check_dataset_name
from forebay.errors import ForebayError, InputError, UnavailableError
from forebay.lake.backoff import Attempts, Backoff, Patience
from forebay.wire.codec import from_json, to_json
from forebay.wire.http import API, IDEMPOTENCY_KEY, LONGEST_WAIT_S, PARQUET, REQUEST_ID, error_from_json

FIRST = Patience(backoff=Backoff(attempts=3, base_s=0.1, cap_s=1.0, total_s=3.0))
"""For a hub that this process has not reached yet."""

LATER = Patience(backoff=Backoff(attempts=20, base_s=0.1, cap_s=3.0, total_s=40.0))
"""For one that it has."""

BEAT = Patience(backoff=Backoff(attempts=2, base_s=0.0, cap_s=0.0, total_s=10.0))
"""For what comes again by itself soon: only a connection that was lost since the last time is made anew."""

MOST_ON_A_PAGE = 1000
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 60.0
_CONNECTIONS = 64
_COPY_BYTES = 1 << 20
_PASSING = {429, 502, 503, 504}
_TOO_MANY = 429

Message = TypeVar("Message")
Query = Mapping[str, str | int | float | list[str] | None]


def at(*parts: str | int) -> str:
    """An address of these parts under the API. InputError `bad-name` for what can't be part of one."""
    return "/".join([API, *(_segment(str(part)) for part in parts)])


def of_dataset(name: str, *parts: str | int) -> str:
    """An address under a dataset's; InputError `bad-name`."""
    return at("datasets", check_dataset_name(name), *parts)


def _segment(text: str) -> str:
    if not text or "/" in text or not text.strip("."):
        raise InputError("bad-name", f"{text!r} cannot be a name.")
    return quote(text, safe="@")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    items: Any
    next: str | None


class Connection:
    """How one hub is asked. `token` goes out with every request and into nothing else."""

    def __init__(self, url: str, token: str, *, first: Patience = FIRST, later: Patience = LATER) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._first = first
        self._later = later
        self._was_reached = False
        # By process, and without a lock: a fork may come while another thread holds it.
        self._clients: dict[int, httpx2.Client] = {}

    def get(
        self, kind: type[Message], path: str, query: Query | None = None, *, patience: Patience | None = None
    ) -> Message:
        """What is at an address."""
        return self._read(kind, self._ask("GET", path, query=query, patience=patience))

    def wait(
        self, kind: type[Message], path: str, query: Query, wait_s: float, is_news: Callable[[Message], bool]
    ) -> Message:
        """What is at an address as soon as it is news, or else when `wait_s` are over.

        The hub holds each question back for a while, which comes on top of the time that it may take for an answer.
        """
        until_s = time.monotonic() + wait_s
        while True:
            left_s = min(LONGEST_WAIT_S, max(0.0, until_s - time.monotonic()))
            response = self._ask("GET", path, query={**query, "wait_s": left_s}, held_s=left_s)
            found = self._read(kind, response)
            if is_news(found) or time.monotonic() >= until_s:
                return found

    def pages(self, kind: type[Message], path: str, query: Query | None = None, *, most: int = 0) -> list[Message]:
        """All items of a list, or its first `most`, page by page."""
        found: list[Message] = []
        cursor: str | None = None
        while True:
            limit = min(MOST_ON_A_PAGE, most - len(found)) if most else MOST_ON_A_PAGE
            page = self.get(_Page, path, {**(query or {}), "limit": limit, "cursor": cursor})
            found += self._convert(list[kind], page.items)  # type: ignore[valid-type]
            cursor = page.next
            if cursor is None or len(found) == most:
                return found

    def write(
        self,
        kind: type[Message],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Query | None = None,
        once: bool = False,
        patience: Patience | None = None,
    ) -> Message:
        """A write and what it is answered; `once` where doing it twice is not the same as doing it once."""
        headers = {IDEMPOTENCY_KEY: uuid.uuid4().hex} if once else {}
        return self._read(kind, self._ask(method, path, query=query, body=body, headers=headers, patience=patience))

    def do(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Query | None = None,
        once: bool = False,
        patience: Patience | None = None,
    ) -> None:
        """A write that has no answer but that it is done."""
        headers = {IDEMPOTENCY_KEY: uuid.uuid4().hex} if once else {}
        self._ask(method, path, query=query, body=body, headers=headers, patience=patience)

    def upload(
        self,
        kind: type[Message],
        method: str,
        path: str,
        file: Path,
        *,
        query: Query | None = None,
        content_type: str = PARQUET,
    ) -> Message:
        """Send a file; what that is answered."""
        response = self._ask(method, path, query=query, file=file, headers={"Content-Type": content_type})
        return self._convert(kind, self._json(response) if response.content else None)

    def download(self, path: str, target: Path) -> None:
        """Bring a file."""

        def receive(response: httpx2.Response) -> None:
            with target.open("wb") as file:
                for chunk in response.iter_bytes(_COPY_BYTES):
                    file.write(chunk)

        self._ask("GET", path, receive=receive)

    def close(self) -> None:
        """Give this process's connections back; another request opens new ones."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _ask(
        self,
        method: str,
        path: str,
        *,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx2.Response:
        attempts = Attempts(patience or (self._later if self._was_reached else self._first))
        headers = {REQUEST_ID: uuid.uuid4().hex, **(headers or {})}
        while True:
            try:
                response = self._try(method, path, headers=headers, **more)
            except httpx2.TransportError as error:
                if not attempts.wait(throttled=False):
                    raise self._away(error) from error
                continue
            self._was_reached = True
            if response.is_success:
                return response
            told = self._told(response)
            if not _is_passing(response, told) or not attempts.wait(throttled=False, least_s=_asked_s(response)):
                raise told

    def _try(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        file: Path | None = None,
        receive: Any = None,
        held_s: float = 0.0,
    ) -> httpx2.Response:
        """One try. A file is opened anew for each."""
        sent: dict[str, Any] = {"headers": dict(headers or {})}
        if held_s:
            sent["timeout"] = _timeout(held_s)
        if query is not None:
            sent["params"] = {name: value for name, value in query.items() if value is not None}
        if body is not None:
            sent["headers"]["Content-Type"] = "application/json"
            sent["content"] = _encoded(body)
        with _opened(file) as content:
            if content is not None:
                sent["content"] = content
            with self._client().stream(method, self.url + path, **sent) as response:
                if receive is not None and response.is_success:
                    receive(response)
                else:
                    response.read()
                return response

    def _client(self) -> httpx2.Client:
        client = self._clients.get(os.getpid())
        if client is not None:
            return client
        made = httpx2.Client(
            headers=self._headers(),
            timeout=_timeout(),
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            verify=_trusted(self.url),
        )
        client = self._clients.setdefault(os.getpid(), made)
        if client is not made:
            made.close()
        return client

    def _headers(self) -> dict[str, str]:
        agent = {"User-Agent": f"forebay/{__version__}"}
        return agent | ({"Authorization": f"Bearer {self._token}"} if self._token else {})

    def _read(self, kind: type[Message], response: httpx2.Response) -> Message:
        return self._convert(kind, self._json(response))

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise self._no_hub(response) from error

    def _convert(self, kind: type[Message], data: Any) -> Message:
        try:
            return from_json(kind, data)
        except ValueError as error:
            raise UnavailableError(
                "hub-answer",
                f"The hub {self.url} answered what this forebay does not understand: {error}.",
                todo="Are both of about the same release? Compare: forebay version",
            ) from error

    def _told(self, response: httpx2.Response) -> ForebayError:
        try:
            told = error_from_json(response.status_code, response.json())
        except ValueError:
            told = None
        return told or self._no_hub(response)

    def _no_hub(self, response: httpx2.Response) -> UnavailableError:
        return UnavailableError(
            "not-a-hub",
            f"{self.url} does not answer as a hub does (HTTP status {response.status_code}).",
            todo="Check FOREBAY_HUB: forebay config show --origin",
        )

    def _away(self, error: httpx2.TransportError) -> UnavailableError:
        # What another error says may repeat what was sent.
        why = str(error) if isinstance(error, httpx2.ConnectError) else type(error).__name__
        return UnavailableError(
            "hub-away",
            f"The hub {self.url} cannot be reached ({why}).",
            todo="Is it running (forebay up, forebay hub serve), and is FOREBAY_HUB right? Then try again.",
        )


def _timeout(held_s: float = 0.0) -> httpx2.Timeout:
    """A hub that holds an answer back is given that time, too."""
    return httpx2.Timeout(_ANSWER_SECONDS + held_s, connect=_CONNECT_SECONDS)


def _trusted(url: str) -> ssl.SSLContext | bool:
    """Whose certificates are believed: the system's; with `http:` nobody's, since to read them takes 50 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http:") else True


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(to_json(body), allow_nan=False).encode()
    except ValueError:
        raise InputError("bad-number", "Infinity and what is no number cannot be sent to a hub.") from None


def _asked_s(response: httpx2.Response) -> float:
    """How long a hub that is asked too often wants to be left alone. Of what else passes, a moment is enough."""
    asked = response.headers.get("Retry-After", "")
    return float(asked) if response.status_code == _TOO_MANY and asked.isdecimal() else 0.0


def _is_passing(response: httpx2.Response, told: ForebayError) -> bool:
    """Whether the same request may do soon: the hub says so, or something in front of it can't reach it."""
    if response.status_code not in _PASSING:
        return False
    return told.kind == "not-a-hub" or "Retry-After" in response.headers


@contextmanager
def _opened(file: Path | None) -> Iterator[Any]:
    if file is None:
        yield None
        return
    with file.open("rb") as content:
        yield content
