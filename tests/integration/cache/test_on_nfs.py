"""A volume where a removed file that is open keeps a name: nothing of a fill stays behind. `make soak` has real NFS."""

from __future__ import annotations

import os
from pathlib import Path

from forebay.testing.cached import NfsDisk, World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder


def test_a_fill_has_closed_all_its_files_when_it_removes_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    cache = world.cache(disk=NfsDisk())
    version = world.add("clicks", {"a": b"1" * 3000, "b": b"2" * 500, "empty": b""})
    cache.warm(version, holder())
    assert list(cache.layout.incoming.iterdir()) == []
    assert_all(world.hub, cache)


def test_the_disk_keeps_a_name_as_nfs_does(tmp_path: Path) -> None:
    disk = NfsDisk()
    descriptor = disk.create(tmp_path / "a")
    disk.unlink(tmp_path / "a")
    assert [name[:4] for name in os.listdir(tmp_path)] == [".nfs"]
    disk.close(descriptor)
    assert os.listdir(tmp_path) == []
