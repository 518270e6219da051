"""Worker processes of this machine, for the time of one job. After the block no process and no folder of it is left."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster
from distributed.system import MEMORY_LIMIT

from forebay.ctr.engines.sizes import CLUSTER_SETTINGS, Machine, Sizes, choose_sizes
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.ctr.engines.watch import closed_after
from forebay.errors import UnavailableError

START_LIMIT_S: Final = 180.0
IDLE_LIMIT_S: Final = 1800
"""After so long without a task a scheduler elsewhere, whose command was killed, ends itself and its workers."""
# Threads that wait sleep: spinning ones cost XGBoost half of its time where others use the cores too.
WORKER_ENVIRONMENT: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
# Port 0 is any free one; None would still take port 8787.
_ANY_PORT: Final = "127.0.0.1:0"


def this_machine() -> Machine:
    """What this process may use of it: its affinity, and its control group's limits, count."""
    return Machine(cores=CPU_COUNT, memory_bytes=int(MEMORY_LIMIT))


@contextmanager
def local_client(
    *, workers: int, threads_per_worker: int, memory_per_worker: int | None = None, scratch: Path | None = None
) -> Iterator[Client]:
    """A client of a new cluster of processes; UnavailableError where it does not come up in time.

    What does not fit in memory is spilled to `scratch`, in TMPDIR where it is None.
    """
    spec = EngineSpec(
        place=Local(),
        workers=workers,
        threads_per_worker=threads_per_worker,
        memory_per_worker=memory_per_worker,
    )
    sizes = choose_sizes(spec, this_machine())
    with (
        tempfile.TemporaryDirectory(prefix="forebay-dask-", dir=scratch) as spilled,
        dask.config.set(CLUSTER_SETTINGS),
        closed_after(
            LocalCluster(  # type: ignore[no-untyped-call]
                **local_arguments(sizes),
                processes=True,
                env=WORKER_ENVIRONMENT,
                local_directory=spilled,
                silence_logs=logging.ERROR,
            )
        ) as cluster,
        Client(cluster, timeout=START_LIMIT_S) as client,  # type: ignore[no-untyped-call]
    ):
        wait_for_workers(client, sizes.workers)
        client.run(mute)
        yield client


def local_arguments(sizes: Sizes) -> dict[str, Any]:
    """What Dask's clusters of one machine, of CPUs or of GPUs, are told alike."""
    return {
        "n_workers": sizes.workers,
        "threads_per_worker": sizes.threads_per_worker,
        "memory_limit": sizes.memory_per_worker,
        "dashboard_address": _ANY_PORT,
    }


def wait_for_workers(client: Client, workers: int) -> None:
    """UnavailableError `cluster-slow` where so many are not there in START_LIMIT_S."""
    try:
        client.wait_for_workers(workers, timeout=START_LIMIT_S)
    except TimeoutError as error:
        raise UnavailableError("cluster-slow", f"{workers} Dask workers did not start in time") from error


def mute() -> None:
    """Runs on a worker: XGBoost's native chat would land in the command's own output. Errors come through Dask."""
    with open(os.devnull, "wb") as nothing:
        for descriptor in (1, 2):
            os.dup2(nothing.fileno(), descriptor)
