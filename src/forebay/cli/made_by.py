"""What made a version: the command line as it was given, and the commit of the code around it where there is one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forebay.wire.catalog import MadeBy


def made_by_this_call(told: str = "") -> MadeBy:
    """`told` when the caller says what made it, or else this very command."""
    from forebay.wire.catalog import MadeBy

    return MadeBy(command=told or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]), code=_code())


def _code() -> str:
    """`git:<commit>` of the folder we are in, with `+changes` when its files differ; "" outside of a repository."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return ""
    return f"git:{commit}{'+changes' if _git('status', '--porcelain', '--untracked-files=no') else ''}"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
