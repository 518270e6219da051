"""A fill, a repair and an eviction that end at every single effect on the disk: by death, by a refusal, by a full disk.

After each, before anybody cleans up, the invariants hold; after a recover, or without one, the next try succeeds.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path

import pytest

from forebay.errors import CapacityError, ConflictError
from forebay.fsio import Disk
from forebay.testing.cached import CopyingDisk, World
from forebay.testing.cached.invariants import assert_all, assert_FITS
from forebay.testing.cached.world import holder
from tests.faults.stage import ACTIONS, FILES, Scene, evict, fill, from_then_on

STEPS = [4, pytest.param(1, marks=pytest.mark.soak)]
"""Every effect is too many for every commit; a step that the effects' own rhythm does not share meets each kind."""

NAMES = ("fill", "repair", "evict")


@pytest.mark.parametrize("name", NAMES)
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
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", STEPS)
def test_FITS_a_disk_that_refuses_from_every_effect_on(root: Path, name: str, code: int, step: int) -> None:
    before, action = ACTIONS[name]
    number = 1 - step
    while True:
        number += step
        scene = Scene(root / str(number), before)
        error, _ = scene.refuse(action, from_then_on(number, code))
        scene.mend(recover=number % 3 == 0)
        scene.world.hub.close()
        if error is None:
            break
        assert error.kind == ("disk-full" if code == errno.ENOSPC else "disk-failing")
        assert isinstance(error, CapacityError) == (code == errno.ENOSPC)
    assert number > 5


def test_FITS_what_a_dead_fill_has_put_in_place_is_not_given_up_for_room(root: Path) -> None:
    scene = Scene(root, "absent")
    # All is in its place, and the holder's own folder is gone: only the hub was not told.
    scene.die_where(fill, scene.version, "remove_directory", 2)
    assert scene.cache.path(scene.version).exists()
    volume = scene.cache.volume()
    small = scene.world.cache(limit_bytes=volume.used_bytes + volume.reserved_bytes + 500)
    with pytest.raises(CapacityError):
        small.warm(scene.world.add("more", {"m": b"7" * 2000}), holder())
    assert_FITS(scene.world.hub, small)
    scene.mend(recover=False)


def test_a_volume_without_hard_links_works_and_its_account_is_right(root: Path) -> None:
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
