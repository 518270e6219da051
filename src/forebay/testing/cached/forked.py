"""A process that has everything imported and forks others at once: for hundreds of real processes that are killed.

`python -m forebay.testing.cached.forked` reads lines of JSON, a world's root and tasks; it does each task in a child of
its own, all at the same time, and answers how each ended. It never touches a world itself: its threads must not start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Self

from forebay.testing.cached.process import Task, run


class Forks:
    """The process, as a test sees it. A context manager."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "forebay.testing.cached.forked"]
        self._popen = subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.communicate("")

    def run(self, root: Path, *tasks: Task) -> list[bool]:
        """Do the tasks at the same time; which of them were killed (the others came to their end)."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(json.dumps({"root": str(root), "tasks": [asdict(task) for task in tasks]}) + "\n")
        self._popen.stdin.flush()
        ends: list[int] = json.loads(self._popen.stdout.readline())
        assert set(ends) <= {0, -signal.SIGKILL}, f"a process failed: {ends}"
        return [end == -signal.SIGKILL for end in ends]


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        children = [_fork(Path(asked["root"]), Task(**task)) for task in asked["tasks"]]
        ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(ends), flush=True)  # noqa: T201 - it is how it speaks


def _fork(root: Path, task: Task) -> int:
    child = os.fork()
    if child:
        return child
    try:
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):
            os.dup2(quiet, descriptor)
        sys.stdin = os.fdopen(0)
        run(root, task)
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
