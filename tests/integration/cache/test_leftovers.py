"""What dead fills left makes room for live ones, and a recover beside fills and deletions never counts too little."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from forebay.cache import look
from forebay.cache.engine import Cache
from forebay.cache.quarantine import unmark
from forebay.fsio import Disk, used_bytes_below
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.invariants import assert_account, assert_FITS
from forebay.testing.cached.world import holder
from forebay.wire.cache import Granted

MB = 1_000_000


def test_FITS_a_recover_while_leftovers_go_counts_them_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leftovers are deleted, recover counts what is there, and only then the hub is told that they are gone."""
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    cache = world.cache(limit_bytes=6 * MB)
    dead, kept, wanted = (world.add(name, {"part-0": name.encode() * MB}) for name in ("a", "bb", "ccc"))
    cache.warm(kept, holder())
    world.hub.replicas.pin(cache.volume_id, kept, "tester", "stays", 0.0)
    granted = world.hub.fills.claim(cache.volume_id, dead, holder(far=True))
    assert isinstance(granted, Granted)
    world.hub.fills.reserve(granted.fill_id, granted.token, MB, 1 << 40)
    left = cache.layout.fill(granted.fill_id) / str(granted.token) / "0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a" * MB)
    clock.pass_by(world.terms.hold_seconds + 1)

    volumes, tell = world.hub.volumes, world.hub.volumes.free_bytes
    seen: list[int] = []

    def recover_first(volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
        if not left.exists():
            seen.append(cache.recover().used_bytes)
        tell(volume_id, freed_bytes, counts)

    monkeypatch.setattr(volumes, "free_bytes", recover_first)
    cache.warm(wanted, holder())

    assert seen, "nothing made room"
    layout = cache.layout
    assert cache.volume().used_bytes >= used_bytes_below(layout.roots, layout.incoming, layout.trash)
    assert_FITS(world.hub, cache)


def _rested(world: World, cache: Cache) -> Callable[[], object]:
    """Something whose week in quarantine was over long ago."""
    (cache.layout.trash / "quarantine-0-part-0").write_bytes(b"q" * MB)
    world.hub.volumes.free_bytes(cache.volume_id, -MB)
    return cache.evictor.clear_quarantine


def _stuck(world: World, cache: Cache) -> Callable[[], object]:
    """What an eviction could not remove, and what would go now."""
    left = cache.layout.trash / "stuck-left-1-1" / "0"
    left.mkdir(parents=True)
    (left / "part-0").write_bytes(b"s" * MB)
    world.hub.volumes.free_bytes(cache.volume_id, -MB)
    return cache.evictor.clear_stuck


def _replaced(world: World, cache: Cache) -> Callable[[], object]:
    """A damaged tree, which has the last link to its file, and a fill that replaces it."""
    clicks = world.hub.catalog.resolve("clicks@v1")
    tree = cache.path(clicks)
    (blob,) = (path for path in cache.layout.blobs(clicks.group).glob("*/*") if path.samefile(tree / "part-0"))
    blob.unlink()
    unmark(tree, Disk())
    world.hub.replicas.mark_damaged(cache.volume_id, clicks, "the test says so")
    return lambda: cache.warm(clicks, holder())


@pytest.mark.parametrize("begin", [_rested, _stuck, _replaced])
def test_FITS_a_recover_while_something_is_deleted_counts_it_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    begin: Callable[[World, Cache], Callable[[], object]],
) -> None:
    """It is deleted, recover counts what is there, and only then the hub is told that it is gone."""
    world = World(tmp_path, clock=FakeClock())
    cache = world.cache(limit_bytes=20 * MB)
    cache.layout.trash.mkdir(exist_ok=True)
    cache.warm(world.add("clicks", {"part-0": b"c" * MB}), holder())
    cache.warm(world.add("views", {"part-0": b"v" * MB}), holder())
    delete, layout, seen = begin(world, cache), cache.layout, list[int]()
    tell = world.hub.volumes.free_bytes

    def recover_first(volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
        if not seen:
            seen.append(freed_bytes)
            cache.recover(force=True)
        tell(volume_id, freed_bytes, counts)

    monkeypatch.setattr(world.hub.volumes, "free_bytes", recover_first)
    delete()

    assert seen, "nothing was told"
    assert seen[0] >= MB
    assert cache.volume().used_bytes >= used_bytes_below(layout.roots, layout.incoming, layout.trash)
    cache.recover()
    assert_account(world.hub, cache)


def test_FITS_a_fill_that_ends_while_recover_counts_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recover has looked at the volume, a fill begins and ends, and only then the hub is told what was counted."""
    world = World(tmp_path, clock=FakeClock())
    cache = world.cache(limit_bytes=20 * MB)
    clicks, views = (world.add(name, {"part-0": name.encode() * MB}) for name in ("a", "bb"))
    cache.warm(clicks, holder())
    tell = world.hub.volumes.set_used_bytes

    def fill_first(volume_id: str, used_bytes: int, added_bytes: int | None = None) -> None:
        cache.warm(views, holder())
        tell(volume_id, used_bytes, added_bytes)

    monkeypatch.setattr(world.hub.volumes, "set_used_bytes", fill_first)
    cache.recover()

    assert_FITS(world.hub, cache)
    assert_account(world.hub, cache)


def test_FITS_what_a_live_fill_deletes_while_recover_looks_is_not_missed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held more when the fills were looked at than when the volume was."""
    world = World(tmp_path, clock=FakeClock())
    cache = world.cache(limit_bytes=20 * MB)
    clicks, views = (world.add(name, {"part-0": name.encode() * MB}) for name in ("a", "bb"))
    cache.warm(clicks, holder())
    granted = world.hub.fills.claim(cache.volume_id, views, holder())
    assert isinstance(granted, Granted)
    world.hub.fills.reserve(granted.fill_id, granted.token, 2 * MB, 1 << 40)
    temp = cache.layout.fill(granted.fill_id) / str(granted.token) / "0" / "0"
    temp.parent.mkdir(parents=True)
    temp.write_bytes(b"b" * MB)
    before = cache.volume().used_bytes

    def walk_later(*paths: Path, but: Sequence[Path] = ()) -> int:
        temp.unlink()
        return used_bytes_below(*paths, but=but)

    monkeypatch.setattr(look, "used_bytes_below", walk_later)
    cache.recover()

    assert not temp.exists()
    assert cache.volume().used_bytes == before


def test_CRASH_what_an_eviction_left_for_a_fill_goes_with_that_fill(tmp_path: Path) -> None:
    """A version is evicted while the fill of a part of it, which is dead, still counts on a file."""
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    cache = world.cache(limit_bytes=20 * MB)
    whole = world.add("clicks", {"part-0": b"0" * MB, "part-1": b"1" * MB})
    cache.warm(whole, holder())
    coming = world.subset(whole, ["part-1"])
    granted = world.hub.fills.claim(cache.volume_id, coming, holder(far=True))
    assert isinstance(granted, Granted)
    clock.pass_by(world.terms.hold_seconds + 1)
    (replica,) = (one for one in cache.replicas() if one.ref == whole.ref)
    assert cache.evictor.evict(replica, "asked").error is None
    (blob,) = cache.layout.blobs(whole.group).glob("*/*")

    cache.recover()

    assert not blob.exists()
    assert not cache.recover(dry_run=True).repairs.orphan_blobs, "a recovered volume needs no more"
    assert_account(world.hub, cache)
    clock.pass_by(8 * 86400.0)
    cache.evictor.clear_quarantine()
    assert cache.volume().used_bytes < MB
    assert_account(world.hub, cache)
