"""Waits for something in the database to change: at once where this process changes it, soon where another one does.

Nothing is open while somebody waits: each look is a short read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

_LOOK_S = 0.25

Found = TypeVar("Found")


class Changes:
    """What this process changed, counted by key."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._counts: dict[str, int] = {}

    def tell(self, *keys: str) -> None:
        """Whoever waits for one of them looks again. After the transaction, never in it."""
        with self._condition:
            for key in keys:
                if key in self._counts:
                    self._counts[key] += 1
            self._condition.notify_all()

    def wait(self, key: str, look: Callable[[], Found | None], wait_s: float) -> Found | None:
        """What `look` finds, as soon as it finds something; None when `wait_s` are over."""
        until = time.monotonic() + wait_s
        while True:
            with self._condition:
                before = self._counts.setdefault(key, 0)
            found = look()
            left_s = until - time.monotonic()
            if found is not None or left_s <= 0:
                self._forget(key, before)
                return found
            with self._condition:
                self._condition.wait_for(lambda: self._counts.get(key) != before, min(left_s, _LOOK_S))  # noqa: B023

    def _forget(self, key: str, before: int) -> None:
        """Keys are not kept for ever; whoever else waits for it makes it again, and looks once too often."""
        with self._condition:
            if self._counts.get(key) == before:
                del self._counts[key]


def orders_of(site: str) -> str:
    """The key of a site's orders."""
    return f"site {site}"


def changes_of(run_id: str) -> str:
    """The key of a run."""
    return f"run {run_id}"
