"""Versions that share files: only what is new moves, whatever dataset, order or time, also while both are filled."""

from __future__ import annotations

import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.digest import new_hasher
from forebay.hub.local import LocalHub
from forebay.testing.awkward import AwkwardOrigin, Hold
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.process import CacheProcess, Task
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.faults.test_killed import wait_for

SIZE = 40_000


class Lake:
    """Objects behind HTTP, counted, and versions of them."""

    def __init__(self, origin: AwkwardOrigin, hub: LocalHub) -> None:
        self.origin = origin
        self.hub = hub
        self.bodies: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}

    def put(self, *names: str) -> None:
        for name in names:
            self.bodies[name] = random.Random(name).randbytes(SIZE)
            self.etags[name] = self.origin.put(f"/lake/{name}", self.bodies[name])

    def register(self, dataset: str, names: str) -> Version:
        """A version of the objects with these one-letter names, under paths of the dataset's own."""
        self.put(*(name for name in names if name not in self.bodies))
        entries = [
            Entry(path=f"{dataset}/{name}", size_bytes=SIZE, key=name, etag=self.etags[name]) for name in sorted(names)
        ]
        return add_version(self.hub, dataset, Manifest.registered(entries), f"{self.origin.url}/lake")

    def commit(self, dataset: str, names: str) -> Version:
        """A version of the same contents, by digest: its objects lie elsewhere."""
        entries = [
            Entry(path=f"{dataset}/{name}", size_bytes=SIZE, key=f"copy-{name}", digest=digest(self.bodies[name]))
            for name in sorted(names)
        ]
        for name in names:
            self.origin.put(f"/lake/copy-{name}", self.bodies[name])
        return add_version(self.hub, dataset, Manifest.committed(entries), f"{self.origin.url}/lake")

    def gets(self) -> Mapping[str, int]:
        """How often each object was asked for."""
        counts: dict[str, int] = {}
        for seen in self.origin.seen(method="GET"):
            counts[seen.path.removeprefix("/lake/")] = counts.get(seen.path.removeprefix("/lake/"), 0) + 1
        return counts

    def assert_whole(self, tree: Path, names: str) -> None:
        found = {path.name: path.read_bytes() for path in tree.glob("*/*") if path.parent.name != ".forebay"}
        assert found == {name: self.bodies[name] for name in names}


def digest(body: bytes) -> str:
    hasher = new_hasher()
    hasher.update(body)
    return hasher.hexdigest()


@pytest.fixture
def world(root: Path) -> World:
    return World(root)


@pytest.fixture
def lake(world: World, awkward_origin: AwkwardOrigin) -> Lake:
    return Lake(awkward_origin, world.hub)


def test_another_dataset_registered_before_anything_was_filled_moves_only_what_is_new(world: World, lake: Lake) -> None:
    cache = world.cache()
    first, second = lake.register("clicks", "abcd"), lake.register("views", "bcde")
    cache.warm(first, holder())
    warmed = cache.warm(second, holder())
    assert (warmed.moved_bytes, warmed.present_bytes) == (SIZE, 3 * SIZE)
    assert lake.gets() == dict.fromkeys("abcde", 1)
    lake.assert_whole(warmed.path, "bcde")
    assert world.hub.catalog.resolve(second.ref).sealed
    assert_all(world.hub, cache)


def test_a_version_that_is_not_the_latest_is_found_too(world: World, lake: Lake) -> None:
    cache = world.cache()
    first, _, third = lake.register("clicks", "abc"), lake.register("clicks", "xyz"), lake.register("clicks", "abcd")
    cache.warm(first, holder())
    assert cache.warm(third, holder()).moved_bytes == SIZE
    assert_all(world.hub, cache)


def test_the_older_version_profits_from_the_newer_one(world: World, lake: Lake) -> None:
    cache = world.cache()
    older, newer = lake.register("clicks", "abc"), lake.register("clicks", "bcd")
    cache.warm(newer, holder())
    assert cache.warm(older, holder()).moved_bytes == SIZE
    assert lake.gets() == dict.fromkeys("abcd", 1)


def test_registered_and_committed_share_by_digest(world: World, lake: Lake) -> None:
    cache = world.cache()
    registered = lake.register("clicks", "abc")
    committed = lake.commit("features", "bc")
    cache.warm(registered, holder())
    assert cache.warm(committed, holder()).moved_bytes == 0
    cache.evictor.evict(cache.replicas()[0], "asked")
    again = cache.warm(registered, holder())
    assert again.moved_bytes == SIZE, "what the committed version holds stayed"
    assert lake.gets() == {"a": 2, "b": 1, "c": 1}
    assert_all(world.hub, cache)


def test_an_object_that_was_replaced_is_not_the_same(world: World, lake: Lake) -> None:
    cache = world.cache()
    cache.warm(lake.register("clicks", "ab"), holder())
    lake.bodies["b"] = random.Random("new b").randbytes(SIZE)
    lake.etags["b"] = lake.origin.put("/lake/b", lake.bodies["b"])
    warmed = cache.warm(lake.register("views", "ab"), holder())
    assert warmed.moved_bytes == SIZE
    lake.assert_whole(warmed.path, "ab")


def test_PRIVATE_another_access_group_is_no_source(world: World, lake: Lake, tmp_path: Path) -> None:
    cache = world.cache()
    cache.warm(lake.register("clicks", "ab"), holder())
    world.hub.catalog._group = "others"
    warmed = cache.warm(lake.register("views", "ab"), holder())
    assert warmed.moved_bytes == 2 * SIZE
    assert_all(world.hub, cache)


def test_ONE_FILL_two_versions_filled_at_once_fetch_what_they_share_once(
    root: Path, world: World, lake: Lake, awkward_origin: AwkwardOrigin
) -> None:
    first, second = lake.register("clicks", "abcd"), lake.register("views", "bcdxy")
    held = Hold(after_bytes=SIZE // 2)
    awkward_origin.misbehave("/lake/c", held)
    with (
        CacheProcess.start(root, Task(do="warm", ref=first.ref, purpose="the first")) as one,
        CacheProcess.start(root, Task(do="warm", ref=second.ref)) as two,
    ):
        one.say("go")
        wait_for(lambda: {"a", "b", "d"} <= lake.gets().keys())
        two.say("go")
        assert "the first" in two.until("waits")["who"], "it says whom it waits for"
        assert {"x", "y"} <= lake.gets().keys(), "the rest was moved meanwhile"
        held.gate.set()
        assert one.result()["moved"] == 4 * SIZE
        result = two.result()
    assert (result["moved"], result["present"]) == (2 * SIZE, 3 * SIZE)
    assert max(result["seen"]) == 5 * SIZE
    assert lake.gets() == dict.fromkeys("abcdxy", 1)
    lake.assert_whole(Path(result["path"]), "bcdxy")
    assert_all(world.hub, world.cache())


@pytest.mark.parametrize("how", ["killed", "stopped", "failed"])
def test_ONE_FILL_who_waits_goes_on_when_the_other_fill_ends(
    root: Path, world: World, lake: Lake, awkward_origin: AwkwardOrigin, how: str
) -> None:
    first, second = lake.register("clicks", "abc"), lake.register("views", "bcx")
    held = Hold(after_bytes=SIZE // 2)
    awkward_origin.misbehave("/lake/c", held)
    short = 1.0 if how == "stopped" else 600.0
    if how == "failed":
        awkward_origin.put("/lake/a", b"another object")
    with (
        CacheProcess.start(root, Task(do="warm", ref=first.ref, hold_seconds=short)) as one,
        CacheProcess.start(root, Task(do="warm", ref=second.ref, hold_seconds=short)) as two,
    ):
        one.say("go")
        wait_for(lambda: {"a", "b"} <= lake.gets().keys())
        two.say("go")
        two.until("waits")
        if how == "killed":
            one.popen.kill()
        elif how == "stopped":
            one.stop()
        else:
            held.gate.set()
            assert one.result()["error"] == "object-changed"
        result = two.result()
        assert "error" not in result, result
        lake.assert_whole(Path(result["path"]), "bcx")
        assert lake.gets()["x"] == 1
        if how == "stopped":
            one.go_on()
            held.gate.set()
            assert "error" not in one.result(), "it still held its own fill"
    held.gate.set()
    after = World(root)
    cache = after.cache()
    if how == "failed":
        awkward_origin.put("/lake/a", lake.bodies["a"])
    lake.assert_whole(cache.warm(first, holder()).path, "abc")
    assert {replica.state for replica in cache.replicas()} == {ReplicaState.READY}
    assert_all(after.hub, cache)


def test_FITS_what_another_fill_brings_is_not_reserved_twice(
    root: Path, world: World, lake: Lake, awkward_origin: AwkwardOrigin
) -> None:
    """Six objects fit with the records of two versions; the two list nine."""
    first, second = lake.register("clicks", "abcd"), lake.register("views", "bcdxy")
    limit = 6 * SIZE + 2 * (64 << 10) + 40_000
    held = Hold(after_bytes=SIZE // 2)
    awkward_origin.misbehave("/lake/c", held)
    cache = world.cache(limit_bytes=limit)
    with (
        CacheProcess.start(root, Task(do="warm", ref=first.ref, limit_bytes=limit)) as one,
        ThreadPoolExecutor() as pool,
    ):
        one.say("go")
        wait_for(lambda: {"a", "b", "d"} <= lake.gets().keys())
        other = pool.submit(cache.warm, second, holder())
        wait_for(lambda: {"x", "y"} <= lake.gets().keys())
        held.gate.set()
        assert other.result().moved_bytes == 2 * SIZE
        one.result()
    assert lake.gets() == dict.fromkeys("abcdxy", 1)
    assert_all(world.hub, cache)
