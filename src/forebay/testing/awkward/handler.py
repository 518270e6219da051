"""The origin's HTTP side: parses a request, applies the planned fault, sends, and records what it sent."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from forebay.testing.awkward.answer import Answer, Seen, Stored, answer_object, cut, spoil
from forebay.testing.awkward.faults import Fault, Hold, Reset, Status, Truncate
from forebay.testing.awkward.listing import list_page


class Origin(Protocol):
    """What the handler asks of its origin."""

    page_size: int
    closing: threading.Event

    def take_fault(self, method: str, path: str) -> Fault | None: ...
    def find(self, path: str) -> Stored | None: ...
    def keys(self, bucket: str) -> dict[str, Stored]: ...
    def record(self, seen: Seen) -> None: ...


class OriginServer(ThreadingHTTPServer):
    """A thread a connection; knows its connections, so that none outlives it."""

    request_queue_size = 128
    daemon_threads = False

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.to_reset: set[object] = set()
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), OriginHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._connections.discard(request)
        super().close_request(request)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Without the usual orderly end for a connection that is to be reset."""
        if request in self.to_reset:
            self.to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is its own affair; anything else is a bug to be shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def end_connections(self) -> None:
        """Wake every handler that waits for its client's next request."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class OriginHandler(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    # Head and body in one segment: two small writes cost a client's delayed acknowledgement, 40 ms each.
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: OriginServer

    def do_GET(self) -> None:
        """An object or a listing."""
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        """An object's size and ETag."""
        self._serve(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the test asks `seen`."""

    def _serve(self, *, with_body: bool) -> None:
        address = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(address.path)
        query = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
        if "list-type" in query:
            path = path.rstrip("/")
        fault = self.server.origin.take_fault(self.command, path)
        if isinstance(fault, Hold) and fault.after_bytes is None:
            self._wait(fault)
        answer = self._answer(path, query, fault)
        sent_bytes = 0
        try:
            sent_bytes = self._send(answer, fault, with_body=with_body)
        except ConnectionError:
            self.close_connection = True
        # The answer's last byte still waits in the buffer: whoever has read it all finds this request recorded.
        self.server.origin.record(
            Seen(
                method=self.command,
                path=path,
                range=self.headers.get("Range"),
                if_match=self.headers.get("If-Match"),
                status=answer.status,
                sent_bytes=sent_bytes,
            )
        )
        with contextlib.suppress(ConnectionError):
            self.wfile.flush()
        if isinstance(fault, Truncate | Reset):
            self._end_connection(abruptly=isinstance(fault, Reset))

    def _answer(self, path: str, query: dict[str, str], fault: Fault | None) -> Answer:
        if isinstance(fault, Status):
            retry = () if fault.retry_after_s is None else (("Retry-After", str(fault.retry_after_s)),)
            return Answer(status=fault.code, headers=retry)
        if "list-type" in query:
            bucket = path.lstrip("/")
            origin = self.server.origin
            page = list_page(bucket, origin.keys(bucket), query, page_size=origin.page_size)
            return cut(
                Answer(status=200, body=spoil(page, fault), headers=(("Content-Type", "application/xml"),)), fault
            )
        stored = self.server.origin.find(path)
        if stored is None:
            return Answer(status=404)
        return answer_object(stored, fault, byte_range=self.headers.get("Range"), if_match=self.headers.get("If-Match"))

    def _send(self, answer: Answer, fault: Fault | None, *, with_body: bool) -> int:
        """Returns the body bytes that were handed to the network."""
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not with_body:
            return 0
        body = answer.body if answer.cut_at is None else answer.body[: answer.cut_at]
        if isinstance(fault, Hold) and fault.after_bytes is not None:
            self.wfile.write(body[: fault.after_bytes])
            self.wfile.flush()
            self._wait(fault)
            self._write_but_last(body[fault.after_bytes :])
        else:
            self._write_but_last(body)
        return len(body)

    def _write_but_last(self, body: bytes) -> None:
        """All but the last byte may reach the client now: a large write goes past the buffer."""
        self.wfile.write(body[:-1])
        self.wfile.write(body[-1:])

    def _wait(self, fault: Hold) -> None:
        fault.reached.set()
        while not fault.gate.wait(0.02) and not self.server.origin.closing.is_set():
            pass

    def _end_connection(self, *, abruptly: bool) -> None:
        self.close_connection = True
        if abruptly:
            # Lingering for zero seconds makes the kernel send RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.server.to_reset.add(self.connection)
