"""A clock that a test moves."""

from __future__ import annotations


class FakeClock:
    """Wall and monotonic time; `jump` moves only the wall."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_by(self, seconds: float) -> None:
        """Time goes by."""
        self._now += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock, forward or back."""
        self._now += seconds
