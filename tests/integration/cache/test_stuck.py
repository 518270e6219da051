"""Files that will not go: the others go, the stuck bytes go on counting, and they are tried again later."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay.cache.health import Act
from forebay.errors import DamagedError
from forebay.fsio import Disk
from forebay.testing.cached import FailingDisk, World
from forebay.testing.cached.invariants import assert_all, assert_FITS
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState
from tests.integration.cache.stage import Stage, contents

CLICKS = {"part-0": b"0" * 5000, "part-1": b"1" * 3000}
VIEWS = {"part-0": b"2" * 4000}


class StickyDisk(Disk):
    """Refuses to rename or delete whatever holds these bytes, as an immutable file does."""

    def __init__(self, code: int = errno.EPERM) -> None:
        self.held: set[int] = set()
        self._code = code

    def rename(self, source: Path, target: Path) -> None:
        self._refuse(source)
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._refuse(path)
        super().unlink(path)

    def _refuse(self, path: Path) -> None:
        if path.is_file() and path.stat().st_ino in self.held:
            raise OSError(self._code, os.strerror(self._code), str(path))


@pytest.fixture
def world(stage: Stage) -> Iterator[World]:
    world = World(stage.root)
    yield world
    world.hub.close()


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.EBUSY], ids=errno.errorcode.get)
def test_FITS_what_will_not_go_holds_nothing_up_and_counts_until_it_goes(world: World, code: int) -> None:
    disk = StickyDisk(code)
    cache = world.cache(disk=disk)
    clicks, views = world.add("clicks", CLICKS), world.add("views", VIEWS)
    tree = cache.warm(clicks, holder()).path
    cache.warm(views, holder())
    disk.held.add((tree / "part-0").stat().st_ino)

    room = cache.evictor.make_room(12_000)

    assert cache.replicas() == [], "both went, the stuck one too"
    assert room >= 7000, "what was not stuck came free"
    events = world.hub.volumes.events(cache.volume_id, 10)
    (told,) = [item for item in events if item.event == "stuck"]
    assert told.ref == clicks.ref
    assert "could not be removed" in told.reason
    assert cache.volume().used_bytes >= 5000
    assert_FITS(world.hub, cache)
    assert cache.evictor.clear_stuck(), "it will not go yet"
    assert_FITS(world.hub, cache)

    assert contents(cache.warm(clicks, holder()).path) == CLICKS, "its version may come again meanwhile"
    cache.evictor.clear_stuck()
    assert contents(cache.path(clicks)) == CLICKS
    assert_FITS(world.hub, cache)
    disk.held.clear()
    assert cache.evictor.clear_stuck() == []
    assert contents(cache.path(clicks)) == CLICKS
    cache.sweep()
    assert_all(world.hub, cache)
    for replica in cache.replicas():
        assert cache.evictor.evict(replica, "asked").error is None
    cache.sweep()
    assert cache.volume().used_bytes == 0
    assert not list(cache.layout.trash.glob("*/*/*"))


def test_a_blob_that_would_not_go_goes_when_it_may(world: World) -> None:
    disk = StickyDisk()
    cache = world.cache(disk=disk)
    tree = cache.warm(world.add("clicks", CLICKS), holder()).path
    disk.held.add((tree / "part-1").stat().st_ino)
    (replica,) = cache.replicas()
    evicted = cache.evictor.evict(replica, "asked")
    assert evicted.error is None
    assert evicted.stuck
    assert cache.volume().used_bytes == 3000
    disk.held.clear()
    cache.sweep()
    assert cache.volume().used_bytes == 0
    assert_all(world.hub, cache)


def test_a_tree_that_will_not_move_stays_ready_and_the_next_one_goes(world: World) -> None:
    nailed: list[Path] = []

    class Nailed(Disk):
        def rename(self, source: Path, target: Path) -> None:
            if source in nailed:
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(source))
            super().rename(source, target)

    cache = world.cache(disk=Nailed())
    clicks, views = world.add("clicks", CLICKS), world.add("views", VIEWS)
    nailed.append(cache.path(clicks))
    unnailed = world.cache()
    for version in (clicks, views):
        unnailed.warm(version, holder())

    assert cache.evictor.make_room(12_000) > 0

    assert [(item.ref, item.state) for item in cache.replicas()] == [(clicks.ref, ReplicaState.READY)]
    assert "its eviction failed" in cache.replicas()[0].reason
    assert contents(cache.path(clicks)) == CLICKS
    assert unnailed.evictor.make_room(8000) > 0
    assert_all(world.hub, cache)


def test_who_waits_for_an_eviction_that_can_not_end_is_told_why(world: World) -> None:
    cache, clicks = world.cache(), world.add("clicks", CLICKS)
    tree = cache.warm(clicks, holder()).path
    broken = world.cache(disk=FailingDisk(lambda name, number: 0 if tree.exists() else errno.EIO))
    (replica,) = broken.replicas()
    assert broken.evictor.evict(replica, "asked").error is not None
    assert broken.replicas()[0].state is ReplicaState.EVICTING, "its tree has gone"
    with pytest.raises(DamagedError) as caught:
        broken.warm(clicks, holder())
    assert caught.value.kind == "disk-failing"
    cache.require(Act.FILL)
    assert contents(cache.warm(clicks, holder()).path) == CLICKS, "at once: nobody holds the eviction any more"
    assert_all(world.hub, cache)


@contextmanager
def _immutable(path: Path) -> Iterator[None]:
    subprocess.run(["chattr", "+i", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


@pytest.fixture
def ext4() -> Iterator[Path]:
    """A folder in which root can make a file immutable; memory file systems can't."""
    folder = Path(tempfile.mkdtemp(prefix="forebay-stuck-", dir=Path(__file__).parents[3]))
    probe = folder / "probe"
    probe.touch()
    able = os.geteuid() == 0 and shutil.which("chattr") is not None
    if able:
        able = subprocess.run(["chattr", "+i", str(probe)], capture_output=True).returncode == 0
        subprocess.run(["chattr", "-i", str(probe)], capture_output=True)
    try:
        if not able:
            pytest.skip("nobody may make files immutable here; the injected refusals above stand for it")
        yield folder
    finally:
        assert not Disk().remove_tree(folder)


def test_FITS_an_immutable_file_of_a_real_file_system(ext4: Path) -> None:
    world = World(ext4)
    cache = world.cache()
    clicks, views = world.add("clicks", CLICKS), world.add("views", VIEWS)
    tree = cache.warm(clicks, holder()).path
    cache.warm(views, holder())
    # By the blob's name: the tree's goes with the tree.
    inode = (tree / "part-0").stat().st_ino
    (blob,) = [path for path in cache.layout.blobs("default").glob("*/*") if path.stat().st_ino == inode]
    with _immutable(blob):
        cache.evictor.make_room(12_000)
        assert cache.replicas() == []
        assert cache.volume().used_bytes == 5000
        assert cache.evictor.clear_stuck()
        assert_FITS(world.hub, cache)
        assert contents(cache.warm(clicks, holder()).path) == CLICKS
        (replica,) = cache.replicas()
        assert cache.evictor.evict(replica, "asked").error is None
        assert_FITS(world.hub, cache)
    cache.sweep()
    assert cache.volume().used_bytes == 0
    assert_all(world.hub, cache)
    world.hub.close()
