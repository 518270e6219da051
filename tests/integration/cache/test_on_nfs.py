"""What is special on NFS, injected: open files keep a name, a node remembers names. `make soak` has real NFS."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.cached import FailingDisk, FakeClock, NfsDisk, World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState, VolumeState

FILES = {"a": b"1" * 3000, "b": b"2" * 500, "empty": b""}


class Memory:
    """An NFS client's: what another machine did to the names in a folder shows when the folder is opened."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self._news: dict[Path, Callable[[], object]] = {}
        self._open = os.open
        patched.setattr(os, "open", self.open)

    def later(self, folder: Path, happened: Callable[[], object]) -> None:
        self._news[folder] = happened

    def open(self, path: Any, flags: int, *given: Any, **named: Any) -> int:
        if flags & os.O_DIRECTORY and (news := self._news.pop(Path(path), None)):
            news()
        return self._open(path, flags, *given, **named)


def test_a_fill_has_closed_all_its_files_when_it_removes_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    cache = world.cache(disk=NfsDisk())
    version = world.add("clicks", FILES)
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


def test_VERIFIED_damage_that_another_node_found_is_not_called_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its marker and its blob are seen here still, though the other has taken them away."""
    world = World(tmp_path)
    version = world.add("clicks", FILES)
    cache = world.cache()
    warmed = cache.warm(version, holder())
    victim = warmed.path / "b"
    victim.chmod(0o644)
    victim.write_bytes(b"x" * 500)
    (blob,) = (
        path for path in cache.layout.roots.rglob("*") if path.is_file() and path.samefile(victim) and path != victim
    )
    marker = warmed.path / ".forebay/complete.json"
    cache.verify([version], tmp_path / "memo", force=True)
    hidden, gone = marker.with_name("damaged.json"), next(cache.layout.trash.glob("quarantine-*"))
    memory = Memory(monkeypatch)
    marker.parent.chmod(0o755)
    hidden.rename(marker)
    memory.later(marker.parent, lambda: marker.rename(hidden))
    gone.rename(blob)
    memory.later(blob.parent, lambda: blob.rename(gone))
    again = cache.warm(version, holder())
    assert again.moved_bytes == 500
    assert (again.path / "b").read_bytes() == FILES["b"]
    assert_all(world.hub, cache)


def test_a_fill_that_another_node_has_just_ended_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This node looked before the tree came, and remembers that there was none."""
    world = World(tmp_path)
    version = world.add("clicks", FILES)
    cache = world.cache()
    tree = cache.warm(version, holder()).path
    away = tmp_path / "away"
    tree.chmod(0o755)
    tree.rename(away)
    Memory(monkeypatch).later(tree.parent, lambda: away.rename(tree))
    assert cache.warm(version, holder()).moved_bytes == 0
    assert [replica.state for replica in cache.replicas()] == [ReplicaState.READY]


def test_a_holder_whose_folder_another_node_took_away_is_fenced_not_ill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All it hears from NFS is that its handles are stale; the disk is well, and the other's replica is here."""
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    version = world.add("clicks", FILES)

    def stale(*_: object) -> int:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def taken_over(_effect: str, number: int) -> int:
        if number != 30:
            return 0
        clock.pass_by(60.0)
        world.cache().warm(version, holder())
        monkeypatch.setattr("forebay.cache.charge.held_bytes", stale)
        return errno.ESTALE

    cache = world.cache(disk=FailingDisk(taken_over), streams=1)
    assert cache.warm(version, holder()).moved_bytes == 0
    assert cache.volume().state is VolumeState.NORMAL
    assert_all(world.hub, cache)
