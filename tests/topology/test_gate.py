"""The gate notes what goes through it, and takes its servers in turn."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.topology.gate import Asked, Gate


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = str(self.server.server_port).encode()  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextlib.contextmanager
def _server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _get(port: int, *requests: tuple[str, dict[str, str]]) -> list[bytes]:
    """All over one connection."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        found = []
        for path, headers in requests:
            connection.request("GET", path, headers=headers)
            found.append(connection.getresponse().read())
        return found


def test_it_notes_whole_objects_and_parts_of_them() -> None:
    with _server() as port, Gate.open(port, notes=True) as gate:
        _get(gate.port, ("/b/a%20b?x=1", {}), ("/b/c", {"Range": "bytes=5-9"}), ("/b/c", {"range": "bytes=10-"}))
        assert gate.asked == [
            Asked(path="/b/a b"),
            Asked(path="/b/c", start=5, end=10),
            Asked(path="/b/c", start=10),
        ]


def test_held_it_lets_nothing_more_through_until_all_ends_there() -> None:
    with _server() as port, Gate.open(port, notes=True) as gate, ThreadPoolExecutor(1) as pool:
        _get(gate.port, ("/", {}))
        gate.holds_at = given_bytes = gate.given_bytes
        answer = pool.submit(_get, gate.port, ("/", {}))
        assert gate.held.wait(30.0)
        gate.let_end()
        with pytest.raises(OSError, match="closed connection"):
            answer.result()
        assert gate.given_bytes == given_bytes


def test_connections_go_to_the_servers_in_turn_and_past_one_that_is_gone() -> None:
    with _server() as one, Gate.open(one) as alone:
        with _server() as two:
            alone.targets = (one, two)
            said = {answer for _ in range(4) for answer in _get(alone.port, ("/", {}))}
            assert said == {str(one).encode(), str(two).encode()}
        assert {answer for _ in range(3) for answer in _get(alone.port, ("/", {}))} == {str(one).encode()}
