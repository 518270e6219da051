"""`forebay hub serve` as a process: it starts, tells its token once, ends cleanly; two at once; killed in mid-fill."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.hub import RemoteHub
from forebay.errors import InputError
from forebay.hub.serve import Address, listening
from forebay.testing.awkward import AwkwardOrigin, Hold
from forebay.testing.cached.world import add_version
from forebay.testing.servers import Postgres
from forebay.testing.servers.process import free_ports
from forebay.wire.http import API
from tests.e2e.program import Program
from tests.e2e.serving import LIMIT_S, ended, running, told

pytestmark = pytest.mark.integration

TOKEN = "fbt_" + "t" * 43


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_its_token_once_and_ends_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    program = Program(tmp_path)
    with running(program, "--port", "0") as process:
        served = told(process)
        headers = {"Authorization": f"Bearer {served['token']}"}
        owner = httpx2.get(f"{served['url']}{API}/hub", headers=headers).json()["owner"]
        assert httpx2.get(f"{served['url']}{API}/hub").status_code == 401
        seen = {"path": str(tmp_path / "volume"), "limit_bytes": 1000}
        httpx2.put(f"{served['url']}{API}/volumes/v", headers=headers, json=seen).raise_for_status()
        stream, follows = f"{served['url']}{API}/volumes/v/fills/stream", threading.Event()
        follower = threading.Thread(target=_follow, args=(stream, headers, follows))
        follower.start()
        assert follows.wait(LIMIT_S)
        assert ended(process, how) == 0
        follower.join(LIMIT_S)
        assert process.stderr is not None
        log = process.stderr.read()
        assert "Traceback" not in log
        assert served["token"] not in log
    assert served["token"].encode() not in (program.home / "hub.db").read_bytes()
    with running(program, "--port", "0") as process:
        again = told(process)
        assert again["token"] is None
        assert httpx2.get(f"{again['url']}{API}/hub", headers=headers).json()["owner"] == owner
        assert ended(process, how) == 0


def _follow(url: str, headers: dict[str, str], follows: threading.Event) -> None:
    """Until the stream ends in good order; a connection that is lost is an error."""
    with httpx2.stream("GET", url, headers=headers, timeout=LIMIT_S) as response:
        follows.set()
        response.read()


def test_a_port_that_is_taken_and_a_host_that_others_reach(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with running(program, "--port", "0") as process:
        port = told(process)["url"].rpartition(":")[2]
        assert program("hub", "serve", "--port", port, "--json", code=6).error["kind"] == "cannot-listen"
    refused = program("hub", "serve", "--host", "0.0.0.0", "--json", code=2).error
    assert refused["kind"] == "insecure-host"
    assert "--tls-cert" in refused["todo"]


@pytest.mark.parametrize(
    ("host", "allowed"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("hub", False)]
)
def test_only_this_machine_comes_without_tls(host: str, allowed: bool) -> None:
    Address(host=host, port=0, insecure=True).check()
    if allowed:
        Address(host=host, port=0).check()
        return
    with pytest.raises(InputError):
        Address(host=host, port=0).check()


def test_with_tls_others_may_come(tmp_path: Path) -> None:
    certificate, key = tmp_path / "hub.pem", tmp_path / "hub.key"
    subject = ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    program = Program(tmp_path, FOREBAY_TOKEN=TOKEN)
    tls = ("--tls-cert", str(certificate), "--tls-key", str(key))
    assert program("hub", "serve", *tls[:2], "--json", code=2).error["kind"] == "bad-certificate"
    assert program("hub", "serve", *tls[2:], "--json", code=2).error["kind"] == "bad-certificate"
    with running(program, "--host", "0.0.0.0", "--port", "0", *tls) as process:
        port = told(process)["url"].removeprefix("https://0.0.0.0:")
        named = {"FOREBAY_TOKEN": TOKEN, "FOREBAY_HUB": f"https://127.0.0.1:{port}"}
        assert Program(tmp_path / "a", **named, SSL_CERT_FILE=str(certificate))("dataset", "ls", "--json").json == []
        doubted = Program(tmp_path / "b", **named)("dataset", "ls", "--json", code=6).error
        assert "CERTIFICATE_VERIFY_FAILED" in doubted["message"]
        assert ended(process, signal.SIGTERM) == 0


def test_two_hubs_that_start_at_once_on_one_database_are_one(tmp_path: Path, postgres_server: Postgres) -> None:
    shared = {"FOREBAY_DATABASE": postgres_server.new_database(), "FOREBAY_TOKEN": TOKEN}
    programs = [Program(tmp_path / name, **shared) for name in ("one", "two")]
    for program in programs:
        program.folder.mkdir()
    with running(programs[0], "--port", "0") as one, running(programs[1], "--port", "0") as two:
        urls = [told(process)["url"] for process in (one, two)]
        hubs = [RemoteHub(url, TOKEN, tmp_path / f"client-{at}") for at, url in enumerate(urls)]
        with closing(hubs[0]), closing(hubs[1]):
            assert hubs[0].owner == hubs[1].owner
            version = add_version(hubs[0], "d", Manifest.registered([Entry(path="a", size_bytes=1)]), "file:///lake")
            assert hubs[1].catalog.resolve("d") == version
            assert hubs[1].catalog.manifest_path(version.manifest_digest).exists()
            hubs[1].volumes.add("v", str(tmp_path), 1000)
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "k"}
        freed = [httpx2.post(f"{url}{API}/volumes/v/freed", json={"freed_bytes": -5}, headers=headers) for url in urls]
        assert [response.headers.get("Idempotency-Replayed") for response in freed] == [None, "true"]
        assert [ended(process, signal.SIGTERM) for process in (one, two)] == [0, 0]


@pytest.mark.parametrize("away_at_the_end", [False, True])
def test_a_fill_outlives_a_hub_that_is_killed(
    tmp_path: Path, awkward_origin: AwkwardOrigin, away_at_the_end: bool
) -> None:
    port = str(free_ports(1)[0])
    server = Program(tmp_path / "server", FOREBAY_TOKEN=TOKEN)
    client = Program(tmp_path / "client", FOREBAY_TOKEN=TOKEN, FOREBAY_HUB=f"http://127.0.0.1:{port}")
    for program in (server, client):
        program.folder.mkdir()
    sizes = {"a": 3 << 20, "b": 2 << 20}
    bodies = {name: name.encode() * size for name, size in sizes.items()}
    etags = {name: awkward_origin.put(f"/lake/{name}", body) for name, body in bodies.items()}
    held = Hold(after_bytes=1 << 20)
    awkward_origin.misbehave("/lake/a", held)
    entries = [Entry(path=name, size_bytes=sizes[name], etag=etags[name]) for name in sizes]
    with running(server, "--port", port) as process:
        told(process)
        with closing(RemoteHub(f"http://127.0.0.1:{port}", TOKEN, tmp_path / "mine")) as hub:
            add_version(hub, "d", Manifest.registered(entries), f"{awkward_origin.url}/lake")
            warming = client.start("cache", "warm", "d@v1", "--json")
            wait_for(lambda: bool(awkward_origin.seen("/lake/b")))
        process.kill()
        process.wait(LIMIT_S)
    if away_at_the_end:
        held.gate.set()
        wait_for(lambda: bool(awkward_origin.seen("/lake/a")))
    with running(server, "--port", port) as process:
        told(process)
        held.gate.set()
        out, err = warming.communicate(timeout=LIMIT_S)
        assert warming.returncode == 0, err
        (warmed,) = json.loads(out)
        assert ended(process, signal.SIGTERM) == 0
    assert warmed["moved_bytes"] == sum(sizes.values())
    assert {name: awkward_origin.sent_bytes(f"/lake/{name}") for name in sizes} == sizes, "no byte came twice"
    assert all((Path(warmed["path"]) / name).read_bytes() == body for name, body in bodies.items())


def test_a_forked_child_has_connections_of_its_own(tmp_path: Path) -> None:
    import multiprocessing

    with running(Program(tmp_path, FOREBAY_TOKEN=TOKEN), "--port", "0") as process:
        url = told(process)["url"]
        with closing(RemoteHub(url, TOKEN, tmp_path / "client")) as hub:
            hub.volumes.add("v", str(tmp_path), 1000)
            fork = multiprocessing.get_context("fork")
            children = [fork.Process(target=_use, args=(hub, number)) for number in range(3)]
            for child in children:
                child.start()
            _use(hub, 7)
            for child in children:
                child.join(LIMIT_S)
            assert [child.exitcode for child in children] == [0, 0, 0]
            assert len(hub.volumes.events("v", 1000)) == 80
        assert ended(process, signal.SIGTERM) == 0


def _use(hub: RemoteHub, number: int) -> None:
    for _ in range(20):
        hub.volumes.record("v", f"d@v{number}", "tried", "", 1)
        assert hub.volumes.get("v").limit_bytes == 1000


def test_answers_do_not_wait_for_more() -> None:
    """TCP would hold small pieces back, for 40 ms where the other side is slow to confirm."""

    async def accepted(listener: socket.socket) -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def meet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(meet, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            told = await found
            writer.close()
        return told

    with listening(Address(host="127.0.0.1", port=0)) as listener:
        assert asyncio.run(accepted(listener))
