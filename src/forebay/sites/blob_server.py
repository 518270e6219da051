"""Serves the blobs of one volume's ready replicas to other sites' fills: ranges over HTTP, for whoever shows a ticket.

Never anything else: a request names an entry of a manifest and its digest, the ticket says which version's; the path is
made of the ticket's access group and of that digest, and of nothing that was sent. What was opened stays readable while
its blob is evicted.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from forebay.cache.volume import VolumeLayout
from forebay.errors import ForebayError, NotAllowedError
from forebay.log import get_logger
from forebay.sites.shown import Admitted, Tickets

_log = get_logger("blob-server")

_PATH = re.compile(r"/blobs/([0-9]{1,10})/([0-9a-f]{64})", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})?", re.ASCII)
_BUSY_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerManners:
    """At most so many connections; one that neither asks nor takes anything for `idle_s` is closed."""

    connections: int = 128
    idle_s: float = 30.0


class BlobServer(ThreadingHTTPServer):
    """A context manager: serves from a thread of its own until it is left. `url` says where."""

    daemon_threads = True
    # They end with their sockets, below.
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        layout: VolumeLayout,
        tickets: Tickets,
        address: tuple[str, int],
        *,
        tls: ssl.SSLContext | None = None,
        manners: ServerManners | None = None,
    ) -> None:
        self.layout = layout
        self.tickets = tickets
        self.tls = tls
        self.manners = manners or ServerManners()
        self.room = threading.BoundedSemaphore(self.manners.connections)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)
        self._thread = threading.Thread(target=self.serve_forever, name="forebay-blobs", daemon=True)

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"{'http' if self.tls is None else 'https'}://{shown}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _end(connection)
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: a handshake that hangs holds up nobody else."""
        request.settimeout(self.manners.idle_s)
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        with self._lock:
            self._open.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
            if self.tls is not None:
                _end(request)
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or a handshake that fails, is its own affair."""
        _log.info("connection-failed", client=str(client_address[0]))


class _Handler(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    # Head and body leave together.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: BlobServer

    def handle(self) -> None:
        """As long as there is room for this connection."""
        if not self.server.room.acquire(blocking=False):
            self.close_connection = True
            self.raw_requestline = self.rfile.readline(65537)
            if self.parse_request():
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
                self.wfile.flush()
            return
        try:
            super().handle()
        finally:
            self.server.room.release()

    def do_GET(self) -> None:
        """A range of a blob, or all of it."""
        found = _PATH.fullmatch(self.path)
        admitted = self._admitted()
        if admitted is None:
            return
        if found is None or not admitted.has(int(found[1]), found[2]):
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        path = self.server.layout.blob(admitted.group, found[2])
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with open(descriptor, "rb", buffering=0) as blob:
            self._send(blob, os.fstat(descriptor).st_size)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: fills make a request a file."""

    def _admitted(self) -> Admitted | None:
        """What the ticket that was shown is good for; None once the refusal is sent."""
        scheme, _, ticket = self.headers.get("Authorization", "").partition(" ")
        try:
            if scheme.lower() == "bearer":
                return self.server.tickets.admit(ticket.strip())
        except NotAllowedError:
            pass
        except (ForebayError, OSError) as error:
            _log.warning("ticket-not-checked", kind=getattr(error, "kind", type(error).__name__))
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return None
        self._refuse(HTTPStatus.UNAUTHORIZED)
        return None

    def _send(self, blob: Any, size_bytes: int) -> None:
        asked = self.headers.get("Range")
        span = (0, size_bytes) if asked is None else _span(asked, size_bytes)
        if span is None:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, ("Content-Range", f"bytes */{size_bytes}"))
            return
        start, end = span
        self.send_response(HTTPStatus.OK if asked is None else HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(end - start))
        if asked is not None:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size_bytes}")
        self.end_headers()
        self.wfile.flush()
        if end > start and self.connection.sendfile(blob, start, end - start) < end - start:
            # It is shorter than it was: what was promised can't be kept.
            self.close_connection = True

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", str(_BUSY_SECONDS))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def version_string(self) -> str:
        """Says no more than needed."""
        return "forebay"


def _span(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """Start and end of one range; None where nothing of the blob lies in it, or where it is no such range."""
    found = _RANGE.fullmatch(asked)
    if found is None:
        return None
    start = int(found[1])
    end = min(size_bytes, int(found[2]) + 1) if found[2] else size_bytes
    return (start, end) if start < end else None


def _end(connection: socket.socket) -> None:
    """Wake whoever waits for it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
