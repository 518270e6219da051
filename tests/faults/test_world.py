"""The world around a cache changes in the middle: the clock jumps, the database is locked or gone, the volume is away,
advisory locks do not work. Nothing wrong is ready; afterwards every invariant holds, and the next fill succeeds.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forebay.catalog.engine import open_engine
from forebay.errors import ConflictError, ForebayError
from forebay.fsio import Disk
from forebay.hub import local
from forebay.testing.cached import FailingDisk, World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from forebay.wire.cache import Lease
from tests.faults.stage import ACTIONS, FILES, OTHERS, Scene, Snapshot, judge

HOUR = 3600.0


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])
@pytest.mark.parametrize("name", ["fill", "evict"])
def test_CRASH_the_clock_jumps_an_hour_in_the_middle(root: Path, name: str, seconds: float) -> None:
    before, action = ACTIONS[name]
    scene = Scene(root, before)
    snapshot = Snapshot(scene.world, scene.clock)
    for number in range(1, 60, 6):
        snapshot.restore()

        def jump(_name: str, count: int, at: int = number) -> int:
            if count == at:
                scene.clock.jump(seconds)
            return 0

        error, _ = scene.refuse(action, jump)
        assert error is None, f"{name} did not outlive a jump at effect {number}"
        judge(scene.world, [scene.version, scene.other], recover=number % 4 == 1)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])
def test_IN_USE_a_lease_outlives_a_jump_of_the_clock(root: Path, seconds: float) -> None:
    """Before its next heartbeat has renewed it, too, since its holder is seen to live; and after that."""
    scene = Scene(root, "ready")
    with scene.cache.lease(scene.version, holder()) as leased:
        scene.clock.jump(seconds)
        with pytest.raises(ConflictError, match="in use"):
            ACTIONS["evict"][1](scene.cache, scene.version)
        scene.world.hub.leases.renew(leased.lease.lease_id)
        with pytest.raises(ConflictError, match="in use"):
            ACTIONS["evict"][1](scene.cache, scene.version)
    judge(scene.world, [scene.version, scene.other], recover=True)


def test_IN_USE_a_lease_whose_answer_was_long_in_coming_is_not_believed(root: Path) -> None:
    """Its program was stopped before it heard, for longer than the lease lasted; the replica went meanwhile."""
    scene = Scene(root, "ready")

    def evict() -> None:
        scene.clock.pass_by(scene.world.terms.lease_seconds + 1)
        ACTIONS["evict"][1](scene.cache, scene.version)

    late = LateLeases(scene.world.hub, evict)
    with scene.world.cache(hub=late).lease(scene.version, holder(far=True)) as leased:
        assert leased.warmed.moved_bytes > 0, "what had gone came again"
        live = scene.world.hub.leases.live(scene.cache.volume_id)
        assert [item.lease_id for item in live] == [leased.lease.lease_id]
        with pytest.raises(ConflictError, match="in use"):
            ACTIONS["evict"][1](scene.cache, scene.version)
    judge(scene.world, [scene.version, scene.other], recover=True)


class LateLeases:
    """A hub whose first answer to who takes a lease is held back until something was done."""

    def __init__(self, part: Any, meanwhile: Callable[[], None]) -> None:
        self._part = part
        self._meanwhile: Callable[[], None] | None = meanwhile

    @property
    def leases(self) -> Any:
        return LateLeases(self._part.leases, self._do)

    def take(self, *given: Any) -> Lease:
        lease: Lease = self._part.take(*given)
        self._do()
        return lease

    def _do(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


def test_ONE_FILL_a_dead_holder_is_replaced_although_the_clock_went_back(root: Path) -> None:
    scene = Scene(root, "absent")
    scene.die(ACTIONS["fill"][1], 30, after=True)
    scene.clock.jump(-HOUR)
    scene.clock.pass_by(60.0)
    claim = scene.world.hub.fills.look(scene.cache.volume_id, scene.version)
    assert claim is None, "a claim lasts longer than a claim may"
    judge(scene.world, [scene.version, scene.other], recover=False)


def _locked_or_gone(world: World, seconds: float, *, gone: bool) -> None:
    """Take the database away from everybody for so long."""
    database = world.home / "hub.db"
    if gone:
        away = world.home.rename(world.home.with_name("home-away"))
        world.home.touch()
        time.sleep(seconds)
        world.home.unlink()
        away.rename(world.home)
        return
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    time.sleep(seconds)
    other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize(
    ("gone", "seconds", "busy_seconds", "effects"),
    [
        pytest.param(False, 1.5, 0.2, (5, 40), id="locked"),
        pytest.param(True, 1.0, 0.2, (5, 40), id="gone"),
        pytest.param(False, 30.0, 30.0, (40,), id="locked for 30 s"),
        pytest.param(True, 10.0, 30.0, (40,), id="gone for 10 s"),
    ],
)
def test_CRASH_the_database_is_away_during_a_fill(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    gone: bool,
    seconds: float,
    busy_seconds: float,
    effects: tuple[int, ...],
) -> None:
    monkeypatch.setattr(local, "open_engine", lambda url: open_engine(url, busy_seconds=busy_seconds))
    scene = Scene(root, "absent")
    snapshot = Snapshot(scene.world, scene.clock)
    for number in effects:
        snapshot.restore()
        scene.world.cache()

        away = threading.Thread(target=_locked_or_gone, args=(scene.world, seconds), kwargs={"gone": gone})

        def take_away(_name: str, count: int, at: int = number, away: threading.Thread = away) -> int:
            if count == at:
                away.start()
            return 0

        error, _ = scene.refuse(ACTIONS["fill"][1], take_away)
        away.join()
        kinds = {
            "database-busy",
            "database-away",
            "home-read-only",
            "catalog-unwritable",
            "catalog-away",
            "volume-away",
        }
        assert error is None or error.kind in kinds, error
        scene.world.hub.close()
        scene.clock.pass_by(HOUR)
        judge(scene.world, [scene.version, scene.other], recover=number == 5)


@pytest.mark.parametrize("name", ["fill", "repair", "evict"])
def test_BRAKE_the_volume_goes_away_and_comes_back(root: Path, name: str) -> None:
    """From some effect on there is an empty folder instead; an unmounted volume looks like that."""
    before, action = ACTIONS[name]
    scene = Scene(root, before)
    snapshot, away = Snapshot(scene.world, scene.clock), root / "away"
    for number in range(2, 80, 5):
        snapshot.restore()

        def unmount(_name: str, count: int, at: int = number) -> int:
            if count == at:
                scene.world.volume.rename(away)
                scene.world.volume.mkdir()
            return 0

        error, effects = scene.refuse(action, unmount)
        if effects < number:
            break
        with pytest.raises(ForebayError, match="volume"):
            scene.world.cache()
        Disk().remove_tree(scene.world.volume)
        away.rename(scene.world.volume)
        scene.clock.pass_by(HOUR)
        try:
            judge(scene.world, [scene.version, scene.other], recover=number % 2 == 0)
        except BaseException as failure:
            failure.add_note(f"{name}: the volume was away from effect {number} on; the action said {error}")
            raise


def test_no_advisory_lock_is_taken_on_the_volume(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All locks of the process fail, and at every effect the kernel's list names no file of the volume."""

    def no_locks(*_given: Any, **_named: Any) -> Any:
        raise OSError(37, "No locks available")

    for module, name in ((fcntl, "flock"), (fcntl, "lockf"), (fcntl, "fcntl"), (os, "lockf")):
        monkeypatch.setattr(module, name, no_locks)
    world, found = World(root), list[str]()

    def look(_name: str, _count: int) -> int:
        found.extend(_locks_below(world.volume))
        return 0

    cache = world.cache(disk=FailingDisk(look))
    version, other = world.add("clicks", FILES), world.add("other", OTHERS)
    for item in (version, other):
        with cache.lease(item, holder()):
            found.extend(_locks_below(world.volume))
    ACTIONS["evict"][1](cache, version)
    cache.recover()
    assert found == []
    assert_all(world.hub, cache)
    with (world.volume / "forebay-volume.json").open() as file:
        monkeypatch.undo()
        fcntl.flock(file, fcntl.LOCK_SH)
        assert _locks_below(world.volume), "the kernel's list does not show what it should"


def _locks_below(folder: Path) -> list[str]:
    if not folder.exists():
        return []
    inodes = {path.lstat().st_ino for path in (folder, *folder.rglob("*"))}
    lines = Path("/proc/locks").read_text().splitlines()
    return [line for line in lines if int(line.split("->")[-1].split()[-3].rpartition(":")[2]) in inodes]
