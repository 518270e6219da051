"""Runs one command and measures its whole process tree from outside; a process of its own, small on purpose.

    python -m forebay.ctr.compare.watch PARENT RESULT MEMORY_LIMIT_BYTES TIME_LIMIT_S COMMAND...

CPU seconds are exact: every process of the tree is waited for, also one whose own parent died. Peak memory is the
largest sum of proportional set sizes in the samples, or what the kernel says of the largest single process, whichever
is more; so a peak of several processes together that is over between two samples is missed. Who passes the memory limit
in a sample is ended; who has passed it by the kernel's word alone is judged at its end. The tree never outlives this
process, nor this process the one that asked.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forebay.runs.executors.processes import adopt_orphans, descendants, end_with_parent, reap, resident_bytes, send

SAMPLE_EVERY_S: Final = 0.1
_LOOK_EVERY_S: Final = 0.01
_REST_PER_SAMPLE: Final = 20.0
"""Seconds of rest for each second of sampling: it takes at most a twentieth of one core."""
_KIB: Final = 1024


@dataclass(slots=True)
class _Seen:
    """What is known of the tree so far."""

    began: float
    peak_bytes: int = 0
    exit_code: int | None = None
    ended: float = 0.0
    over: str = ""
    """the limit that was passed: "memory", "time" or none"""


def watch(command: list[str], *, memory_limit_bytes: int, time_limit_s: float) -> dict[str, object]:
    """The facts of one command, once no process of it is left."""
    seen = _Seen(began=time.monotonic())
    root = os.posix_spawnp(command[0], command, os.environ)

    def reaped(number: int, status: int) -> None:
        if number == root:
            seen.exit_code, seen.ended = os.waitstatus_to_exitcode(status), time.monotonic()

    try:
        sample_at = 0.0
        while reap(reaped) and seen.exit_code is None and not seen.over:
            now = time.monotonic()
            if now - seen.began > time_limit_s:
                seen.over = "time"
            if now >= sample_at:
                _sample(seen, memory_limit_bytes)
                took = time.monotonic() - now
                sample_at = now + max(SAMPLE_EVERY_S, _REST_PER_SAMPLE * took)
            time.sleep(_LOOK_EVERY_S)
    finally:
        _end_all(reaped)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_bytes = max(seen.peak_bytes, used.ru_maxrss * _KIB)
    return {
        "exit_code": seen.exit_code,
        "over": seen.over or ("memory" if peak_bytes > memory_limit_bytes else ""),
        "wall_s": (seen.ended or time.monotonic()) - seen.began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_bytes": peak_bytes,
    }


def _sample(seen: _Seen, memory_limit_bytes: int) -> None:
    # A bound of nothing: shared pages count once, always.
    held = resident_bytes(descendants(os.getpid()), 0)
    seen.peak_bytes = max(seen.peak_bytes, held)
    if held > memory_limit_bytes:
        seen.over = "memory"


def _end_all(reaped: Callable[[int, int], object]) -> None:
    """Orphans become children of this process, so at some time there is none left."""
    while reap(reaped):
        for process in descendants(os.getpid()):
            send(process, signal.SIGKILL)
        time.sleep(_LOOK_EVERY_S)


def _stop(signal_number: int, frame: object) -> None:
    sys.exit(128 + signal_number)


def main(parent: str, result: str, memory_limit_bytes: str, time_limit_s: str, *command: str) -> None:
    """All words of the command line."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    end_with_parent(int(parent), signal.SIGTERM)
    adopt_orphans()
    facts = watch(list(command), memory_limit_bytes=int(memory_limit_bytes), time_limit_s=float(time_limit_s))
    Path(result).write_text(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
