"""Trees whose records are named `*.parquet` stay replicas like any other: what they hold is not moved again."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.cache.contents import load_contents
from forebay.cache.engine import Cache
from forebay.cache.recover import Recovered
from forebay.cache.salvage import sources
from forebay.cache.volume import take_over
from forebay.fsio import Disk
from forebay.lake.stores import LakeStore
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.compat.make_volume1 import files

REFS = ["clicks@v1", "clicks@v1[:day]"]
BEFORE = {"manifest.parquet", "seal.parquet", "recipe.parquet"}


def _no_lake(version: Version) -> LakeStore:
    raise AssertionError("what is here is not fetched again")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with tarfile.open(Path(__file__).parent / "volume1.tar.xz") as tar:
        tar.extractall(tmp_path, filter="fully_trusted")
    made = World(tmp_path)
    take_over(made.volume, made.hub.owner, Disk())
    yield made
    made.hub.close()
    assert not Disk().remove_tree(made.volume)


@pytest.fixture
def cache(world: World) -> Cache:
    """The volume after its recovery by a hub that has never seen it; every object of it is in the lake."""
    cache = world.cache(open_lake=_no_lake, confirm_lake=lambda version: None)
    _recover(cache)
    return cache


def _recover(cache: Cache) -> Recovered:
    done = cache.recover()
    assert not [*done.failed, *done.stuck, *done.repairs.damaged, *done.repairs.orphan_blobs]
    return done


def test_a_volume_of_old_names_is_recovered(world: World, cache: Cache) -> None:
    trees = [path for _, path in cache.layout.tree_paths()]
    found = {path.name for tree in trees for path in (tree / ".forebay").iterdir()}
    assert found == BEFORE | {"complete.json"}, "this is what the test is about"
    assert [(item.ref, item.state) for item in cache.replicas()] == [(ref, ReplicaState.READY) for ref in REFS]
    whole, part = map(cache.resolve, REFS)
    assert whole.sealed
    assert part.sealed
    assert set(load_contents(world.hub.catalog, part).cuts) == {"days/day_0.parquet", "days/day_1.parquet"}
    assert_all(world.hub, cache)
    again = _recover(cache)
    assert not [*again.restored, *again.repairs.adopt, *again.repairs.forget]


def test_its_replicas_are_opened_and_verified(cache: Cache, tmp_path: Path) -> None:
    whole = cache.resolve(REFS[0])
    with cache.lease(whole, holder()) as leased:
        assert leased.warmed.moved_bytes == 0
        assert {name: (leased.warmed.path / name).read_bytes() for name in files()} == files()
    verified, damaged = cache.verify([cache.resolve(ref) for ref in REFS], tmp_path / "memo", force=False)
    assert ([item.bad for item in verified], damaged) == ([(), ()], [])


def test_fills_take_what_its_trees_hold(world: World, cache: Cache) -> None:
    """By the manifest that lies in a tree, and by the recipe of its cut files."""
    whole = load_contents(world.hub.catalog, cache.resolve(REFS[0]))
    (part,) = [item for item in cache.replicas() if item.subset]
    wanted = {entry.path: entry for entry in whole.manifest.entries()}
    found = sources(cache.layout, part, wanted, {})
    assert set(found) == set(files())
    assert found["days/day_0.parquet"].pieces[0].start > 0, "it was cut out of the object"


def test_its_replicas_are_evicted(world: World, cache: Cache) -> None:
    for replica in cache.replicas():
        assert cache.evictor.evict(replica, "asked").error is None
    assert not cache.replicas()
    assert not list(cache.layout.tree_paths())
    assert not list(cache.layout.blobs("default").glob("*/*"))
    assert cache.volume().used_bytes == 0
    _recover(cache)


def test_what_is_filled_anew_has_the_new_names(world: World) -> None:
    cache = world.cache()
    version = world.add("views", {"day_0": b"views"})
    records = cache.warm(version, holder()).path / ".forebay"
    assert {path.name for path in records.iterdir()} == {"manifest.forebay", "seal.forebay", "complete.json"}
