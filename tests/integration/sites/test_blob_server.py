"""The server gives ranges of a ready version's blobs to its tickets, and nothing else to anybody."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay.cache.contents import load_manifest
from forebay.cache.nearby import Asked
from forebay.client.remote.hub import RemoteHub
from forebay.errors import UnavailableError
from forebay.hub.local import LocalHub
from forebay.sites.blob_server import BlobServer, ServerManners
from forebay.sites.nearby import PeerManners, peers_of
from forebay.sites.serving import serving_blobs
from forebay.sites.shown import BELIEVED_SECONDS, Tickets
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.testing.served import ServedHubs
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import Version
from tests.integration.sites.pair import Pair

pytestmark = pytest.mark.integration

DATA = random.Random(5).randbytes(300_000)
FILES = {"one": DATA, "two": b"two" * 100}
DONE = FillDone(added_bytes=0, moved_bytes=0, present_bytes=0, seconds=1.0, seal_digest="")


class Serving:
    """A served version, a fill of it elsewhere, and its ticket."""

    def __init__(self, pair: Pair, server: BlobServer, version: Version) -> None:
        self.pair = pair
        self.server = server
        self.hub = pair.near_session.hub
        far = pair.far_cache().volume_id
        granted = self.hub.fills.claim(far, version, holder())
        assert isinstance(granted, Granted)
        self.granted = granted
        (peer,) = self.hub.links.holders(granted.fill_id, granted.token, "s3://lake").peers
        self.ticket = peer.ticket
        self.digests = [entry.digest or "" for entry in load_manifest(self.hub.catalog, version).entries()]

    def get(self, path: str, *, ticket: str | None = None, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        shown = self.ticket if ticket is None else ticket
        sent = {"Authorization": f"Bearer {shown}"} if shown else {}
        address = self.server.server_address
        connection = http.client.HTTPConnection(str(address[0]), address[1], timeout=20)
        try:
            connection.putrequest(method, path, skip_host=False)
            for name, value in {**sent, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def blob(self, index: int = 0) -> str:
        return f"/blobs/{index}/{self.digests[index]}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@contextmanager
def served(pair: Pair, clock: FakeClock, manners: ServerManners | None = None) -> Iterator[Serving]:
    version = pair.filled(FILES)
    near = pair.near_session
    with serving_blobs(
        near.hub, near.cache.layout, near.cache.volume_id, ("127.0.0.1", 0), clock, manners=manners
    ) as server:
        yield Serving(pair, server, version)


@pytest.fixture
def serving(pair: Pair, clock: FakeClock) -> Iterator[Serving]:
    with served(pair, clock) as made:
        yield made


def test_ranges(serving: Serving) -> None:
    assert serving.get(serving.blob()) == (200, DATA)
    assert serving.get(serving.blob(1)) == (200, FILES["two"])
    assert serving.get(serving.blob(), Range="bytes=10-19") == (206, DATA[10:20])
    assert serving.get(serving.blob(), Range="bytes=10-") == (206, DATA[10:])
    assert serving.get(serving.blob(), Range="bytes=299990-999999999") == (206, DATA[-10:])
    for bad in ("bytes=300000-", "bytes=9-8", "bytes=-5", "bytes=0-1,5-6", "bytes=a-b", "chunks=0-1", ""):
        assert serving.get(serving.blob(), Range=bad) == (416, b"")


def test_who_shows_no_good_ticket_gets_nothing(serving: Serving) -> None:
    for ticket in ("", "fbt_" + "x" * 43, serving.ticket[:-1], serving.ticket + "x", "ü"):
        assert serving.get(serving.blob(), ticket=ticket) == (401, b"")
        assert serving.get("/blobs/0/" + "0" * 64, ticket=ticket) == (401, b""), "nor learns what there is"
    assert serving.get(serving.blob(), ticket="", Authorization=f"Basic {serving.ticket}") == (401, b"")


def test_nothing_but_blobs_of_that_version_is_served(serving: Serving) -> None:
    pair = serving.pair
    other = pair.filled({"secret": b"another version's"}, "views")
    (hidden,) = [entry.digest for entry in load_manifest(serving.hub.catalog, other).entries()]
    root = pair.near_session.cache.layout.root
    (root / "outside").write_bytes(b"not a blob")
    digest = serving.digests[0]
    for path in (
        f"/blobs/0/{hidden}",
        f"/blobs/1/{digest}",
        f"/blobs/2/{digest}",
        f"/blobs/99999999999/{digest}",
        f"/blobs/-1/{digest}",
        f"/blobs/0/{digest.upper()}",
        f"/blobs/0/{digest}/",
        f"/blobs/0/{digest}?x=1",
        "/blobs/0/../../../../../outside",
        "/blobs/0/%2e%2e%2f%2e%2e%2foutside",
        f"/blobs/0/{'.' * 64}",
        "/forebay-volume.json",
        "/roots/default/blobs/" + digest[:2] + "/" + digest,
        "/",
        "//etc/passwd",
    ):
        assert serving.get(path) == (404, b""), path
    for method in ("HEAD", "POST", "PUT", "DELETE"):
        assert serving.get(serving.blob(), method=method)[0] == 501


def test_a_link_in_a_blob_s_place_is_not_followed(serving: Serving) -> None:
    blob = serving.pair.near_session.cache.layout.blob("default", serving.digests[0])
    blob.parent.chmod(0o755)
    blob.unlink()
    blob.symlink_to("/etc/hostname")
    assert serving.get(serving.blob()) == (404, b"")


def test_a_ticket_of_another_volume_is_none_here(serving: Serving) -> None:
    """Shown to the asking site's own server, as a thief there would."""
    far, hub = serving.pair.far_cache(), serving.hub
    with BlobServer(far.layout, Tickets(hub, far.layout, far.volume_id, FakeClock()), ("127.0.0.1", 0)) as other:
        serving.server, before = other, serving.server
        assert serving.get(serving.blob()) == (401, b"")
        serving.server = before
    assert serving.get(serving.blob())[0] == 200


def test_a_ticket_ends_with_its_fill_within_the_time_it_is_believed(serving: Serving, clock: FakeClock) -> None:
    assert serving.get(serving.blob())[0] == 200
    serving.hub.fills.finish(serving.granted.fill_id, serving.granted.token, DONE)
    assert serving.get(serving.blob())[0] == 200, "believed for a minute"
    clock.pass_by(BELIEVED_SECONDS)
    assert serving.get(serving.blob()) == (401, b"")


def test_a_replica_that_goes_is_served_no_more(serving: Serving, clock: FakeClock) -> None:
    near = serving.pair.near_session.cache
    assert serving.get(serving.blob())[0] == 200
    (replica,) = near.replicas()
    assert near.evictor.evict(replica, "asked").error is None
    assert serving.get(serving.blob())[0] == 404
    clock.pass_by(BELIEVED_SECONDS)
    assert serving.get(serving.blob())[0] == 401


def test_a_good_ticket_outlives_the_hub_s_absence_and_no_other_does(pair: Pair, tmp_path: Path) -> None:
    version, clock = pair.filled(FILES), FakeClock()
    near = pair.near_session
    assert isinstance(near.hub, LocalHub)
    with ServedHubs() as hubs:
        remote = RemoteHub(hubs.url, hubs.lend(near.hub, near.clock), tmp_path)
        tickets = Tickets(remote, near.cache.layout, near.cache.volume_id, clock)
        near.hub.links.serve(near.cache.volume_id, "http://127.0.0.1:1")
        granted = near.hub.fills.claim(pair.far_cache().volume_id, version, holder())
        assert isinstance(granted, Granted)
        (peer,) = near.hub.links.holders(granted.fill_id, granted.token, "s3://lake").peers
        tickets.admit(peer.ticket)
        remote.close()
    clock.pass_by(BELIEVED_SECONDS)
    assert tickets.admit(peer.ticket).group == version.group
    with pytest.raises(UnavailableError):
        tickets.admit("fbt_" + "x" * 43)
    clock.pass_by(900.0)
    with pytest.raises(UnavailableError):
        tickets.admit(peer.ticket)
    remote.close()


def test_beyond_its_room_it_says_so_at_once(pair: Pair, clock: FakeClock) -> None:
    with served(pair, clock, ServerManners(connections=1)) as serving:
        address = serving.server.server_address
        with socket.create_connection((str(address[0]), address[1])) as holding:
            holding.sendall(f"GET {serving.blob()} HTTP/1.1\r\nAuthorization: Bearer {serving.ticket}\r\n\r\n".encode())
            assert holding.recv(12) == b"HTTP/1.1 200"
            assert serving.get(serving.blob()) == (503, b"")


def test_who_neither_asks_nor_takes_is_let_go(pair: Pair, clock: FakeClock) -> None:
    with served(pair, clock, ServerManners(idle_s=0.2)) as serving:
        address = serving.server.server_address
        with socket.create_connection((str(address[0]), address[1]), timeout=20) as silent:
            assert silent.recv(1) == b""


def test_who_serves_is_known_while_it_does(pair: Pair, clock: FakeClock) -> None:
    with served(pair, clock) as serving:
        pass
    found = serving.hub.links.holders(serving.granted.fill_id, serving.granted.token, "s3://lake")
    assert found.peers == ()


def test_over_tls(pair: Pair, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "site.pem", tmp_path / "site.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    version = pair.filled(FILES)
    near, got = pair.near_session, bytearray()
    with serving_blobs(
        near.hub, near.cache.layout, near.cache.volume_id, ("127.0.0.1", 0), clock, tls=context
    ) as server:
        assert server.url.startswith("https://")
        serving = Serving(pair, server, version)
        opened = peers_of(near.hub, near.clock, PeerManners())
        asked = Asked(index=0, digest=bytes.fromhex(serving.digests[0]), start=7, end=len(DATA))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        nearby = opened(serving.granted, version, "s3://lake")
        assert nearby is not None
        assert nearby.fetch(asked, got.extend, bool, set()) == len(DATA)
        assert got == DATA[7:]
        nearby.close()
        monkeypatch.delenv("SSL_CERT_FILE")
        distrusting = peers_of(near.hub, near.clock, PeerManners())(serving.granted, version, "s3://lake")
        assert distrusting is not None
        assert distrusting.fetch(asked, got.extend, bool, set()) == 7, "a certificate that nobody vouches for"
