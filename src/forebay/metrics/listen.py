"""A small HTTP face for metrics of a process that serves nothing else: GET /metrics, and for an agent its health.

A scrape never waits for what is measured. On an address that others can reach it wants the metrics token; whether an
agent lives and is ready is told to everybody, as a hub tells it.
"""

from __future__ import annotations

import hmac
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from forebay.errors import InputError, UnavailableError
from forebay.loopback import is_loopback
from forebay.metrics.exposition import CONTENT_TYPE

_SILENT_SECONDS = 10.0
_HEALTH = ("/healthz", "/readyz")


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9755` or `[::1]:9755`; ValueError otherwise."""
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"{text!r} is not an address: write 127.0.0.1:9755")
    return host, int(port)


class Listener:
    """A context manager; `text` is what the next scrape gets. With `tell` a text is made for each, without waiting.

    `unready` says why the process is not ready, "" while it is; with it /healthz and /readyz are there, too.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        *,
        tell: Callable[[], bytes] | None = None,
        unready: Callable[[], str] | None = None,
    ) -> None:
        """InputError `metrics-open` for an address that others reach, without a token; UnavailableError
        `cannot-listen`."""
        if not token and not is_loopback(host):
            raise InputError(
                "metrics-open",
                f"On {host} others can reach the metrics, and there is no token that they need.",
                todo="Set FOREBAY_METRICS_TOKEN, or listen on 127.0.0.1.",
            )
        self.text = b""
        listener = self

        class Handler(_Handler):
            def answer(self) -> tuple[int, bytes]:
                page = self.path.partition("?")[0]
                if unready is not None and page in _HEALTH:
                    reason = unready() if page == "/readyz" else ""
                    return (503, f"{reason}\n".encode()) if reason else (200, b"ok\n")
                if page != "/metrics":
                    return 404, b"There is only /metrics.\n" if unready is None else b"There is no such page.\n"
                given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode(errors="replace")
                if token and not hmac.compare_digest(given, token.encode()):
                    return 401, b"This needs the metrics token.\n"
                return 200, tell() if tell is not None else listener.text

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            todo = "Is something listening there already? Choose another port."
            raise UnavailableError(
                "cannot-listen", f"cannot listen on {host}:{port}: {error.strerror}", todo=todo
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}/metrics"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that hangs up is no event."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _SILENT_SECONDS

    def answer(self) -> tuple[int, bytes]:
        raise NotImplementedError

    def do_GET(self) -> None:
        status, body = self.answer()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE if status == 200 else "text/plain; charset=utf-8")
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no event."""
