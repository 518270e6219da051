"""The engines that keep the contract. A module's tests share one open cluster of two workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask
import pytest

from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.scheduler import connected
from forebay.ctr.engines.spec import Device, EngineSpec, Local, Login, Place, Scheduler, Ssh
from forebay.ctr.engines.watch import worker_addresses
from forebay.ctr.law import LawOptions
from forebay.ctr.workload import generate
from tests.contract.engines import tasks
from tests.contract.engines.parts import MEMORY_BYTES, PATIENCE_S, running_dask, wait_for

WORKERS = 2
CUDA_MEMORY_BYTES = 4 << 30
"""RAPIDS alone takes more than the others' workers may hold."""
ROOT = Path(__file__).parents[3]
"""Where a worker that begins in somebody's home finds what these tests have it do."""


@pytest.fixture(
    scope="module",
    params=[
        "local",
        pytest.param("tcp", marks=pytest.mark.soak),
        pytest.param("ssh", marks=pytest.mark.soak),
        pytest.param("cuda", marks=pytest.mark.gpu),
    ],
)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "tcp":
        with running_dask(folder, WORKERS) as running:
            with connected(running.address) as client:
                client.wait_for_workers(WORKERS, timeout=PATIENCE_S)
            with open_cluster(EngineSpec(place=Scheduler(address=running.address))) as opened:
                yield opened
    elif request.param == "ssh":
        home: Path = request.getfixturevalue("sshd_server").home
        (folder / "preload.py").write_text(f"import sys\n\nsys.path.append({str(ROOT)!r})\n")
        # The scheduler reads tasks, too.
        preload = dask.config.set(
            {f"distributed.{who}.preload": [str(folder / "preload.py")] for who in ("worker", "scheduler")}
        )
        with pytest.MonkeyPatch.context() as patch, preload:
            patch.setenv("HOME", str(home))
            with open_cluster(_spec(Ssh(logins=(Login(host="forebay-test"),)))) as opened:
                yield opened
    elif request.param == "cuda":
        spec = EngineSpec(place=Local(), device=Device.CUDA, memory_per_worker=CUDA_MEMORY_BYTES)
        with open_cluster(spec) as opened:
            yield opened
    else:
        with open_cluster(_spec(Local()), folder) as opened:
            yield opened
        assert list(folder.iterdir()) == [], "nothing of it is left"


def _spec(place: Place) -> EngineSpec:
    return EngineSpec(place=place, workers=WORKERS, threads_per_worker=1, memory_per_worker=MEMORY_BYTES)


@pytest.fixture
def healed(cluster: Cluster) -> Iterator[Cluster]:
    """For a test that takes workers away: they are all back afterwards, and their nannies know it.

    A nanny whose worker dies before it knows that one to be up may not start another (distributed 2026.7).
    """
    before = len(worker_addresses(cluster.client))
    yield cluster
    wait_for(lambda: len(worker_addresses(cluster.client)) == before == _known(cluster))


def _known(cluster: Cluster) -> int:
    """How many workers their nannies know to be up."""
    return sum(cluster.client.run(tasks.is_known, nanny=True, on_error="ignore").values())


@pytest.fixture(scope="session")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of 3,000 rows."""
    out = tmp_path_factory.mktemp("clicks")
    generate(out, days=2, rows_per_day=3_000, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    return out
