"""CRASH: `kill -9` of real processes at every effect of a fill, a repair, an eviction, a recovery, and of two at once.

After each, every invariant is asserted by name, and the next fill succeeds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.testing.cached import FailingDisk, FakeClock
from forebay.testing.cached.forked import Forks
from forebay.testing.cached.process import Task
from tests.faults.stage import ACTIONS, Scene, Snapshot, chance, judge

KILLS = {"fill": 60, "repair": 30, "evict": 30, "recover": 20, "both": 70}
"""The least number of processes that each test kills; together more than 200."""

DO = {"fill": "warm", "repair": "warm", "evict": "evict", "recover": "recover"}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as started:
        yield started


class Killing:
    """A scene that is set up once and begun from again for every kill."""

    def __init__(self, root: Path, before: str, forks: Forks) -> None:
        # An hour ago: for the processes, whose clock is the real one, those who died in the mess are long silent.
        self.scene = Scene(root, before, FakeClock(time.time() - 3600.0))
        self.snapshot = Snapshot(self.scene.world, self.scene.clock)
        self.forks = forks
        self.kills = 0

    def effects(self, name: str) -> int:
        """How many there are when nobody dies; the scene is as before afterwards."""
        disk = FailingDisk()
        ACTIONS[name][1](self.scene.world.cache(disk=disk), self.scene.version)
        return disk.count

    def kill(self, *tasks: Task, seed: str, **how: bool) -> None:
        self.snapshot.restore()
        self.scene.world.hub.close()
        self.kills += sum(self.forks.run(self.scene.world.root, *tasks))
        self.scene.clock.pass_by(3600.0)
        try:
            judge(self.scene.world, [self.scene.version, self.scene.other], **how)
        except BaseException as error:
            error.add_note(f"killed at {[(task.do, task.kill_at, task.kill_after) for task in tasks]}, {seed}")
            raise


def test_the_kills_are_two_hundred() -> None:
    assert sum(KILLS.values()) >= 200


@pytest.mark.parametrize("name", DO)
def test_CRASH_a_process_killed_at_every_effect(root: Path, name: str, forks: Forks) -> None:
    killing, random = Killing(root, ACTIONS[name][0], forks), chance(f"kill {name}")
    effects = killing.effects(name)
    step = 2 if name == "repair" else 1
    for number in range(1, effects + 1, step):
        for after in (False, True) if name == "evict" else (random.random() < 0.5,):
            task = Task(do=DO[name], ref=killing.scene.version.ref, kill_at=number, kill_after=after)
            killing.kill(
                task, seed=name, recover=random.random() < 0.5, mid_repair=name == "recover", force=name == "recover"
            )
    assert killing.kills >= KILLS[name]


def test_CRASH_a_filling_and_an_evicting_process_killed_at_once(root: Path, forks: Forks) -> None:
    """The one fills what shares files with what the other evicts; both die, each at an effect of its own."""
    killing, random = Killing(root, "both", forks), chance("kill both")
    fills, evicts = 75, 20
    for _ in range(KILLS["both"] // 2 + 5):
        tasks = [
            Task(do="warm", ref=killing.scene.version.ref, kill_at=random.randint(1, fills), kill_after=True),
            Task(do="evict", ref=killing.scene.third.ref, kill_at=random.randint(1, evicts), kill_after=False),
        ]
        killing.kill(*tasks, seed=f"{tasks}", recover=random.random() < 0.5)
    assert killing.kills >= KILLS["both"]
