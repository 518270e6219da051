"""An action that is recorded once, and every state that a power cut may leave of it, entered one after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forebay.testing.cached import World
from forebay.testing.crash import RecordedHub, RecordingDisk, State, Trace, crash_states
from forebay.wire.catalog import Version
from tests.faults.stage import ACTIONS, Scene, Snapshot


class Replay:
    """One recorded action, whose crash states are built in place, one after another."""

    def __init__(self, root: Path, before: str) -> None:
        self.scene = Scene(root, before)
        self.world = self.scene.world
        self.database = self.world.home / "hub.db"
        self.trace = Trace()
        self.snapshot = Snapshot(self.world, self.scene.clock)

    def record(self, name: str) -> list[State]:
        hub: Any = RecordedHub(self.world.hub, self.trace, self.database)
        cache = self.world.cache(hub=hub, disk=RecordingDisk(self.trace), streams=1)
        ACTIONS[name][1](cache, self.scene.version)
        self.world.hub.close()
        return list(crash_states(self.trace, self.snapshot.image, self.snapshot.database, self.world.volume))

    def enter(self, state: State) -> World:
        """The world as the crash left it, an hour later."""
        self.snapshot.restore(state.image, state.database)
        return self.world

    def versions(self, name: str) -> list[Version]:
        return [self.scene.version, self.scene.other]
