"""A cluster of this machine ends, whatever its workers are about."""

from __future__ import annotations

import os

import pytest
from distributed.core import Status

from forebay.ctr.engines import watch
from forebay.ctr.engines.local import local_client
from tests.contract.engines.parts import wait_for

pytestmark = pytest.mark.integration


def _is_there(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def test_a_worker_that_never_says_its_first_word_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CLOSE_LIMIT_S", 1.0)
    with local_client(workers=2, threads_per_worker=1) as client:
        pids = list(client.run(os.getpid).values())
        assert client.cluster is not None
        silent = client.cluster.workers[0].process
        silent.status = Status.starting
        silent.running.clear()
    wait_for(lambda: not any(_is_there(pid) for pid in pids))


def test_workers_that_end_by_themselves_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = list[int]()
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    with local_client(workers=1, threads_per_worker=1) as client:
        (pid,) = client.run(os.getpid).values()
    wait_for(lambda: not _is_there(pid))
    assert killed == []
