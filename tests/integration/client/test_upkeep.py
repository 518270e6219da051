"""What an agent does for its volume unasked."""

from __future__ import annotations

import errno
import queue
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from forebay.cache.policy import Policy
from forebay.sites.agent.events import VolumeSeen
from forebay.sites.agent.upkeep import Upkeep
from forebay.testing.cached import World
from forebay.testing.cached.disks import FailingDisk
from forebay.testing.cached.world import holder
from forebay.wire.cache import VolumeState
from forebay.wire.sites import Hello, SiteState


def test_what_is_stale_goes_and_the_volume_is_tried_out(root: Path) -> None:
    world = World(root)
    world.put({"a": b"1"})
    cache = world.cache(policy=Policy(grace_s=0.0, stale_after_s=0.0))
    cache.warm(world.register("d", {"a": "a"}), holder())
    seen: queue.Queue[VolumeSeen] = queue.Queue()
    upkeep = Upkeep(cache, seen.put, canary_s=0.01, sweep_s=0.02)
    upkeep.start()
    try:
        assert seen.get(timeout=60).state is VolumeState.NORMAL
        while cache.replicas():
            seen.get(timeout=60)
    finally:
        upkeep.stop()


def test_a_volume_that_has_gone_is_told(root: Path) -> None:
    world = World(root)
    cache = world.cache()
    shutil.rmtree(cache.layout.root)
    cache.layout.root.mkdir()
    seen: queue.Queue[VolumeSeen] = queue.Queue()
    upkeep = Upkeep(cache, seen.put, canary_s=0.01)
    upkeep.start()
    try:
        told = seen.get(timeout=60)
    finally:
        upkeep.stop()
    assert told.state is VolumeState.DOWN
    assert told.reason


def test_the_canary_has_a_site_degraded_while_its_volume_is_read_only_and_back_afterwards(root: Path) -> None:
    world = World(root)
    is_read_only = threading.Event()

    def failing(effect: str, number: int) -> int:
        return errno.EROFS if is_read_only.is_set() and effect != "unlink" else 0

    cache = world.cache(disk=FailingDisk(failing))
    sites = world.hub.sites
    sites.attach(Hello(site="dgx", volume_id=cache.volume_id))
    upkeep = Upkeep(cache, lambda seen: None, canary_s=0.02, sweep_s=60.0)
    upkeep.start()
    try:
        _wait_for(lambda: sites.get("dgx").state is SiteState.UP)
        is_read_only.set()
        _wait_for(lambda: sites.get("dgx").state is SiteState.DEGRADED)
        assert "Read-only file system" in sites.get("dgx").reason
        _wait_for(lambda: sites.get("dgx").state is SiteState.DOWN)
        is_read_only.clear()
        _wait_for(lambda: sites.get("dgx").state is SiteState.UP)
    finally:
        upkeep.stop()


def _wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to be so")
