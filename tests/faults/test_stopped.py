"""Processes that were stopped in the middle and replaced, and woke again: they publish nothing and harm nobody."""

from __future__ import annotations

from pathlib import Path

from forebay.cache.machine import Terms
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.process import CacheProcess, Task
from forebay.testing.cached.world import holder
from tests.faults.test_killed import FILES

SHORT = 0.6


def test_CRASH_a_holder_that_was_stopped_and_replaced_neither_publishes_nor_harms(root: Path) -> None:
    """Stopped at one step after another: while it sleeps another process fills, and then it wakes."""
    world = World(root, terms=Terms(hold_seconds=SHORT))
    cache = world.cache()
    for number, (effect, count) in enumerate(
        [
            ("write_at", 2),
            ("sync_file_system", 1),
            ("link", 3),
            ("sync_file_system", 2),
            ("rename", 5),
            ("rename", 8),
            ("rename", 9),
        ]
    ):
        files = {path: bytes([number]) + data for path, data in FILES.items()}
        version = world.add(f"clicks{number}", files)
        task = Task(do="warm", ref=version.ref, stop_effect=effect, stop_at=count, hold_seconds=SHORT)
        with CacheProcess.start(root, task) as one:
            one.say("go")
            one.wait_stopped()
            warmed = cache.warm(version, holder())
            with cache.lease(version, holder()) as leased:
                one.go_on()
                result = one.result()
                assert "error" not in result, f"{effect} {count}: {result}"
                assert leased.lost is None
                assert all((warmed.path / path).read_bytes() == data for path, data in files.items())
        assert not world.hub.fills.open_fills(cache.volume_id)
    cache.recover()
    assert not list(cache.layout.incoming.iterdir()), "what they left is cleaned up"
    assert_all(world.hub, cache)


def test_IN_USE_an_evictor_that_was_stopped_takes_nothing_that_came_meanwhile(root: Path) -> None:
    world = World(root, terms=Terms(hold_seconds=SHORT))
    cache = world.cache()
    for number, (effect, count) in enumerate([("make_directories", 1), ("set_mode", 1), ("rename", 1), ("rename", 3)]):
        files = {path: bytes([number]) + data for path, data in FILES.items()}
        version = world.add(f"clicks{number}", files)
        cache.warm(version, holder())
        task = Task(do="evict", ref=version.ref, stop_effect=effect, stop_at=count, hold_seconds=SHORT)
        with CacheProcess.start(root, task) as one:
            one.wait_stopped()
            with cache.lease(version, holder()) as leased:
                one.go_on()
                assert one.result()["error"] == "fenced", f"{effect} {count}"
                assert leased.lost is None
                assert all((cache.path(version) / path).read_bytes() == data for path, data in files.items())
    cache.recover()
    assert_all(world.hub, cache)
