"""A Dask scheduler and workers as somebody else runs them: processes of their own, which a test may kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from forebay.ctr.engines.sizes import CLUSTER_SETTINGS

PATIENCE_S = 120.0
MEMORY_BYTES = 700 << 20


@dataclass(slots=True, kw_only=True)
class RunningDask:
    """`folder` holds its logs and spill files."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        found = self.folder / "scheduler.json"
        # Whole: it is written in place.
        wait_for(lambda: found.exists() and found.read_text().endswith("}"))
        return str(json.loads(found.read_text())["address"])

    def start_worker(self, processes: int = 1) -> None:
        """Nannies, which start a worker again that has died."""
        arguments = ["--nworkers", processes, "--nthreads", 1, "--memory-limit", MEMORY_BYTES, "--host", "127.0.0.1"]
        self.workers.append(_start(self.folder, "worker", self.address, *arguments, "--local-directory", self.folder))

    def kill_scheduler(self) -> None:
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()


@contextmanager
def running_dask(folder: Path, workers: int) -> Iterator[RunningDask]:
    """With so many workers on their way. All of its processes are gone afterwards."""
    told = ["--scheduler-file", folder / "scheduler.json", "--dashboard-address", "127.0.0.1:0"]
    dask = RunningDask(folder=folder, scheduler=_start(folder, "scheduler", "--host", "127.0.0.1", "--port", 0, *told))
    try:
        if workers:
            dask.start_worker(workers)
        yield dask
    finally:
        for process in (*dask.workers, dask.scheduler):
            _end_all(process)


def _start(folder: Path, kind: str, *arguments: object) -> subprocess.Popen[bytes]:
    settings = {f"DASK_{key.upper().replace('.', '__')}": str(value) for key, value in CLUSTER_SETTINGS.items()}
    with (folder / f"{kind}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **settings},
            start_new_session=True,
        )


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """It and what descends from it."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        below = []
    process.terminate()
    for child in below:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for(is_so: Callable[[], object]) -> None:
    """Until it is; it fails after PATIENCE_S."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come"
        pause.wait(0.05)
