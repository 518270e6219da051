"""What tests have workers do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from distributed import Nanny, Status, Worker

from forebay.errors import InputError


def double(number: int) -> int:
    return 2 * number


def name_of(*, workers: str) -> str:
    """A word that Dask would take for its own."""
    return workers


def refuse() -> None:
    raise InputError("bad-row", "it is no click log", todo="mend it")


def first_time_die(folder: Path, number: int) -> int:
    """The process that comes first dies of it; whoever comes later does it."""
    try:
        (folder / "died").mkdir()
    except FileExistsError:
        return number
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_of(given: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def tries_after_a_death(tries: int, *, dask_scheduler: Any) -> int:
    """For the scheduler: so many other workers are given a task that one died of. How many it were before."""
    before: int = dask_scheduler.allowed_failures
    dask_scheduler.allowed_failures = tries
    return before


def hold(size_bytes: int) -> int:
    """For long enough that a nanny sees it."""
    held = b"x" * size_bytes
    time.sleep(60)
    return len(held)


def pause(seconds: float) -> None:
    time.sleep(seconds)


def http_port(dask_worker: Worker) -> str:
    """Where a worker serves its metrics; the parameter's name is Dask's."""
    server: Any = dask_worker.http_server
    return f"{dask_worker.ip}:{server.port}"


def is_known(dask_worker: Nanny) -> bool:
    """Whether a nanny has heard from its worker; the parameter's name is Dask's."""
    process: Any = dask_worker.process
    return process is not None and bool(process.status == Status.running)
