"""Counts what comes by key over a sliding window, pure: time is passed in. Each key costs two numbers.

The last window counts by the share of it that is still in sight. (PyPI `limits` does the same; its storage in memory
starts a thread or walks through all keys with nearly every request, which heartbeats would feel.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    window: int
    now: int = 0
    before: int = 0

    def at(self, window: int) -> _Counted:
        """The same, seen in a later window."""
        if window == self.window:
            return self
        return _Counted(window=window, before=self.now if window == self.window + 1 else 0)


class Window:
    """How often each key came lately: at most `count` times in so many seconds; of 0 there is always room."""

    def __init__(self, count: int, seconds: int) -> None:
        self._count = count
        self._seconds = seconds
        self._by_key: dict[str, _Counted] = {}
        self._newest = 0

    def take(self, key: str, now: float) -> bool:
        """Count one more; False, and nothing is counted, where there is no room."""
        if not self._count:
            return True
        if not self.has_room(key, now):
            return False
        counted = self._at(key, now)
        self._by_key[key] = _Counted(window=counted.window, now=counted.now + 1, before=counted.before)
        self._forget(counted.window)
        return True

    def has_room(self, key: str, now: float) -> bool:
        """Whether one more may come."""
        return not self._count or self.seconds_left(key, now) == 0

    def seconds_left(self, key: str, now: float) -> int:
        """Whole seconds until one more may come, 0 for now."""
        most, length = self._count - 1, self._seconds
        counted = self._at(key, now)
        gone = now - counted.window * length
        if counted.now <= most:
            left = _until(counted.before, most - counted.now, length) - gone
        else:
            left = length - gone + _until(counted.now, most, length)
        return max(0, math.ceil(left - 1e-9))

    def _at(self, key: str, now: float) -> _Counted:
        window = math.floor(now / self._seconds)
        known = self._by_key.get(key)
        return _Counted(window=window) if known is None else known.at(window)

    def _forget(self, window: int) -> None:
        """Once a window, what no longer counts goes."""
        if window > self._newest:
            self._newest = window
            self._by_key = {key: counted for key, counted in self._by_key.items() if counted.window >= window - 1}


def _until(before: int, most: int, length: int) -> float:
    """From a window's begin: when no more than `most` of those of the window before are still in sight."""
    return length * (1 - most / before) if before > most else 0.0
