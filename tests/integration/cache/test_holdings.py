"""Manifests are read once, however many rounds an eviction takes; what is still being learned is looked at again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from forebay.cache import holdings
from forebay.cache.contents import tree_manifest
from forebay.catalog.manifest import Manifest
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from tests.integration.cache.stage import Stage


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each tree's manifest was read."""
    found: Counter[str] = Counter()

    def counted(tree: Path, manifest_digest: str) -> Manifest:
        found[tree.parent.name] += 1
        return tree_manifest(tree, manifest_digest)

    monkeypatch.setattr(holdings, "tree_manifest", counted)
    return found


def test_making_room_reads_each_manifest_once(stage: Stage, reads: Counter[str]) -> None:
    world = World(stage.root)
    names = [f"d{number}" for number in range(8)]
    shared = b"s" * 900
    cache = world.cache()
    for name in names:
        cache.warm(world.add(name, {"own": name.encode() * 500, "shared": shared}), holder())

    for _ in range(3):
        assert cache.evictor.make_room(5000) >= 5000
    assert 0 < len(cache.replicas()) < 6
    cache.sweep()

    assert reads == dict.fromkeys(names, 1)
    assert_all(world.hub, cache)
    cache.warm(world.add("late", {"own": b"9" * 700, "shared": shared}), holder())
    alone = {item.candidate.replica.dataset: item.frees_bytes for item in cache.decisions()}
    assert alone["late"] == 700 + (900 if len(alone) == 1 else 0)
    assert reads["late"] == 1
    assert not any(reads[name] > 1 for name in names)
    world.hub.close()


def test_what_is_in_quarantine_does_not_come_free_with_its_replica(stage: Stage) -> None:
    world = World(stage.root)
    cache = world.cache()
    version = world.add("clicks", {"good": b"g" * 500, "bad": b"b" * 700})
    tree = cache.warm(version, holder()).path
    assert cache.evictor.frees([version.ref]) == [1200]
    (tree / "bad").chmod(0o644)
    (tree / "bad").write_bytes(b"x" * 700)

    _, damaged = cache.verify([version], stage.root / "memo", force=True)
    assert [replica.ref for replica in damaged] == [version.ref]

    assert cache.evictor.frees([version.ref]) == [500], "the same evictor has looked before"
    assert world.cache().evictor.frees([version.ref]) == [500]
    world.hub.close()


def test_nothing_shared_goes_while_a_manifest_cannot_be_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(stage.root)
    cache = world.cache()
    clicks, views = (
        world.add(name, {"own": name.encode() * 100, "shared": b"s" * 900}) for name in ("clicks", "views")
    )
    for version in (clicks, views):
        cache.warm(version, holder())
    records = cache.path(views) / ".forebay" / "manifest.forebay"
    kept = records.read_bytes()
    catalog = Path(world.hub.catalog.manifest_path(views.manifest_digest))
    for path in (records, catalog):
        path.chmod(0o644)
        path.write_bytes(b"nothing")
    fresh = world.cache()
    (replica,) = [item for item in fresh.replicas() if item.ref == clicks.ref]
    assert fresh.evictor.evict(replica, "asked").error is None
    assert sorted(path.stat().st_size for path in fresh.layout.blobs("default").glob("*/*")) == [500, 600, 900]
    for path in (records, catalog):
        path.write_bytes(kept)
    assert [item.ref for item in fresh.replicas()] == [views.ref]
    world.hub.close()
