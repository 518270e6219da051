"""Files on a web server: looked at one by one, fetched under the same conditions."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError
from forebay.lake.fetch import fetch
from forebay.lake.listing import list_objects
from forebay.lake.location import parse_location
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore
from forebay.testing.awkward import AwkwardOrigin, IgnoreRange, Status, Truncate
from tests.integration.lake.lakes import QUICK, Waits, error_of, whole

pytestmark = pytest.mark.integration

BODY = os.urandom(3_000_000)


class Quiet(SimpleHTTPRequestHandler):
    """Python's own server: no etag, no ranges, Last-Modified in whole seconds."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Chunked(BaseHTTPRequestHandler):
    """Never says how much will come."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "day_0").write_bytes(BODY)
    return tmp_path


@pytest.fixture
def plain_server(folder: Path) -> Iterator[str]:
    yield from served(partial(Quiet, directory=str(folder)))


@pytest.fixture
def chunked_server() -> Iterator[str]:
    yield from served(Chunked)


def served(handler: object) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def register(url: str) -> tuple[LakeStore, Part]:
    location = parse_location(url)
    store = LakeStore.open(location.root_url, manners=QUICK)
    ((row,),) = [batch.to_pylist() for batch in list_objects(location, store)]
    size = row["size_bytes"]
    part = Part(index=0, key=row["key"], etag=row["etag"], version_id="", start=0, end=size, object_size_bytes=size)
    assert row["path"] == "day_0"
    return store, part


def test_a_web_file_is_registered_by_its_address_and_fetched(plain_server: str) -> None:
    store, part = register(f"{plain_server}/a%20b/day_0")
    received = bytearray()

    fetch(store, part, received.extend)

    assert bytes(received) == BODY


def test_a_web_file_without_an_etag_is_known_by_its_time(plain_server: str, folder: Path) -> None:
    store, part = register(f"{plain_server}/a%20b/day_0")
    os.utime(folder / "a b" / "day_0", (1_000_000_000, 1_000_000_000))

    with pytest.raises(ConflictError) as caught:
        fetch(store, part, bytes, patience=Waits().patience())

    assert caught.value.kind == "object-changed"


def test_a_web_server_that_ignores_ranges_is_resumed_by_skipping(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/x/day_0", BODY)
    store, part = register(f"{awkward_origin.url}/x/day_0")
    awkward_origin.misbehave("/x/day_0", Truncate(after_bytes=2_000_000), always=IgnoreRange())
    received = bytearray()

    fetch(store, part, received.extend, patience=Waits().patience())

    assert bytes(received) == BODY


def test_a_missing_web_file_matches_nothing(plain_server: str) -> None:
    with pytest.raises(InputError) as caught:
        register(f"{plain_server}/nothing")

    assert error_of(caught).kind == "nothing-matched"


def test_an_unknown_size_is_a_clear_error(chunked_server: str) -> None:
    with pytest.raises(InputError) as caught:
        register(f"{chunked_server}/x")

    error = error_of(caught)
    assert error.kind == "size-unknown"
    assert f"{chunked_server}/x" in error.message


@pytest.mark.parametrize(
    ("code", "category"), [(401, NotAllowedError), (403, NotAllowedError), (503, ForebayError)], ids=str
)
def test_a_web_server_that_refuses(awkward_origin: AwkwardOrigin, code: int, category: type[ForebayError]) -> None:
    awkward_origin.put("/day_0", BODY)
    awkward_origin.misbehave("/day_0", always=Status(code), method="HEAD")

    with pytest.raises(category) as caught:
        register(f"{awkward_origin.url}/day_0")

    assert str(code) in error_of(caught).message


def test_a_changed_web_file(awkward_origin: AwkwardOrigin) -> None:
    awkward_origin.put("/day_0", BODY)
    store, part = register(f"{awkward_origin.url}/day_0")
    awkward_origin.put("/day_0", BODY[::-1])

    with pytest.raises(ConflictError):
        fetch(store, part, bytes, patience=Waits().patience())
    assert fetch(store, whole(store, "day_0"), bytes).etag
