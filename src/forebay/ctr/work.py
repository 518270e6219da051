"""The folder in which a preparation works: hidden beside its outcome, and taken up again after a kill.

Invariant: what lies there was made of the sources and options that `plan.json` names; for others it begins clean. A
wrong input leaves nothing; whatever else ends the work leaves the folder, so that the next try goes on where it ended.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from forebay.ctr.files import check_absent, read_json, write_json
from forebay.errors import ConflictError, DamagedError, InputError, NotFoundError

_PLAN_FILE: Final = "plan.json"
_LOCK_FILE: Final = "lock"


def work_folder_of(out: Path) -> Path:
    """Where the work on `out` is done."""
    return out.with_name(f".forebay-prepare-{out.name}")


@contextmanager
def work_folder(out: Path, plan: Mapping[str, Any]) -> Iterator[Path]:
    """The folder for work on `out`, with what an earlier try with the same `plan` (JSON values) left in it.

    The block renames its outcome to `out`. InputError `target-not-empty`; ConflictError `already-preparing` while
    another process is at work there.
    """
    check_absent(out)
    folder = work_folder_of(out)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_FILE).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                "already-preparing", f"another process is preparing {out}", todo="wait for it, or end it"
            ) from error
        _begin(folder, plan)
        try:
            yield folder
        except (InputError, DamagedError):
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _begin(folder: Path, plan: Mapping[str, Any]) -> None:
    try:
        if read_json(folder / _PLAN_FILE, todo="") == plan:
            return
    except (NotFoundError, DamagedError):
        pass
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != _LOCK_FILE:
            path.unlink()
    write_json(folder / _PLAN_FILE, plan)
