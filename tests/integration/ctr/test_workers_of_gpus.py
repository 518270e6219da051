"""What workers that dask-cuda starts are told, where its cluster is one of this machine's CPUs."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import dask
import pytest
from distributed import LocalCluster

from forebay.ctr.engines import cuda
from forebay.ctr.engines.local import WORKER_ENVIRONMENT

pytestmark = pytest.mark.integration


class CudaCluster(LocalCluster):
    """As in dask-cuda 26.10 each worker has an environment of its own GPU, and no other that was asked for."""

    def __init__(self, n_workers: int, **told: Any) -> None:
        super().__init__(n_workers=0, processes=True, **told)  # type: ignore[no-untyped-call]
        self.scale(n_workers)  # type: ignore[no-untyped-call]
        self.sync(self._correct_state)  # type: ignore[no-untyped-call]

    def new_worker_spec(self) -> dict[Any, Any]:
        [(name, spec)] = super().new_worker_spec().items()  # type: ignore[no-untyped-call]
        return {name: {**spec, "options": {**spec["options"], "env": {"CUDA_VISIBLE_DEVICES": "7"}}}}


def _told() -> tuple[dict[str, str | None], set[str]]:
    """Runs on a worker."""
    names = (*WORKER_ENVIRONMENT, "CUDA_VISIBLE_DEVICES", "OF_THE_USER")
    return {name: os.environ.get(name) for name in names}, {os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)}


def test_workers_have_our_settings_and_keep_xgboosts_chat_to_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    dask_cuda = SimpleNamespace(LocalCUDACluster=CudaCluster, utils=SimpleNamespace(get_n_gpus=lambda: 1))
    monkeypatch.setattr(cuda, "check_installed", lambda packages, what: None)
    monkeypatch.setattr(cuda, "required", lambda module, what: dask_cuda)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with (
        dask.config.set({"distributed.nanny.environ.OF_THE_USER": "kept"}),
        cuda.cuda_client(workers=None, threads_per_worker=1, memory_per_worker=None) as client,
    ):
        ((environment, outputs),) = client.run(_told).values()
    assert environment == {**WORKER_ENVIRONMENT, "CUDA_VISIBLE_DEVICES": "7", "OF_THE_USER": "kept"}
    assert outputs == {os.devnull}
