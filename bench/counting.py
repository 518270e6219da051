"""An origin that counts what leaves it: files over HTTP, under plain paths and as a Hugging Face dataset.

Small and honest: whole files and ranges, ETags, a thread a connection. It says nothing of its own and holds all in
memory, so that what is counted is what the tools ask for.
"""

from __future__ import annotations

import hashlib
import threading
import urllib.parse
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

LAKE = "/lake/"
REPOSITORY = "bench/share"
COMMIT = "1" * 40
_RESOLVE = f"/datasets/{REPOSITORY}/resolve/"


class CountingOrigin:
    """Serves `files` by name; `sent_bytes` and `gets` count bodies since the last `reset`. A context manager."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.etags = {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}
        self._lock = threading.Lock()
        self.reset()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def size_bytes(self) -> int:
        return sum(map(len, self.files.values()))

    def reset(self) -> None:
        with self._lock:
            self.sent_bytes = self.gets = 0

    def count(self, size_bytes: int) -> None:
        """Bytes of one body were handed to the network (for the handler)."""
        with self._lock:
            self.sent_bytes += size_bytes
            self.gets += 1


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

    def __init__(self, origin: CountingOrigin) -> None:
        self.origin = origin
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that was killed in the middle is what a round is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self, *, with_body: bool) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        name = path.removeprefix(LAKE)
        if path.startswith(_RESOLVE):
            name = path.removeprefix(_RESOLVE).partition("/")[2]
        body = self.server.origin.files.get(name)
        if body is None:
            self._head(404, "0", {})
            return
        first, last = _range(self.headers.get("Range"), len(body))
        part = memoryview(body)[first : last + 1]
        ranged = {"Content-Range": f"bytes {first}-{last}/{len(body)}"} if self.headers.get("Range") else {}
        facts = {"ETag": f'"{self.server.origin.etags[name]}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        self._head(206 if ranged else 200, str(len(part)), {**facts, **ranged})
        if with_body:
            # Counted before: who has read all of it may ask at once what was sent.
            self.server.origin.count(len(part))
            self.wfile.write(part)

    def _head(self, status: int, length: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()


def _range(asked: str | None, size_bytes: int) -> tuple[int, int]:
    if not asked:
        return 0, size_bytes - 1
    first, _, last = asked.removeprefix("bytes=").partition("-")
    if not first:
        return max(0, size_bytes - int(last)), size_bytes - 1
    return int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1
