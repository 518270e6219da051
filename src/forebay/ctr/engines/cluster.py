"""Opens an engine: whatever it is, what comes out is the same, and nothing that was started outlives the block."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed import Client

from forebay.ctr.engines.executor import ClusterExecutor
from forebay.ctr.engines.local import local_client, this_machine
from forebay.ctr.engines.seen import check_readable, check_shared
from forebay.ctr.engines.sizes import MOST_PARTITION_BYTES, Sizes, choose_sizes, partition_bytes
from forebay.ctr.engines.spec import LOCAL, Device, EngineSpec, Kubernetes, Local, Scheduler, Ssh
from forebay.ctr.engines.watch import ask_scheduler
from forebay.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An open engine. Memory is in bytes, 0 where a worker has no limit; counts are of the least worker."""

    spec: EngineSpec
    client: Client
    executor: Executor
    workers: int
    threads_per_worker: int
    memory_per_worker: int
    dashboard_url: str
    start_s: float
    """wall seconds until all workers were there"""

    @property
    def device(self) -> Device:
        return self.spec.device

    @property
    def partition_bytes(self) -> int:
        """How much click log a task of prepare may take."""
        if not self.memory_per_worker:
            return MOST_PARTITION_BYTES
        return partition_bytes(
            Sizes(
                workers=self.workers,
                threads_per_worker=self.threads_per_worker,
                memory_per_worker=self.memory_per_worker,
            )
        )

    def check_sees(self, data: Path, *, work: Path | None = None) -> None:
        """InputError `path-not-seen` unless all workers see `data`, and share the folder `work` with this process."""
        if self.spec.is_here:
            return
        check_readable(self.client, data)
        if work is not None:
            check_shared(self.client, work)


@contextmanager
def open_cluster(spec: EngineSpec = LOCAL, scratch: Path | None = None) -> Iterator[Cluster]:
    """The engine, with all its workers there. Workers of this machine spill to `scratch` (None: TMPDIR).

    UnavailableError `cluster-slow`, `no-scheduler`, `no-workers`, `ssh-failed`, `kubernetes-failed`; InputError
    `missing-extra`, `versions-differ`, `memory-too-small`, `bad-option`, `no-gpu`.
    """
    began = time.perf_counter()
    with _client(spec, scratch) as client:
        start_s = time.perf_counter() - began
        facts: list[tuple[int, int]] = ask_scheduler(client, _facts)
        if spec.device is Device.CUDA:
            _check_cuda(client)
        executor = ClusterExecutor(client)
        try:
            yield Cluster(
                spec=spec,
                client=client,
                executor=executor,
                workers=len(facts),
                threads_per_worker=min(threads for threads, _ in facts),
                memory_per_worker=min(memory for _, memory in facts),
                dashboard_url=str(client.dashboard_link or ""),
                start_s=start_s,
            )
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _client(spec: EngineSpec, scratch: Path | None) -> AbstractContextManager[Client]:
    """Each backend is imported only where it is the one."""
    match spec.place:
        case Local() if spec.device is Device.CUDA:
            from forebay.ctr.engines.cuda import cuda_client

            return cuda_client(
                workers=spec.workers,
                threads_per_worker=spec.threads_per_worker,
                memory_per_worker=spec.memory_per_worker,
                scratch=scratch,
            )
        case Local():
            sizes = choose_sizes(spec, this_machine())
            return local_client(
                workers=sizes.workers,
                threads_per_worker=sizes.threads_per_worker,
                memory_per_worker=sizes.memory_per_worker,
                scratch=scratch,
            )
        case Scheduler(address=address):
            from forebay.ctr.engines.scheduler import scheduler_client

            return scheduler_client(address)
        case Ssh() as place:
            from forebay.ctr.engines.ssh import ssh_client

            return ssh_client(place, spec)
        case Kubernetes() as place:
            from forebay.ctr.engines.kubernetes import kubernetes_client

            return kubernetes_client(place, spec, f"forebay-{secrets.token_hex(4)}")


def _check_cuda(client: Client) -> None:
    """InputError `no-gpu` names a worker whose XGBoost was built without CUDA."""
    answers = client.run(_has_cuda)
    strangers = sorted(address for address, has in answers.items() if not has)
    if strangers:
        raise InputError(
            "no-gpu",
            f"--device cuda: XGBoost on the worker {strangers[0]} was built without CUDA",
            todo="Install forebay[gpu12] or forebay[gpu13] there, in place of forebay[train].",
        )


def _has_cuda() -> bool:
    """Runs on a worker."""
    import xgboost

    return bool(xgboost.build_info().get("USE_CUDA"))


def _facts(dask_scheduler: Any) -> list[tuple[int, int]]:
    """Runs on the scheduler: threads and memory of each worker."""
    return [(worker.nthreads, int(worker.memory_limit or 0)) for worker in dask_scheduler.workers.values()]
