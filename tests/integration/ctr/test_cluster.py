"""Waiting on Dask always ends: a worker lost, a job too long, a job that fails."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from distributed import Client

from forebay.ctr.cluster import local_client, watched
from forebay.errors import UnavailableError


@pytest.fixture
def client() -> Iterator[Client]:
    with local_client(workers=1, threads_per_worker=1) as client:
        yield client
    assert multiprocessing.active_children() == []


def test_results_errors_and_patience(client: Client) -> None:
    assert watched(client, lambda: 42, limit_s=60) == 42
    with pytest.raises(ZeroDivisionError):
        watched(client, lambda: 1 // 0, limit_s=60)
    released = threading.Event()
    with pytest.raises(UnavailableError) as caught:
        watched(client, lambda: released.wait(60), limit_s=0.1)
    released.set()
    assert caught.value.kind == "job-too-long"


def test_a_lost_worker_ends_the_wait(client: Client) -> None:
    released = threading.Event()
    pids = client.run(os.getpid)

    def job() -> None:
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        released.wait(60)

    with pytest.raises(UnavailableError) as caught:
        watched(client, job, limit_s=60)
    released.set()
    assert caught.value.kind == "worker-lost"
