"""The origin's side that a test holds: which objects there are, what goes wrong next, what was asked and sent."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict, deque
from types import TracebackType
from typing import Literal, Self

from forebay.testing.awkward.answer import Seen, Stored
from forebay.testing.awkward.faults import Fault
from forebay.testing.awkward.handler import OriginServer

Method = Literal["GET", "HEAD"]


class AwkwardOrigin:
    """Serves objects by path; a context manager. `/bucket/key` paths are S3 objects too.

    Faults are taken one a request, in the order they were given; then `always`, if any, stays.
    A fault on `/bucket` concerns its listing.
    """

    def __init__(self, *, page_size: int = 1000) -> None:
        self.page_size = page_size
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._objects: dict[str, Stored] = {}
        self._faults: defaultdict[tuple[str, str], deque[Fault]] = defaultdict(deque)
        self._always: dict[tuple[str, str], Fault] = {}
        self._seen: list[Seen] = []
        self._server = OriginServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def end_connections(self) -> None:
        """End every connection that is open now."""
        self._server.end_connections()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash: an S3 endpoint, or the start of an object's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, path: str, body: bytes, *, etag: str | None = None) -> str:
        """Store an object under `/path`, in place of an older one; returns its ETag, by default from its bytes."""
        _check(path)
        stored = Stored(body=body, etag=etag or f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
        with self._lock:
            self._objects[path] = stored
        return stored.etag

    def remove(self, path: str) -> None:
        """From now on this path is 404 and in no listing."""
        with self._lock:
            del self._objects[path]

    def misbehave(self, path: str, *faults: Fault, always: Fault | None = None, method: Method = "GET") -> None:
        """Take `faults` one a request of this method, then `always`; an earlier plan for the path is dropped."""
        _check(path)
        with self._lock:
            self._faults[method, path] = deque(faults)
            self._always.pop((method, path), None)
            if always is not None:
                self._always[method, path] = always

    def seen(self, path: str | None = None, *, method: Method | None = None) -> tuple[Seen, ...]:
        """The answered requests, oldest first; a held one appears when it ends."""
        with self._lock:
            return tuple(s for s in self._seen if path in (None, s.path) and method in (None, s.method))

    def sent_bytes(self, path: str | None = None) -> int:
        """Bytes of bodies handed to the network, of objects and listings."""
        return sum(seen.sent_bytes for seen in self.seen(path))

    def take_fault(self, method: str, path: str) -> Fault | None:
        """What goes wrong with the request that just came (for the handler)."""
        with self._lock:
            planned = self._faults[method, path]
            return planned.popleft() if planned else self._always.get((method, path))

    def find(self, path: str) -> Stored | None:
        """The object at this path (for the handler)."""
        with self._lock:
            return self._objects.get(path)

    def keys(self, bucket: str) -> dict[str, Stored]:
        """The bucket's objects by key, in S3's order: that of the UTF-8 bytes (for the handler)."""
        start = f"/{bucket}/"
        with self._lock:
            found = {path.removeprefix(start): item for path, item in self._objects.items() if path.startswith(start)}
        return dict(sorted(found.items(), key=lambda item: item[0].encode()))

    def record(self, seen: Seen) -> None:
        """Remember a finished request (for the handler)."""
        with self._lock:
            self._seen.append(seen)


def _check(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"an origin's path starts with a slash: {path!r}")
