"""Runs a command as a child and says what it took: wall and CPU seconds, peak memory, and what ran beside it.

CPU seconds are those of the child and of all its descendants; peak memory is that of the largest process among them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCH = Path(__file__).with_name("launch.py")
_OUTPUT_TAIL_CHARS = 2000
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class CommandFailedError(RuntimeError):
    """A measured command did not succeed, so its time means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """`sync_s` is the part of `wall_s` after the command's end. `watched_cpu_s`: the processes it talked to.

    `others_cpu_s` is what the rest of the machine used meanwhile: noise.
    """

    wall_s: float
    sync_s: float
    cpu_s: float
    system_s: float
    peak_bytes: int
    watched_cpu_s: float
    others_cpu_s: float


def measure(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    synced: Path | None = None,
    watched: Sequence[int] = (),
) -> Usage:
    """Run a command to its end. `synced`: its file system is synced within the time. `watched`: process ids."""
    with tempfile.TemporaryDirectory(prefix="forebay-bench-") as scratch:
        result, output = Path(scratch) / "result.json", Path(scratch) / "output"
        launch = [sys.executable, "-I", "-S", _LAUNCH, result, str(synced or ""), *command]
        watched_before, machine_before = cpu_s(watched), machine_busy_s()
        with output.open("wb") as sink:
            ended = subprocess.run(
                [str(part) for part in launch],
                env=None if env is None else dict(env),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
            )
        watched_cpu_s, machine_s = cpu_s(watched) - watched_before, machine_busy_s() - machine_before
        if ended.returncode != 0:
            tail = output.read_text(errors="replace")[-_OUTPUT_TAIL_CHARS:]
            raise CommandFailedError(f"{command[0]} ended with exit status {ended.returncode}:\n{tail}")
        facts = json.loads(result.read_text())
    return Usage(
        wall_s=facts["wall_s"],
        sync_s=facts["sync_s"],
        cpu_s=facts["cpu_s"],
        system_s=facts["system_s"],
        peak_bytes=facts["peak_bytes"],
        watched_cpu_s=watched_cpu_s,
        others_cpu_s=max(0.0, machine_s - facts["cpu_s"] - watched_cpu_s),
    )


def machine_busy_s() -> float:
    """CPU seconds of the whole machine so far: user, nice, system, interrupts; not idle, waiting or stolen."""
    user, nice, system, _idle, _waiting, hard, soft, *_ = _numbers("/proc/stat")
    return (user + nice + system + hard + soft) / _TICKS_PER_S


def _numbers(path: str) -> list[int]:
    with open(path) as file:
        return [int(field) for field in file.readline().split()[1:]]


def cpu_s(process_ids: Sequence[int]) -> float:
    """CPU seconds of some processes so far."""
    ticks = 0
    for process_id in process_ids:
        # The second field, a name in brackets, may hold blanks; user and system time are the 14th and 15th.
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_S
