"""Disks that refuse: full, failing, read-only; and the life of a volume as an ordinary user, without root's pass."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from forebay.cache import verify
from forebay.digest import digest_file
from forebay.errors import CapacityError, ForebayError, NotAllowedError
from forebay.fsio import free_bytes
from forebay.testing.awkward import AwkwardOrigin, Hold
from forebay.testing.cached import FailingDisk, World
from forebay.testing.cached.invariants import assert_all, assert_CRASH, assert_FITS
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState
from tests.integration.cache.stage import (
    Stage,
    assert_mended,
    assert_unpublished,
    contents,
    until,
    without_privileges,
)

FILES = {f"day_{number}/part.tsv": bytes([number]) * (3000 * number) for number in range(6)}
MIB = 1 << 20
DISK_BYTES = 8 * MIB
WRITES = ("create", "append", "write", "write_at", "make_directories", "rename", "link", "copy", "sync_file_system")


@pytest.fixture
def world(stage: Stage) -> Iterator[World]:
    world = World(stage.root)
    yield world
    world.hub.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
# A fill of these files makes 81 effects; from the 63rd on it describes, syncs, publishes and marks the tree.
@pytest.mark.parametrize("first", [1, 9, 20, 33, 46, 57, 64, 65, 74])
def test_CRASH_a_fill_on_a_disk_that_refuses_from_some_write_on(world: World, first: int, code: int) -> None:
    version = world.add("clicks", FILES)
    world.cache()
    opened = FailingDisk()
    cache = world.cache(disk=opened, streams=1)
    start = opened.count
    opened.failing = lambda name, number: code if number >= start + first and name in WRITES else 0

    with pytest.raises(ForebayError) as caught:
        cache.warm(version, holder())

    expected = {errno.EIO: "disk-failing", errno.EROFS: "volume-read-only"}.get(code, "disk-full")
    assert caught.value.kind == expected
    assert isinstance(caught.value, CapacityError) == (expected == "disk-full")
    assert not [item for item in cache.replicas() if item.state is ReplicaState.READY]
    assert_CRASH(world.hub, cache)
    assert_FITS(world.hub, cache)
    opened.failing = lambda name, number: 0
    assert not cache.recover(force=True).failed
    assert_FITS(world.hub, cache)
    assert contents(cache.warm(version, holder()).path) == FILES
    assert_all(world.hub, cache)
    assert not list(cache.layout.incoming.iterdir())


def _full_from(at: int, _name: str, number: int) -> int:
    return errno.ENOSPC if number >= at else 0


@pytest.mark.parametrize("second", [1, 3, 5])
@pytest.mark.parametrize("first", [70, 74, 77, 80])
def test_FITS_what_one_fill_has_placed_the_next_that_fails_still_answers_for(
    world: World, first: int, second: int
) -> None:
    """The tree is whole in its place, and two holders after each other could not tell the hub."""
    version = world.add("clicks", FILES)
    world.cache()
    for refused_from in (first, second):
        disk = FailingDisk()
        cache = world.cache(disk=disk, streams=1)
        start = disk.count
        disk.failing = partial(_full_from, start + refused_from)
        with suppress(ForebayError):
            cache.warm(version, holder())
        assert_FITS(world.hub, cache)
    assert contents(world.cache().warm(version, holder()).path) == FILES
    assert_all(world.hub, world.cache())


@pytest.fixture
def full(awkward_origin: AwkwardOrigin) -> Iterator[Stage]:
    """A stage whose volume is a disk of its own, of a few MiB, where mounting is allowed."""
    with Stage(awkward_origin) as stage:
        stage.volume.mkdir()
        mounted = _mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(stage.volume))
        try:
            yield stage
        finally:
            stage.close()
            if mounted:
                subprocess.run(["umount", str(stage.volume)], check=True)


def _mount(*arguments: str) -> bool:
    return os.geteuid() == 0 and subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


def test_FITS_what_the_disk_has_no_room_for_is_refused_before_the_first_byte(full: Stage) -> None:
    version = full.add("clicks", {"large": b"0" * MIB, "part": b"1" * 1000})
    session = full.session(volume_limit="1GB")
    if not os.path.ismount(full.volume):
        pytest.skip("nobody may mount here; the injected errors above stand for a full disk")
    other = full.volume / "lost+found"
    other.write_bytes(bytes(free_bytes(full.volume) - MIB // 2))

    with pytest.raises(CapacityError) as caught:
        session.warm(version, "test")

    assert caught.value.kind == "no-room"
    assert full.gets("clicks", "large") == 0
    assert_unpublished(session, version)
    other.unlink()
    assert session.warm(version, "test").moved_bytes == MIB + 1000
    assert_mended(session)


def test_CRASH_a_disk_that_somebody_else_fills_during_a_fill(full: Stage) -> None:
    version = full.add("clicks", {"large": b"0" * (4 * MIB)})
    if not os.path.ismount(full.volume):
        pytest.skip("nobody may mount here; the injected errors above stand for a full disk")
    session = full.session(volume_limit="1GB")
    gate = Hold(after_bytes=MIB)
    assert full.origin is not None
    full.origin.misbehave(full.object("clicks", "large"), gate)
    other = full.volume / "lost+found"
    with ThreadPoolExecutor(1) as pool:
        filling = pool.submit(session.warm, version, "test")
        until(lambda: list(full.volume.glob("incoming/*/*/0/*")), "the fill writes")
        with other.open("wb", buffering=0) as file:
            while (left := free_bytes(full.volume)) > 0:
                file.write(bytes(min(left, MIB)))
        gate.gate.set()
        error = filling.exception()

    assert isinstance(error, CapacityError)
    assert error.kind == "disk-full"
    assert_unpublished(session, version)
    assert not list(full.volume.glob("incoming/*")), "a full disk is given back what the fill had"
    other.unlink()
    assert contents(session.warm(version, "test").path) == {"large": b"0" * (4 * MIB)}
    assert_mended(session)


def test_a_read_only_mount_serves_what_is_there(full: Stage) -> None:
    here, away = full.add("clicks", {"part": b"1" * 1000}), full.add("views", {"part": b"2" * 1000})
    session = full.session(volume_limit="1GB")
    session.warm(here, "test")
    if not os.path.ismount(full.volume):
        pytest.skip("nobody may mount here; the ordinary user below finds the same with modes")
    assert _mount("-o", "remount,ro", str(full.volume))
    fresh = full.session(volume_limit="1GB")

    leased = fresh.lease(here, "test")
    assert contents(leased.warmed.path) == {"part": b"1" * 1000}
    leased.close()
    with pytest.raises(NotAllowedError) as caught:
        fresh.warm(away, "test")
    assert caught.value.kind == "volume-read-only"
    evicted = fresh.cache.evictor.evict(fresh.cache.replicas()[0], "asked for")
    assert evicted.error is not None
    assert evicted.error.kind == "volume-read-only"
    assert contents(fresh.lease(here, "test").warmed.path) == {"part": b"1" * 1000}

    assert _mount("-o", "remount,rw", str(full.volume))
    assert contents(full.session().warm(away, "test").path) == {"part": b"2" * 1000}


def test_VERIFIED_a_file_that_cannot_be_read_is_taken_out_and_brought_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = stage.add("clicks", {f"part-{number}": bytes([number]) * 100 for number in range(30)})
    session = stage.session()
    tree = session.warm(version, "test").path

    def failing(path: Path, *, on_read: Callable[[int], object]) -> bytes:
        if path.name == "part-7":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return digest_file(path, on_read=on_read)

    monkeypatch.setattr(verify, "digest_file", failing)
    (result,), marked = session.cache.verify([version], session.memo_folder, force=False)
    monkeypatch.undo()

    assert [(bad.path, bad.why) for bad in result.bad] == [("part-7", "unreadable: Input/output error")]
    assert [item.ref for item in marked] == [version.ref]
    assert not (tree / ".forebay" / "complete.json").exists()
    warmed = session.warm(version, "test")
    assert warmed.moved_bytes == 100
    assert session.cache.verify([version], session.memo_folder, force=True)[1] == []
    assert_all(session.hub, session.cache)


def _forebay(stage: Stage, *arguments: str) -> tuple[int, str]:
    """The forebay program as an ordinary user; its exit status and all that it said."""
    environment = {f"FOREBAY_{name.upper()}": str(value) for name, value in stage.settings.items()}
    done = subprocess.run(
        [*without_privileges(), str(Path(sys.executable).with_name("forebay")), *arguments, "--json"],
        env={**environment, "HOME": str(stage.root), "PATH": os.environ["PATH"]},
        cwd=stage.root,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_ordinary_user_can_do_everything_twice(stage: Stage) -> None:
    for name, data in FILES.items():
        stage.put("clicks", name, data)
    commands = [
        ["dataset", "register", "clicks", f"{stage.lake.as_uri()}/clicks/"],
        ["cache", "warm", "clicks@v1"],
        ["cache", "verify", "--force"],
        ["cache", "evict", "clicks@v1", "--yes"],
        ["cache", "recover"],
        ["cache", "warm", "clicks@v1"],
        ["cache", "recover"],
    ]
    for command in commands:
        code, said = _forebay(stage, *command)
        assert code == 0, f"{command}: {said}"
    session = stage.session()
    assert contents(session.cache.path(session.hub.catalog.resolve("clicks"))) == FILES
    assert_mended(session)


def test_an_ordinary_user_is_told_of_a_volume_without_permission(stage: Stage) -> None:
    here, away = stage.add("clicks", FILES), stage.add("views", {"part": b"2" * 1000})
    session = stage.session()
    session.warm(here, "test")
    folders = [path for path in (stage.volume, *stage.volume.rglob("*")) if path.is_dir()]
    modes = {path: path.stat().st_mode & 0o777 for path in folders}
    for path in folders:
        path.chmod(0o555)

    code, _ = _forebay(stage, "path", here.ref)
    assert code == 0, "what is there can be read"
    code, said = _forebay(stage, "cache", "warm", away.ref)
    assert code != 0
    assert "volume-read-only" in said
    assert_unpublished(session, away)

    for path, mode in modes.items():
        path.chmod(mode)
    assert _forebay(stage, "cache", "warm", away.ref)[0] == 0
    assert_mended(session)


def test_an_ordinary_user_recovers_and_mends_what_was_damaged(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    session = stage.session()
    tree = session.warm(version, "test").path
    victim = tree / "day_5" / "part.tsv"
    victim.chmod(0o644)
    victim.write_bytes(b"x" * 15_000)
    victim.chmod(0o444)

    assert _forebay(stage, "cache", "verify", "--force")[0] != 0
    assert [item.state for item in session.cache.replicas()] == [ReplicaState.DAMAGED]
    code, said = _forebay(stage, "cache", "warm", version.ref)
    assert code == 0, said
    assert contents(tree) == FILES
    assert_all(session.hub, session.cache)
