"""A fill, a repair and an eviction that end at every single effect on the disk: by death, by a refusal, by a full disk.

After each, before anybody cleans up, the invariants hold; after a recover, or without one, the next try succeeds.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from forebay.cache.engine import Cache
from forebay.errors import CapacityError, ConflictError, ForebayError
from forebay.fsio import Disk
from forebay.testing.cached import FailingDisk, FakeClock, Killed, Mortal, MortalDisk, World
from forebay.testing.cached.invariants import assert_all, assert_CRASH, assert_FITS, assert_VERIFIED
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version

FILES = {"day_0/a.tsv": b"0" * 3000, "day_0/b.tsv": b"1" * 500, "empty": b"", "again": b"1" * 500}
STEPS = [4, pytest.param(1, marks=pytest.mark.soak)]
"""Every effect is too many for every commit; a step that the effects' own rhythm does not share meets each kind."""

Action = Callable[[Cache, Version], object]


def fill(cache: Cache, version: Version) -> None:
    cache.warm(version, holder())


def evict(cache: Cache, version: Version) -> None:
    for replica in cache.replicas():
        if replica.ref == version.ref and (error := cache.evictor.evict(replica, "asked").error):
            raise error


class Scene:
    """One version that shares a file with another, ready one; absent, damaged or ready before the action."""

    def __init__(self, root: Path, before: str) -> None:
        self.clock = FakeClock()
        self.world = World(root, clock=self.clock)
        self.version = self.world.add("clicks", FILES)
        self.cache = self.world.cache()
        self.cache.warm(self.world.add("other", {"a": FILES["day_0/a.tsv"], "c": b"2" * 700}), holder())
        if before != "absent":
            self.cache.warm(self.version, holder())
        if before == "damaged":
            victim = self.cache.path(self.version) / "day_0/b.tsv"
            victim.chmod(0o644)
            victim.write_bytes(b"x" * 500)
            self.cache.verify([self.version], root / "memo", force=True)

    def die(self, action: Action, number: int, *, after: bool) -> bool:
        """Whether it came to that effect."""
        disk = MortalDisk(number, after=after)
        with suppress(Killed):
            action(self.world.cache(hub=Mortal(self.world.hub, disk), disk=disk), self.version)
        self.clock.pass_by(60.0)
        return disk.count >= number

    def refuse(self, action: Action, number: int, code: int) -> ForebayError | None:
        """From that effect on the disk refuses all but deletions."""
        disk = FailingDisk(lambda name, count: code if count >= number and name != "unlink" else 0)
        try:
            action(self.world.cache(disk=disk), self.version)
        except ForebayError as error:
            self.clock.pass_by(60.0)
            return error
        return None

    def mend(self, *, recover: bool) -> None:
        """The invariants hold as it is; then the next fill succeeds and all is as it should be."""
        assert_FITS(self.world.hub, self.cache)
        assert_VERIFIED(self.world.hub, self.cache)
        assert_CRASH(self.world.hub, self.cache)
        if recover:
            assert not self.cache.recover().failed
            states = {replica.state for replica in self.cache.replicas()}
            assert states <= {ReplicaState.READY, ReplicaState.DAMAGED}
            assert_FITS(self.world.hub, self.cache)
        self.cache.warm(self.version, holder())
        assert_FITS(self.world.hub, self.cache)
        assert not self.cache.recover().failed
        assert_all(self.world.hub, self.cache)
        assert not self.world.hub.fills.open_fills(self.cache.volume_id)
        assert {replica.state for replica in self.cache.replicas()} == {ReplicaState.READY}


ACTIONS: dict[str, tuple[str, Action]] = {
    "fill": ("absent", fill),
    "repair": ("damaged", fill),
    "evict": ("ready", evict),
}


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("step", STEPS)
def test_CRASH_death_at_every_effect(root: Path, name: str, step: int) -> None:
    before, action = ACTIONS[name]
    number, came = 0, True
    while came:
        number += step
        scene = Scene(root / str(number), before)
        came = scene.die(action, number, after=number % 2 == 0)
        scene.mend(recover=number % 3 == 0)
        scene.world.hub.close()
    assert number > 5


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("step", STEPS)
def test_FITS_a_disk_that_refuses_from_every_effect_on(root: Path, name: str, code: int, step: int) -> None:
    before, action = ACTIONS[name]
    number = 1 - step
    while True:
        number += step
        scene = Scene(root / str(number), before)
        error = scene.refuse(action, number, code)
        scene.mend(recover=number % 3 == 0)
        scene.world.hub.close()
        if error is None:
            break
        assert error.kind == ("disk-full" if code == errno.ENOSPC else "disk-failing")
        assert isinstance(error, CapacityError) == (code == errno.ENOSPC)
    assert number > 5


def test_a_volume_without_hard_links_works_and_its_account_is_right(root: Path) -> None:
    from forebay.testing.cached import CopyingDisk

    world = World(root)
    disk: Disk = CopyingDisk()
    cache = world.cache(disk=disk)
    version, other = world.add("clicks", FILES), world.add("other", {"a": FILES["day_0/a.tsv"]})
    for item in (version, other):
        cache.warm(item, holder())
        assert_all(world.hub, cache)
    assert cache.volume().used_bytes >= 2 * 3500 + 3000
    evict(cache, version)
    assert_all(world.hub, cache)
    with suppress(ConflictError):
        evict(cache, other)
    assert cache.volume().used_bytes == 0
