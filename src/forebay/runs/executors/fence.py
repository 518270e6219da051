"""How long a job may go on without word from its agent: an instant in a file, on the clock that counts since boot.

The agent takes the instant before it asks the hub, so one that was stopped meanwhile writes what has passed already.
The clock goes on while the machine sleeps, and nobody can set it.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from forebay.fsio import Disk

LATE_S = 10.0
"""So long after it should have ended a job, and the job's grace, who watches it is taken for stuck."""

_FILE = "until"


def since_boot() -> float:
    """Seconds since the machine started, its sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def write_until(folder: Path, until: float | None) -> None:
    """None: for ever."""
    Disk().write_durable(folder / _FILE, f"{math.inf if until is None else until}\n".encode())


def read_until(folder: Path) -> float:
    """What was written last; an unreadable one has passed: who can't tell may not go on."""
    try:
        return float((folder / _FILE).read_text())
    except (OSError, ValueError):
        return -math.inf
