"""A process that does a task while its real calls fail by chance, from the moment at which it would begin.

python failing.py POINTS PROBABILITY ROOT TASK, under `fiu-run -x -f ''`. The process asks for the failures itself:
libfiu's own control of a running process is one more thread while libraries load, where threads lock each other out.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

from forebay.testing.cached import process

NOTHING_FAILS = 77
_CALLS = 2_000


def _calls_fail(folder: Path) -> bool:
    """Whether a call of each kind, made again and again, is refused at last: else nothing would be tested here."""
    for _ in range(_CALLS):
        try:
            descriptor = os.open(folder / "tried", os.O_CREAT | os.O_RDWR)
            try:
                os.write(descriptor, b"x")
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(folder / "tried", folder / "tried-too")
        except OSError:
            return True
    return False


def main(points: str, probability: str, root: str, task: str) -> None:
    libfiu = ctypes.CDLL("libfiu.so.0")
    say = process._say

    def begin(said: str, **facts: Any) -> None:
        say(said, **facts)
        if said == "begin":
            failed = libfiu.fiu_enable_random(points.encode(), 1, None, 0, ctypes.c_float(float(probability)))
            if failed or not _calls_fail(Path(root)):
                os._exit(NOTHING_FAILS)

    process._say = begin
    process.run(Path(root), process.Task(**json.loads(task)))


if __name__ == "__main__":
    main(*sys.argv[1:])
