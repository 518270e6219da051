"""What an agent does for its volume unasked."""

from __future__ import annotations

import queue
import shutil
from pathlib import Path

from forebay.cache.policy import Policy
from forebay.sites.agent.events import VolumeSeen
from forebay.sites.agent.upkeep import Upkeep
from forebay.testing.cached import World
from forebay.testing.cached.world import holder
from forebay.wire.cache import VolumeState


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
