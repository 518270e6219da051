"""A scheduler that somebody else runs: it is away, it has nothing, it goes in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.ctr.engines import scheduler
from forebay.ctr.engines.cluster import open_cluster
from forebay.ctr.engines.spec import EngineSpec, Scheduler
from forebay.ctr.engines.watch import watched
from forebay.ctr.models.tasks import gathered
from forebay.errors import InputError, UnavailableError
from forebay.testing.servers.process import free_ports
from tests.contract.engines import tasks
from tests.contract.engines.parts import RunningDask, running_dask, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[RunningDask]:
    with running_dask(tmp_path, 0) as running:
        yield running


def spec_of(dask: RunningDask) -> EngineSpec:
    return EngineSpec(place=Scheduler(address=dask.address))


def test_nobody_answers_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "CONNECT_LIMIT_S", 0.5)
    (port,) = free_ports(1)
    with pytest.raises(UnavailableError) as caught:
        open_cluster(EngineSpec(place=Scheduler(address=f"tcp://127.0.0.1:{port}"))).__enter__()
    assert caught.value.kind == "no-scheduler"
    assert "dask scheduler" in caught.value.todo


@pytest.mark.soak
def test_no_workers_then_other_versions_then_the_scheduler_goes(
    dask: RunningDask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnavailableError, match="has no workers") as without:
        open_cluster(spec_of(dask)).__enter__()
    assert without.value.kind == "no-workers"
    dask.start_worker()
    with scheduler.connected(dask.address) as client:
        client.wait_for_workers(1, timeout=60)
    newer = scheduler.our_versions() | {"dask": "0.0.1"}
    monkeypatch.setattr(scheduler, "our_versions", lambda: newer)
    with pytest.raises(InputError) as caught:
        open_cluster(spec_of(dask)).__enter__()
    assert caught.value.kind == "versions-differ"
    assert ", not 0.0.1" in caught.value.message
    monkeypatch.undo()
    with open_cluster(spec_of(dask)) as cluster:
        monkeypatch.setattr(Path, "rglob", lambda path, pattern: iter((Path(__file__),)))
        with pytest.raises(InputError, match="is not there") as elsewhere:
            cluster.check_sees(Path(__file__).parent)
        monkeypatch.undo()
        assert elsewhere.value.kind == "path-not-seen"
        slow = [cluster.executor.submit(tasks.pause, 60) for _ in range(3)]
        waited_for = cluster.client.submit(tasks.pause, 60, pure=False)
        killer = threading.Timer(1.0, dask.kill_scheduler)
        killer.start()
        with pytest.raises(UnavailableError) as gone:
            watched(cluster.client, lambda: threading.Event().wait(120), limit_s=120)
        assert gone.value.kind == "scheduler-lost"
        with pytest.raises(UnavailableError) as without_it:
            gathered(cluster.client, [waited_for], limit_s=120)
        assert without_it.value.kind == "scheduler-lost"
        for future in slow:
            with pytest.raises(UnavailableError) as lost:
                future.result(timeout=60)
            assert lost.value.kind == "scheduler-lost"
        with pytest.raises(UnavailableError):
            cluster.executor.submit(tasks.double, 1)
    wait_for(lambda: dask.scheduler.poll() is not None)
