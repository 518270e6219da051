"""`kill -9` of real processes at every kind of step: what is there afterwards is the state before or after it."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.cache.engine import Cache
from forebay.cache.journal import RECORD_BYTES
from forebay.cache.machine import Terms
from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.local import LocalHub
from forebay.testing.awkward import AwkwardOrigin, Hold
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.invariants import assert_all, assert_CRASH, assert_FITS
from forebay.testing.cached.process import CacheProcess, Task
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version

FILES = {f"day_{number}/part.tsv": bytes([number]) * (3000 * number) for number in range(6)}
# A fill of these files makes about 70 effects, an eviction about 30.
FILL_EFFECTS = sorted(random.Random(7).sample(range(1, 75), 7))
EVICT_EFFECTS = sorted(random.Random(8).sample(range(1, 22), 4))


def later(world: World) -> tuple[World, Cache]:
    """The same world when every hold has run out."""
    clock = FakeClock(time.time() + 3600)
    after = World(world.root, clock=clock)
    return after, after.cache()


def ready(cache: Cache) -> list[str]:
    return [replica.ref for replica in cache.replicas() if replica.state is ReplicaState.READY]


@pytest.mark.parametrize("kill_at", FILL_EFFECTS)
def test_CRASH_a_killed_fill_is_recovered_and_resumed(root: Path, kill_at: int) -> None:
    world = World(root)
    version = world.add("clicks", FILES)
    with CacheProcess.start(
        root, Task(do="warm", ref=version.ref, kill_at=kill_at, kill_after=kill_at % 2 == 1)
    ) as one:
        one.say("go")
        killed = one.wait_killed()
    after, cache = later(world)
    if cache.path(version).exists():
        assert_CRASH(after.hub, cache)
    if kill_at % 3 == 0:
        recovered = cache.recover()
        assert not recovered.failed
        assert_FITS(after.hub, cache)
        assert not [r for r in cache.replicas() if r.state in (ReplicaState.FILLING, ReplicaState.EVICTING)]
    cache.warm(version, holder())
    assert ready(cache) == [version.ref]
    assert_all(after.hub, cache)
    assert list(cache.layout.incoming.iterdir()) == []
    assert killed or kill_at > 60


@pytest.mark.parametrize("kill_at", EVICT_EFFECTS)
def test_CRASH_a_killed_eviction_is_ended_or_never_began(root: Path, kill_at: int) -> None:
    world = World(root)
    kept, version = world.add("kept", {"a": b"1" * 5000}), world.add("clicks", FILES)
    before = world.cache()
    before.warm(kept, holder())
    before.warm(version, holder())
    with CacheProcess.start(
        root, Task(do="evict", ref=version.ref, kill_at=kill_at, kill_after=kill_at % 2 == 1)
    ) as one:
        one.wait_killed()
    after, cache = later(world)
    if kill_at % 2:
        cache.recover()
        assert ready(cache) in ([kept.ref], [version.ref, kept.ref])
        assert_all(after.hub, cache)
    cache.warm(version, holder())
    assert ready(cache) == [version.ref, kept.ref]
    assert_all(after.hub, cache)


class Origin:
    """A lake that counts: objects behind HTTP."""

    def __init__(self, origin: AwkwardOrigin, hub: LocalHub, sizes: dict[str, int]) -> None:
        self.origin = origin
        self.bodies = {name: random.Random(size).randbytes(size) for name, size in sizes.items()}
        etags = {name: origin.put(f"/lake/{name}", body) for name, body in self.bodies.items()}
        entries = [Entry(path=name, size_bytes=len(body), etag=etags[name]) for name, body in self.bodies.items()]
        self.version: Version = add_version(hub, "clicks", Manifest.registered(entries), f"{origin.url}/lake")


def killed_while_held(root: Path, lake: Origin, name: str, after_bytes: int, journalled: int) -> None:
    """Kill a fill that waits for the rest of one object, when its journal has so many records."""
    held = Hold(after_bytes=after_bytes)
    lake.origin.misbehave(f"/lake/{name}", held)
    with CacheProcess.start(root, Task(do="warm", ref=lake.version.ref, streams=1)) as one:
        one.say("go")
        wait_for(lambda: records(root) >= journalled and held.reached.is_set())
        one.popen.kill()
        one.popen.wait()
    held.gate.set()
    wait_for(lambda: bool(lake.origin.seen(f"/lake/{name}")))


def test_CRASH_small_objects_that_had_arrived_are_not_fetched_again(root: Path, awkward_origin: AwkwardOrigin) -> None:
    world = World(root)
    lake = Origin(awkward_origin, world.hub, {f"small{at:02}": 20_000 - at for at in range(30)})
    killed_while_held(root, lake, "small25", 100, 25)
    after, cache = later(world)
    warmed = cache.warm(lake.version, holder())
    assert all(len(awkward_origin.seen(f"/lake/{name}")) == (2 if name == "small25" else 1) for name in lake.bodies)
    assert warmed.moved_bytes == sum(20_000 - at for at in range(25, 30))
    assert all((warmed.path / name).read_bytes() == body for name, body in lake.bodies.items())
    assert_all(after.hub, cache)


def test_CRASH_a_big_object_goes_on_from_its_last_checkpoint(root: Path, awkward_origin: AwkwardOrigin) -> None:
    world = World(root)
    lake = Origin(awkward_origin, world.hub, {"big": 150 << 20})
    killed_while_held(root, lake, "big", 140 << 20, 2)
    before = awkward_origin.sent_bytes("/lake/big")
    after, cache = later(world)
    warmed = cache.warm(lake.version, holder())
    assert warmed.moved_bytes == awkward_origin.sent_bytes("/lake/big") - before
    assert 0 < warmed.moved_bytes <= 22 << 20, "the last checkpoint was at 128 MiB"
    assert (warmed.path / "big").read_bytes() == lake.bodies["big"]
    assert_all(after.hub, cache)


def records(root: Path) -> int:
    return sum(path.stat().st_size // RECORD_BYTES for path in root.glob("volume/incoming/*/*/journal"))


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll; the test's own timeout bounds it."""
    while not condition():
        time.sleep(0.01)


def test_a_hub_that_is_locked_beyond_the_hold_stops_no_fill(root: Path, awkward_origin: AwkwardOrigin) -> None:
    world = World(root, terms=Terms(hold_seconds=0.5))
    lake = Origin(awkward_origin, world.hub, {"a": 3 << 20, "b": 10})
    held = Hold(after_bytes=1 << 20)
    awkward_origin.misbehave("/lake/a", held)
    with CacheProcess.start(root, Task(do="warm", ref=lake.version.ref, hold_seconds=0.5)) as one:
        one.say("go")
        wait_for(lambda: bool(awkward_origin.seen("/lake/b")))
        other = sqlite3.connect(root / "home/hub.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked_at = time.monotonic()
        wait_for(lambda: time.monotonic() > locked_at + 1.0)
        held.gate.set()
        wait_for(lambda: bool(awkward_origin.seen("/lake/a")))
        other.execute("ROLLBACK")
        other.close()
        assert one.result()["moved"] == (3 << 20) + 10
    assert len(awkward_origin.seen()) == 2
    assert_all(world.hub, world.cache())
