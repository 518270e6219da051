"""The doctor's look at the hub's own machine: run when somebody asks, one at a time, and kept in memory.

The hub knows no doctor: whoever serves it passes one in, as a function that ends within a bounded time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from forebay.hub.board.findings import Finding

Look = Callable[[], "Looked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found; `checks` are the names of all that was looked at, also of what is well."""

    checks: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """A look that was taken, at a moment in Unix seconds."""

    at: float
    looked: Looked


class Checkups:
    """Takes looks, and has the last one."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look
        self._last: Checkup | None = None
        self._running = threading.Lock()

    @property
    def there(self) -> bool:
        """Whether there is a doctor."""
        return self._look is not None

    @property
    def last(self) -> Checkup | None:
        return self._last

    def take(self, now: float) -> Checkup | None:
        """Look now. Who comes while another one looks gets what was found last, and so does who has no doctor."""
        if self._look is None or not self._running.acquire(blocking=False):
            return self._last
        try:
            self._last = Checkup(at=now, looked=self._look())
        finally:
            self._running.release()
        return self._last
