"""A Dask cluster on this machine for the time of one job, and waiting that always ends.

Owns start, watch and end of the worker processes. After the block no process and no folder of it is left.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

from distributed import Client, LocalCluster, Scheduler

from forebay.errors import UnavailableError

Result = TypeVar("Result")
START_LIMIT_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.5
# Threads that wait sleep: spinning ones cost XGBoost half of its time where others use the cores too.
_WORKER_ENVIRONMENT: Final = {"OMP_WAIT_POLICY": "PASSIVE"}


@contextmanager
def local_client(*, workers: int, threads_per_worker: int) -> Iterator[Client]:
    """A client of a new cluster of processes; UnavailableError where it does not come up in time."""
    with (
        tempfile.TemporaryDirectory(prefix="forebay-dask-") as scratch,
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=workers,
            threads_per_worker=threads_per_worker,
            processes=True,
            # None would still take port 8787; 0 is any free one.
            dashboard_address="127.0.0.1:0",
            env=_WORKER_ENVIRONMENT,
            local_directory=scratch,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster, timeout=START_LIMIT_S) as client,  # type: ignore[no-untyped-call]
    ):
        try:
            client.wait_for_workers(workers, timeout=START_LIMIT_S)
        except TimeoutError as error:
            raise UnavailableError("cluster-slow", f"{workers} Dask workers did not start in time") from error
        client.run(_mute)
        yield client


def worker_addresses(client: Client) -> tuple[str, ...]:
    """The workers that are there now, in the order of their names, which do not vary from run to run as ports do."""
    # Not client.scheduler_info(): a timer of the client overwrites its answer with one that lists no worker.
    names: dict[str, str] = client.run_on_scheduler(_names)  # type: ignore[no-untyped-call]
    return tuple(sorted(names, key=lambda address: names[address]))


def _names(dask_scheduler: Scheduler) -> dict[str, str]:
    """Runs on the scheduler; the parameter's name is Dask's."""
    return {address: str(worker.name) for address, worker in dask_scheduler.workers.items()}


def _mute() -> None:
    """Runs on a worker: XGBoost's native chat would land in the command's own output. Errors come through Dask."""
    with open(os.devnull, "wb") as nothing:
        for descriptor in (1, 2):
            os.dup2(nothing.fileno(), descriptor)


def watched(client: Client, job: Callable[[], Result], *, limit_s: float) -> Result:
    """The result of `job`, which blocks on the cluster; UnavailableError once a worker is lost or `limit_s` is over.

    XGBoost does not survive the loss of a worker and may then wait for ever, so somebody else has to look. The thread
    of an abandoned job ends when the cluster closes.
    """
    workers = worker_addresses(client)
    box: _Box[Result] = _Box(job)
    deadline = time.monotonic() + limit_s
    while not box.done.wait(_LOOK_EVERY_S):
        if worker_addresses(client) != workers:
            raise _worker_lost()
        if time.monotonic() > deadline:
            raise UnavailableError("job-too-long", f"the job on Dask was given up after {limit_s:.0f} s")
    if box.error is not None and worker_addresses(client) != workers:
        raise _worker_lost() from box.error
    return box.result()


class _Box(Generic[Result]):
    """A call in a thread of its own, which never keeps the process alive."""

    def __init__(self, job: Callable[[], Result]) -> None:
        self.done = threading.Event()
        self.error: BaseException | None = None
        self._results: list[Result] = []
        threading.Thread(target=self._run, args=(job,), name="forebay-dask-job", daemon=True).start()

    def _run(self, job: Callable[[], Result]) -> None:
        try:
            self._results.append(job())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self.error = error
        finally:
            self.done.set()

    def result(self) -> Result:
        if self.error is not None:
            raise self.error
        return self._results[0]


def _worker_lost() -> UnavailableError:
    return UnavailableError(
        "worker-lost", "a Dask worker was lost during the job", todo="try again; it may have run out of memory"
    )
