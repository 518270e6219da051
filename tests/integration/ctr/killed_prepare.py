"""A program: prepare, and be killed without warning at the first sign of a stage. Arguments: source, out, stage."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from forebay.ctr.prepare import prepare


def main(source: str, out: str, last_stage: str) -> None:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == last_stage:
            os.kill(os.getpid(), signal.SIGKILL)

    prepare(Path(source), Path(out), range_bytes=200_000, progress=progress)


if __name__ == "__main__":
    main(*sys.argv[1:])
