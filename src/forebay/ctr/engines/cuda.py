"""A worker for each GPU of this machine, by dask-cuda. Thin: RAPIDS decides, this says where it is missing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import dask
from distributed import Client

from forebay.ctr.engines.local import (
    START_LIMIT_S,
    WORKER_ENVIRONMENT,
    local_arguments,
    mute,
    this_machine,
    wait_for_workers,
)
from forebay.ctr.engines.sizes import CLUSTER_SETTINGS, choose_sizes
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.ctr.engines.watch import closed_after
from forebay.ctr.gpu import check_installed, required
from forebay.errors import InputError

_WHAT: Final = "--device cuda"
_PACKAGES: Final = ["dask_cuda", "cudf", "cuml"]


@contextmanager
def cuda_client(
    *, workers: int | None, threads_per_worker: int | None, memory_per_worker: int | None, scratch: Path | None = None
) -> Iterator[Client]:
    """A client of a new cluster with a worker on each GPU, or on so many."""
    check_installed(_PACKAGES, what=_WHAT)
    dask_cuda: Any = required("dask_cuda", what=_WHAT)
    count = workers or visible_gpus(dask_cuda)
    spec = EngineSpec(
        place=Local(),
        workers=count,
        threads_per_worker=threads_per_worker,
        memory_per_worker=memory_per_worker,
    )
    sizes = choose_sizes(spec, this_machine())
    with (
        tempfile.TemporaryDirectory(prefix="forebay-dask-", dir=scratch) as spilled,
        # Settings, not the cluster's `env`: dask-cuda has its own there, of the GPU alone.
        dask.config.set({**CLUSTER_SETTINGS, "distributed.nanny.environ": _environment()}),
        closed_after(dask_cuda.LocalCUDACluster(**local_arguments(sizes), local_directory=spilled)) as cluster,
        Client(cluster, timeout=START_LIMIT_S) as client,  # type: ignore[no-untyped-call]
    ):
        wait_for_workers(client, count)
        client.run(mute)
        yield client


def _environment() -> dict[str, Any]:
    """Of a worker: what the user's settings have, and ours."""
    return {**dask.config.get("distributed.nanny.environ"), **WORKER_ENVIRONMENT}


def visible_gpus(dask_cuda: Any) -> int:
    """GPUs that CUDA_VISIBLE_DEVICES and the driver show; InputError `no-gpu` where there is none."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        # dask-cuda would take it for one device without a name.
        raise _no_gpu(": CUDA_VISIBLE_DEVICES is empty")
    try:
        count = int(dask_cuda.utils.get_n_gpus())
    except Exception as error:
        raise _no_gpu(f": {error}") from error
    if not count:
        raise _no_gpu("")
    return count


def _no_gpu(why: str) -> InputError:
    return InputError(
        "no-gpu", f"--device cuda finds no GPU here{why}", todo="Take a machine with one, or --device cpu."
    )
