"""What a request may send: so many bytes, and not too slowly."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.hub import RemoteHub
from forebay.errors import DamagedError, InputError
from forebay.hub.api.limits import Limits
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedHubs
from forebay.wire.http import API

LIMITS = Limits(body_bytes=500, upload_bytes=20_000, silent_seconds=0.5)


@pytest.fixture
def narrow() -> Iterator[ServedHubs]:
    with ServedHubs(LIMITS) as served:
        yield served


@pytest.fixture
def narrow_http(narrow: ServedHubs, local: LocalHub, clock: FakeClock) -> Iterator[httpx2.Client]:
    token = narrow.lend(local, clock)
    with httpx2.Client(base_url=narrow.url + API, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def test_bodies_are_bounded_announced_or_not(narrow_http: httpx2.Client) -> None:
    for body in (b"x" * 501, (b"x" * 100 for _ in range(6))):
        refused = narrow_http.put("/datasets/x/team", content=body)
        assert (refused.status_code, refused.json()["error"]["kind"]) == (413, "body-too-large")
    for body in (b"x" * 20_001, (b"x" * 1000 for _ in range(21))):
        refused = narrow_http.post("/manifests", content=body)
        assert (refused.status_code, refused.json()["error"]["kind"]) == (413, "body-too-large")


def test_a_manifest_that_is_too_large_says_so_to_its_client(
    narrow: ServedHubs, local: LocalHub, clock: FakeClock, tmp_path: Path
) -> None:
    token = narrow.lend(local, clock)
    small = Manifest.registered([Entry(path="a", size_bytes=1)])
    large = Manifest.registered([Entry(path=f"{number:08x}", size_bytes=number * 7919) for number in range(5000)])
    for name, manifest in (("small", small), ("large", large)):
        manifest.write(tmp_path / name)
    with closing(RemoteHub(narrow.url, token, tmp_path / "client")) as remote:
        assert remote.catalog.store_manifest(tmp_path / "small") == small.manifest_digest
        with pytest.raises(InputError) as refused:
            remote.catalog.store_manifest(tmp_path / "large")
        assert refused.value.kind == "body-too-large"
        (tmp_path / "junk").write_bytes(b"junk")
        with pytest.raises(DamagedError):
            remote.catalog.store_manifest(tmp_path / "junk")


def test_a_body_that_never_comes(narrow: ServedHubs, narrow_http: httpx2.Client) -> None:
    port = int(narrow.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        authorization = narrow_http.headers["Authorization"]
        head = f"PUT {API}/datasets/x/team HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
        slow.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        slow.settimeout(30)
        assert b" 408 " in slow.recv(1000)
