"""Death in the middle of an effect, within one process: from then on neither the disk nor the hub hears of the dead.

Cheap enough for thousands of deaths; the tests with real processes and `kill -9` say the same a few times over.
"""

from __future__ import annotations

from typing import Any

from forebay.testing.cached.disks import FailingDisk


class Killed(SystemExit):
    """The process is gone. Nobody may catch it and go on; its threads end without a word, as those of the dead do."""


class Mortal:
    """A hub (or a part of one) as a process sees it that can die."""

    def __init__(self, part: Any, life: MortalDisk) -> None:
        self._part = part
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if isinstance(found, str):
            return found
        if not callable(found):
            return Mortal(found, self._life)

        def asked(*given: Any, **named: Any) -> Any:
            self._life.breathe()
            return found(*given, **named)

        return asked


class MortalDisk(FailingDisk):
    """Dies at the effect with this number, before it or right after it."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.dead = False
        super().__init__()

        def before(_name: str, count: int) -> None:
            self.breathe()
            if count == number and not after:
                self.die()

        def behind(_name: str, count: int) -> None:
            if count == number and after:
                self.die()

        self._before, self._after = before, behind

    def breathe(self) -> None:
        """The dead do nothing."""
        if self.dead:
            raise Killed

    def die(self) -> None:
        self.dead = True
        raise Killed
