"""`forebay hub serve` as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.program import Program

LIMIT_S = 60.0


@contextmanager
def running(program: Program, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A served hub, made to end whatever happens. The lakes of tests are on this machine: it allows all of them."""
    serving = Program(program.folder, **{"FOREBAY_HUB_INTERNAL_LAKES": "*", **program.env})
    with serving.start("hub", "serve", "--json", *arguments) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it says when it answers."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.rstrip() == "}":
            break
    found: dict[str, Any] = json.loads("".join(lines))
    return found


def ended(process: subprocess.Popen[str], how: signal.Signals) -> int:
    """The exit code after a signal."""
    process.send_signal(how)
    return process.wait(LIMIT_S)
