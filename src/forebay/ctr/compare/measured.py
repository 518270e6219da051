"""Runs a command under `watch`, tells its progress, and takes back what it and its watcher say.

A command writes its answer as JSON to the path it is given, and lines `progress STAGE DONE TOTAL` to stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forebay.ctr.compare.trial import Cost
from forebay.ctr.stages import Progress, no_progress
from forebay.errors import InternalError, UnavailableError

PROGRESS_WORD: Final = "progress"
_TAIL_BYTES: Final = 4000
_ENVIRONMENT: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads of OpenMP that wait sleep: where others use the cores too, spinning costs LightGBM and scikit-learn most of
their time. Forebay's own workers are told the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """For the whole process tree of one trial."""

    memory_bytes: int
    time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a command ended. `over`: the limit it passed, "memory", "time" or "". `answer`: None where it gave none."""

    cost: Cost
    exit_code: int | None
    over: str
    answer: Mapping[str, Any] | None
    errors: str
    """the end of its stderr"""


def measure(
    command: Callable[[Path], list[str]],
    *,
    limits: Limits,
    scratch: Path | None = None,
    progress: Progress = no_progress,
) -> Measured:
    """Run `command(answer path)` to its end, or to a limit; its TMPDIR is a folder in `scratch` (default: TMPDIR) that
    goes afterwards.

    Whatever interrupts this ends the command with all it started. UnavailableError `not-measurable` where the system
    has no /proc.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise UnavailableError(
            "not-measurable", "the memory of processes cannot be measured here", todo="compare on Linux"
        )
    with tempfile.TemporaryDirectory(prefix="forebay-watch-", dir=scratch) as folder:
        facts, answer, errors, own = (Path(folder) / name for name in ("facts.json", "answer.json", "stderr", "tmp"))
        own.mkdir()
        watcher = [sys.executable, "-P", "-m", "forebay.ctr.compare.watch", str(os.getpid()), str(facts)]
        watcher += [str(limits.memory_bytes), str(limits.time_s), *command(answer)]
        with errors.open("wb") as sink:
            _run(watcher, sink.fileno(), progress, own)
        told = _tail(errors)
        if not facts.exists():
            raise InternalError("watcher-failed", f"a trial could not be watched: {told or 'no word why'}")
        found = json.loads(facts.read_bytes())
        return Measured(
            cost=Cost(wall_s=found["wall_s"], cpu_s=found["cpu_s"], peak_bytes=found["peak_bytes"]),
            exit_code=found["exit_code"],
            over=found["over"],
            answer=json.loads(answer.read_bytes()) if answer.exists() else None,
            errors=told,
        )


def _run(command: list[str], errors: int, progress: Progress, own: Path) -> None:
    """In a session of its own: a Ctrl-C in the terminal reaches this process, which ends the watcher in its turn."""
    watcher = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(own), **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with watcher:
        try:
            assert watcher.stdout is not None
            for line in watcher.stdout:
                _tell(line, progress)
        finally:
            watcher.terminate()  # nothing to a process that has ended
            watcher.wait()


def _tell(line: str, progress: Progress) -> None:
    """Whatever else a library prints is passed over."""
    word, _, rest = line.strip().partition("\t")
    stage, *numbers = rest.split("\t")
    if word == PROGRESS_WORD and len(numbers) == 2 and all(number.isdigit() for number in numbers):
        progress(stage, int(numbers[0]), int(numbers[1]))


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
