"""Thirty-two processes on four nodes that see one volume at four paths and share no home: each object comes once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import UnavailableError
from forebay.testing.awkward import AwkwardOrigin, Hold
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.process import CacheProcess, Task
from forebay.testing.cached.world import Node, add_version, holder
from forebay.testing.servers import Postgres
from forebay.wire.catalog import Version
from tests.faults.test_killed import wait_for

# Thirty-two processes begin at once on what may be two busy cores.
pytestmark = pytest.mark.timeout(420)

HOSTS = ("node-a", "node-b", "node-c", "node-d")
ASKERS = 8
BODIES = {f"part{number:02}": random.Random(number).randbytes(9_000 + number) for number in range(24)}
FOREVER, PERIOD = 600.0, 5.0


@pytest.fixture
def database_url(postgres_server: Postgres) -> str:
    return postgres_server.new_database()


@pytest.fixture
def nodes(root: Path, database_url: str) -> Iterator[list[World]]:
    """Each with a path of its own to the one volume."""
    (root / "volume").mkdir()
    for host in HOSTS:
        (root / f"seen-by-{host}").symlink_to("volume")
    worlds = [World(root, node=Node(host=host, database_url=database_url)) for host in HOSTS]
    yield worlds
    for world in worlds:
        world.hub.close()


@pytest.fixture
def version(nodes: list[World], awkward_origin: AwkwardOrigin) -> Version:
    etags = {name: awkward_origin.put(f"/lake/{name}", body) for name, body in BODIES.items()}
    entries = [Entry(path=name, size_bytes=len(body), etag=etags[name]) for name, body in BODIES.items()]
    return add_version(nodes[0].hub, "clicks", Manifest.registered(entries), f"{awkward_origin.url}/lake")


def start(stack: ExitStack, root: Path, task: Task) -> CacheProcess:
    return stack.enter_context(CacheProcess.start(root, task))


def crowds(
    stack: ExitStack, root: Path, database_url: str, version: Version, askers: int, hold_seconds: float = FOREVER
) -> list[CacheProcess]:
    """So many processes on every node, ready to ask."""
    tasks = [
        Task(
            do="warm",
            ref=version.ref,
            hold_seconds=hold_seconds,
            host=host,
            database_url=database_url,
            crowd=askers,
        )
        for host in HOSTS
    ]
    started = [start(stack, root, task) for task in tasks]
    for crowd in started:
        crowd.until("begin")
    return started


def results(crowds: list[CacheProcess]) -> list[dict[str, Any]]:
    for crowd in crowds:
        assert set(crowd.until("ended")["codes"]) == {0}
    return [line for crowd in crowds for line in crowd.lines if line["said"] == "result"]


def assert_whole(tree: Path) -> None:
    assert {path.name: path.read_bytes() for path in tree.glob("part*")} == BODIES


def test_ONE_FILL_thirty_two_processes_on_four_nodes_fetch_each_object_once(
    root: Path, nodes: list[World], database_url: str, version: Version, awkward_origin: AwkwardOrigin
) -> None:
    with ExitStack() as stack:
        asking = crowds(stack, root, database_url, version, ASKERS)
        for crowd in asking:
            crowd.say("go")
        done = results(asking)
    assert len(done) == len(HOSTS) * ASKERS
    assert not [line for line in done if "error" in line], "nobody thought that the volume was away"
    assert sum(line["moved"] for line in done) == sum(map(len, BODIES.values()))
    assert sum(line["moved"] > 0 for line in done) == 1
    assert awkward_origin.sent_bytes() == sum(map(len, BODIES.values()))
    assert {path: len(awkward_origin.seen(f"/lake/{path}")) for path in BODIES} == dict.fromkeys(BODIES, 1)
    for path in {line["path"] for line in done}:
        assert_whole(Path(path))
    assert {Path(line["path"]).relative_to(root).parts[0] for line in done} == {f"seen-by-{host}" for host in HOSTS}
    assert_all(nodes[1].hub, nodes[1].cache())


def test_the_holder_is_killed_and_another_goes_on_at_once_from_what_verifies(
    root: Path, nodes: list[World], database_url: str, version: Version, awkward_origin: AwkwardOrigin
) -> None:
    """The hold would last ten minutes: who waits on the holder's machine sees that it is dead."""
    held = Hold(after_bytes=100)
    awkward_origin.misbehave("/lake/part00", held)
    with ExitStack() as stack:
        asking = crowds(stack, root, database_url, version, 2)
        task = Task(
            do="warm", ref=version.ref, hold_seconds=FOREVER, host=HOSTS[0], database_url=database_url, purpose="doomed"
        )
        doomed = start(stack, root, task)
        doomed.until("begin")
        doomed.say("go")
        wait_for(lambda: len(awkward_origin.seen()) == len(BODIES) - 1)
        for crowd in asking:
            crowd.say("go")
        for crowd in asking:
            assert "doomed" in crowd.until("waits")["who"]
        doomed.popen.kill()
        done = results(asking)
    held.gate.set()
    assert not [line for line in done if "error" in line]
    wait_for(lambda: len(awkward_origin.seen("/lake/part00")) == 2)
    assert len(awkward_origin.seen()) == len(BODIES) + 1, "only what had not arrived was fetched again"
    assert sum(line["moved"] for line in done) == len(BODIES["part00"])
    for path in {line["path"] for line in done}:
        assert_whole(Path(path))
    assert not list((root / "volume/incoming").iterdir())
    assert_all(nodes[2].hub, nodes[2].cache())


def test_a_holder_whose_machine_is_gone_is_replaced_when_its_last_heartbeat_has_run_out(
    root: Path, nodes: list[World], database_url: str, version: Version, awkward_origin: AwkwardOrigin
) -> None:
    """Nobody who is left can see it: one heartbeat vouches for one period, and after that anybody goes on."""
    held = Hold(after_bytes=100)
    awkward_origin.misbehave("/lake/part00", held)
    with ExitStack() as stack:
        asking = crowds(stack, root, database_url, version, 2, PERIOD)
        task = Task(do="warm", ref=version.ref, hold_seconds=PERIOD, host=HOSTS[0], database_url=database_url, far=True)
        doomed = start(stack, root, task)
        doomed.until("begin")
        doomed.say("go")
        wait_for(lambda: len(awkward_origin.seen()) == len(BODIES) - 1)
        for crowd in asking:
            crowd.say("go")
            crowd.until("waits")
        doomed.popen.kill()
        done = results(asking)
    held.gate.set()
    assert not [line for line in done if "error" in line]
    assert sum(line["moved"] for line in done) == len(BODIES["part00"]), "all the rest was there"
    for path in {line["path"] for line in done}:
        assert_whole(Path(path))
    assert_all(nodes[1].hub, nodes[1].cache())


def test_BRAKE_each_node_has_its_own_word_on_whether_the_volume_is_away(
    root: Path, nodes: list[World], version: Version
) -> None:
    caches = [world.cache() for world in nodes]
    assert {cache.volume_id for cache in caches} == {caches[0].volume_id}
    caches[0].warm(version, holder())
    away = nodes[1].volume
    away.unlink()
    away.mkdir()
    with pytest.raises(UnavailableError, match="not mounted"):
        nodes[1].cache()
    for world, cache in ((nodes[0], caches[0]), (nodes[2], caches[2])):
        assert world.cache().warm(version, holder()).moved_bytes == 0
        assert cache.volume() == caches[0].volume(), "the record of the volume stays as it was"
    away.rmdir()
    away.symlink_to("volume")
    assert nodes[1].cache().warm(version, holder()).moved_bytes == 0
