"""The clock as a value that is passed in. Only shells call it; pure code takes the time as an argument."""

from __future__ import annotations

import time
from typing import Protocol

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Elsewhere than on Linux a sleep does not count."""


class Clock(Protocol):
    """Wall time for records, monotonic time for durations, in which a machine's sleep counts; both in seconds."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.clock_gettime(_SINCE_BOOT)
