"""The engine in one process: opening, verifying, mending; what is lost and what is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forebay.cache.engine import Cache
from forebay.errors import ConflictError, DamagedError, UnavailableError
from forebay.fsio import Disk
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version

FILES = {f"part{number}": bytes([number]) * 1000 for number in range(30)}


def spoil(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    path.chmod(0o444)


def state_of(cache: Cache, version: Version) -> ReplicaState:
    return {replica.ref: replica.state for replica in cache.replicas()}[version.ref]


def test_BRAKE_many_damaged_files_stop_the_verification(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    tree = cache.warm(version, holder()).path
    for number in range(2):
        spoil(tree / f"part{number}")
    with pytest.raises(DamagedError, match="2 of 30 files") as stopped:
        cache.verify([version], root / "memo", force=False)
    assert stopped.value.kind == "brake"
    assert state_of(cache, version) is ReplicaState.READY
    _, marked = cache.verify([version], root / "memo", force=True)
    assert [replica.ref for replica in marked] == [version.ref]
    assert cache.warm(version, holder()).moved_bytes == 2000
    assert_all(world.hub, cache)


def test_VERIFIED_one_bad_file_is_bad_in_every_version_that_shares_it(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    shared = world.register("shared", {"a": "clicks/part3"})
    other = world.register("other", {"b": "clicks/part9"})
    for item in (version, shared, other):
        cache.warm(item, holder())
    spoil(cache.path(version) / "part3")
    results, marked = cache.verify([version], root / "memo", force=False)
    assert [bad.path for bad in results[0].bad] == ["part3"]
    assert {replica.ref for replica in marked} == {version.ref, shared.ref}
    with pytest.raises(ConflictError):
        world.hub.leases.take(cache.volume_id, shared, holder())
    assert cache.warm(shared, holder()).moved_bytes == 1000
    assert cache.warm(version, holder()).moved_bytes == 0, "its good files and the mended one are here"
    assert_all(world.hub, cache)


def test_VERIFIED_only_what_changed_is_read_again(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    tree = cache.warm(version, holder()).path
    first, _ = cache.verify([version], root / "memo", force=False)
    (tree / "part7").chmod(0o400)
    again, _ = cache.verify([version], root / "memo", force=False)
    assert (first[0].hashed_files, again[0].hashed_files) == (30, 1)
    with pytest.raises(ConflictError):
        cache.verify([world.register("absent", {"a": "clicks/part1"})], root / "memo", force=False)


def test_RECOVERABLE_a_lost_hub_database_is_rebuilt_from_the_volume(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    cache.warm(version, holder())
    used_bytes = cache.volume().used_bytes
    world.hub.close()
    for path in (root / "home").glob("hub.db*"):
        path.unlink()
    after = World(root)
    cache = after.cache()
    assert cache.volume().used_bytes == used_bytes, "FITS: what the hub does not know takes room all the same"
    recovered = cache.recover()
    assert recovered.restored == [version.ref]
    with cache.lease(after.hub.catalog.resolve(version.ref), holder()) as leased:
        assert leased.warmed.moved_bytes == 0
    assert_all(after.hub, cache)


def test_IMMUTABLE_another_version_under_the_same_number_is_not_mistaken_for_it(root: Path) -> None:
    """The database was lost, and somebody registered other content before anybody ran recover."""
    world = World(root)
    cache = world.cache()
    old = world.add("clicks", FILES)
    cache.warm(old, holder())
    world.hub.close()
    for path in (root / "home").glob("hub.db*"):
        path.unlink()
    after = World(root)
    cache = after.cache()
    new = after.add("clicks", {"part0": b"new"})
    assert new.ref == old.ref
    with cache.lease(new, holder()) as leased:
        assert sorted(os.listdir(leased.warmed.path)) == [".forebay", "part0"]
        assert (leased.warmed.path / "part0").read_bytes() == b"new"
    cache.recover(force=True)
    assert_all(after.hub, cache)


def test_IN_USE_a_forked_child_does_not_end_its_parents_lease(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    with cache.lease(version, holder()) as leased:
        leased._pid += 1
        leased.close()
        assert cache.replicas()[0].leases == 1
        leased._pid -= 1
    assert cache.replicas()[0].leases == 0


def test_CRASH_a_marker_that_went_away_makes_it_damaged_and_is_mended(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    tree = cache.warm(version, holder()).path
    (tree / ".forebay").chmod(0o755)
    (tree / ".forebay/complete.json").unlink()
    with cache.lease(version, holder()) as leased:
        assert leased.warmed.moved_bytes == 0
    assert cache.replicas()[0].state is ReplicaState.READY
    cache.recover()
    assert_all(world.hub, cache)


def test_BRAKE_a_volume_that_vanishes_while_it_is_used_is_not_refilled(root: Path) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    cache.warm(version, holder())
    world.volume.rename(root / "away")
    world.volume.mkdir()
    with pytest.raises(UnavailableError, match="not mounted"):
        cache.lease(version, holder())
    (root / "volume").rmdir()
    (root / "away").rename(world.volume)
    with cache.lease(version, holder()) as leased:
        assert leased.warmed.moved_bytes == 0


def test_what_a_dead_fill_left_makes_room_before_a_replica_goes(root: Path) -> None:
    clock = FakeClock()
    world = World(root, clock=clock)
    ready, dead, wanted = (world.add(name, {"a": name.encode() * 20_000}) for name in ("ready", "dead", "wanted"))
    limit = 330_000
    cache = world.cache(limit_bytes=limit)
    cache.warm(ready, holder())
    granted = world.hub.fills.claim(cache.volume_id, dead, holder())
    folder = cache.layout.fill(granted.fill_id) / str(granted.token) / "0"  # type: ignore[union-attr]
    folder.mkdir(parents=True)
    (folder / "0").write_bytes(b"d" * 80_000)
    world.hub.fills.fail(granted.fill_id, granted.token, "killed", 80_000)  # type: ignore[union-attr]
    cache.warm(wanted, holder())
    assert {replica.ref for replica in cache.replicas()} == {ready.ref, wanted.ref}
    assert not list(cache.layout.incoming.iterdir())
    assert_all(world.hub, cache)


def test_opening_costs_the_same_whatever_the_number_of_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    cache.warm(version, holder())
    seen: list[str] = []
    monkeypatch.setattr(world.hub.catalog, "manifest_path", lambda digest: seen.append(digest))
    monkeypatch.setattr(os, "scandir", lambda path: seen.append(str(path)))
    with cache.lease(version, holder()) as leased:
        assert leased.warmed.path.is_dir()
    assert seen == []


class WitnessedDisk(Disk):
    """Notes in which order the witness is opened, files are made, syncs hear of it, and it is closed."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.witness = -1

    def open_witness(self, path: Path) -> int:
        self.seen.append("opened")
        self.witness = super().open_witness(path)
        return self.witness

    def create(self, path: Path) -> int:
        self.seen.append("created")
        return super().create(path)

    def sync_file_system(self, path: Path, witness: int | None = None) -> None:
        assert witness == self.witness
        self.seen.append("synced")
        super().sync_file_system(path, witness)

    def close(self, descriptor: int) -> None:
        if descriptor == self.witness:
            self.seen.append("closed")
        super().close(descriptor)


def test_VERIFIED_the_sync_is_told_of_every_write_that_failed_since_the_fill_began(root: Path) -> None:
    world, disk = World(root), WitnessedDisk()
    version = world.add("clicks", FILES)
    world.cache(disk=disk).warm(version, holder())
    assert disk.seen.count("created") >= len(FILES)
    assert [step for step in disk.seen if step != "created"] == ["opened", "synced", "synced", "closed"]
    assert disk.seen[0] == "opened"
