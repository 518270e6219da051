"""A scheduler that somebody else runs: it is away, it has nothing, it goes in the middle."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.ctr.engines import scheduler
from forebay.ctr.engines.cluster import open_cluster
from forebay.ctr.engines.spec import EngineSpec, Local, Scheduler
from forebay.ctr.engines.watch import watched
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.tasks import gathered
from forebay.ctr.stages import Progress
from forebay.ctr.workload import prepare, train
from forebay.errors import InputError, UnavailableError
from forebay.testing.servers.process import free_ports
from tests.contract.engines import tasks
from tests.contract.engines.parts import PATIENCE_S, RunningDask, running_dask, wait_for

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


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_fit_whose_scheduler_goes_is_gone_on_with_as_it_advises(
    dask: RunningDask, clicks: Path, tmp_path: Path
) -> None:
    prepare(clicks, tmp_path / "f")
    options = BoostingOptions(rounds=600, max_depth=1, checkpoint_every=10, early_stopping=0, max_bin=8)
    begun: list[tuple[str, int]] = []

    def kill(stage: str, done: int, total: int) -> None:
        if stage == "fit" and done == 15:
            dask.kill_scheduler()

    def fit(engine: EngineSpec, *, resume: bool, progress: Progress) -> None:
        with open_cluster(engine) as cluster:
            train(
                tmp_path / "f",
                tmp_path / "m",
                options=options,
                cluster=cluster,
                checkpoints=tmp_path / "c",
                resume=resume,
                progress=progress,
            )

    dask.start_worker()
    with scheduler.connected(dask.address) as client:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    with pytest.raises(UnavailableError) as lost:
        fit(spec_of(dask), resume=False, progress=kill)
    assert lost.value.kind == "scheduler-lost"
    kept = re.search(r"(\d+) rounds are kept", lost.value.todo)
    assert kept
    here = EngineSpec(place=Local(), workers=1, threads_per_worker=1)
    fit(here, resume="--resume" in lost.value.todo, progress=lambda stage, done, total: begun.append((stage, done)))
    assert min(done for stage, done in begun if stage == "fit") == int(kept[1]) + 1
