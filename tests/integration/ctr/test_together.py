"""Fits that span workers: one at a time on a scheduler, whoever dies; the error that matters; a loss in any step."""

from __future__ import annotations

import errno
import math
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import dask
import psutil
import pytest
import xgboost
from distributed import Client, Future, LocalCluster, Worker

from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.ctr.engines.watch import worker_addresses
from forebay.ctr.law import LawOptions
from forebay.ctr.models import fit_share, margins
from forebay.ctr.models.held_out import HeldOut
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.together import Seat, in_turn, joined
from forebay.ctr.workload import generate, prepare, train
from forebay.errors import CapacityError, DamagedError, UnavailableError
from tests.contract.engines.parts import wait_for
from tests.integration.ctr.models import BOOSTING

pytestmark = pytest.mark.timeout(600)
JOINED = "joined"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster(EngineSpec(place=Local(), workers=2, threads_per_worker=1)) as opened:
        yield opened


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    generate(folder / "c", days=4, rows_per_day=4_000, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    prepare(folder / "c", folder / "f", range_bytes=400_000)
    return folder / "f"


@pytest.fixture(scope="module")
def model(features: Path, cluster: Cluster) -> bytes:
    """What an undisturbed fit makes."""
    return fitted(features, features.parent / "undisturbed", cluster)


def fitted(features: Path, out: Path, cluster: Cluster) -> bytes:
    return (train(features, out, options=BOOSTING, cluster=cluster).model / "model.ubj").read_bytes()


def test_two_fits_on_one_scheduler_both_end(features: Path, cluster: Cluster, model: bytes, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fitted, features, tmp_path / name, cluster) for name in ("one", "other")]
        assert [each.result() for each in both] == [model, model]


def test_a_fit_may_have_no_limit(features: Path, cluster: Cluster, model: bytes, tmp_path: Path) -> None:
    report = train(features, tmp_path / "m", options=BOOSTING, cluster=cluster, time_limit_s=math.inf)
    assert (report.model / "model.ubj").read_bytes() == model


def test_a_part_that_one_worker_can_not_read_is_the_error_and_all_are_free_again(
    features: Path, cluster: Cluster, model: bytes, tmp_path: Path
) -> None:
    copy = shutil.copytree(features, tmp_path / "f")
    damaged = max((copy / "day_1").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(DamagedError, match=damaged.name):
        train(copy, tmp_path / "m", options=BOOSTING, cluster=cluster)
    assert fitted(features, tmp_path / "after", cluster) == model


def test_a_worker_that_goes_while_cuts_are_settled_changes_nothing(
    features: Path, model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, killed = margins.settled, list[int]()
    with open_cluster(EngineSpec(place=Local(), workers=2, threads_per_worker=1)) as fragile:
        victim = min(fragile.client.run(os.getpid).values())

        def settled(*given: object) -> object:
            if not killed:
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)
            return real(*given)  # type: ignore[arg-type]

        monkeypatch.setattr("forebay.ctr.models.boosting.settled", settled)
        assert fitted(features, tmp_path / "m", fragile) == model
    assert killed


def test_a_worker_that_goes_while_the_others_wait_for_it_changes_nothing(
    features: Path, model: bytes, tmp_path: Path
) -> None:
    with open_cluster(EngineSpec(place=Local(), workers=2, threads_per_worker=1)) as fragile:
        fragile.client.run(die_instead_of_joining, workers=list(worker_addresses(fragile.client)[:1]))
        before = set(fragile.client.run(os.getpid).values())
        assert fitted(features, tmp_path / "m", fragile) == model
        assert before.isdisjoint(fragile.client.run(os.getpid).values())


def test_a_way_between_workers_that_breaks_is_said_and_all_are_free_again(
    features: Path, cluster: Cluster, model: bytes, tmp_path: Path
) -> None:
    one = list(worker_addresses(cluster.client)[:1])
    cluster.client.run(cut_after_joining, workers=one)
    try:
        with pytest.raises(UnavailableError) as caught:
            train(features, tmp_path / "m", options=BOOSTING, cluster=cluster)
    finally:
        cluster.client.run(join_as_ever, workers=one)
    assert caught.value.kind == "fit-broken"
    assert "reach one another" in str(caught.value.todo)
    assert fitted(features, tmp_path / "after", cluster) == model


def die_instead_of_joining() -> None:
    """Runs on a worker."""

    def die(seat: Seat) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it was not killed")

    setattr(fit_share, JOINED, die)


def cut_after_joining() -> None:
    """Runs on a worker: shuts what it has opened to the other workers."""

    @contextmanager
    def cut(seat: Seat) -> Iterator[None]:
        before = connections()
        with joined(seat):
            for descriptor in connections() - before:
                with socket.socket(fileno=os.dup(descriptor)) as opened, suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)
            yield

    setattr(fit_share, JOINED, cut)


def join_as_ever() -> None:
    """Runs on a worker."""
    setattr(fit_share, JOINED, joined)


def connections() -> set[int]:
    """Descriptors of this process's TCP connections."""
    found = psutil.Process().net_connections("tcp")
    return {each.fd for each in found if each.status == psutil.CONN_ESTABLISHED}


def test_rounds_of_a_fit_whose_client_is_gone_end_and_it_is_asked_nothing(
    features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = BoostingOptions(rounds=100_000, early_stopping=0, max_depth=1, checkpoint_every=0)
    begun, asked, real = threading.Event(), list[str](), Future.result

    def result(future: Future[object], timeout: float | None = None) -> object:
        asked.append(str(future.status))
        return real(future, timeout)

    monkeypatch.setattr(Future, "result", result)

    def look(stage: str, done: int, total: int) -> None:
        if stage == "fit":
            begun.set()

    def fit(cluster: Cluster) -> None:
        with pytest.raises(UnavailableError, match="scheduler is gone"):
            train(features, tmp_path / "m", options=endless, cluster=cluster, progress=look)

    with (
        open_cluster(EngineSpec(place=Local(), workers=2, threads_per_worker=1)) as shared,
        ThreadPoolExecutor(1) as pool,
    ):
        with Client(shared.client.scheduler_info()["address"]) as theirs:  # type: ignore[no-untyped-call]
            fitting = pool.submit(fit, replace(shared, client=theirs))
            assert begun.wait(120)
            assert max(shared.client.run(executing).values()) == 1
        fitting.result()
        assert set(asked) <= {"finished", "error"}
        wait_for(lambda: max(shared.client.run(executing).values()) == 0)


def test_rounds_of_a_fit_whose_time_is_over_end_and_nobody_hears_of_them(
    features: Path, cluster: Cluster, model: bytes, tmp_path: Path
) -> None:
    endless = BoostingOptions(rounds=100_000, early_stopping=0, max_depth=1, checkpoint_every=0)
    with pytest.raises(UnavailableError) as caught:
        train(features, tmp_path / "m", options=endless, cluster=cluster, time_limit_s=4)
    assert caught.value.kind == "job-too-long"
    wait_for(lambda: max(cluster.client.run(executing).values()) == 0)
    assert fitted(features, tmp_path / "after", cluster) == model


def test_disks_are_looked_at_before_a_fit_begins(
    features: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forebay.ctr.models.boosting.disk_bytes", lambda *given: 1 << 60)
    with pytest.raises(CapacityError) as caught:
        train(features, tmp_path / "m", options=BOOSTING, cluster=cluster)
    assert caught.value.kind == "disk-too-little"
    assert not (tmp_path / "m").exists()


def executing(dask_worker: Worker) -> int:
    """Runs on a worker."""
    return dask_worker.state.executing_count


@pytest.fixture
def forgetful() -> Iterator[LocalCluster]:
    """A scheduler that takes a turn back at once from whoever does not renew it."""
    soon = {
        "distributed.scheduler.locks.lease-timeout": "2s",
        "distributed.scheduler.locks.lease-validation-interval": "0.2s",
    }
    with dask.config.set(soon), LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:  # type: ignore[no-untyped-call]
        yield cluster


def test_a_turn_that_does_not_come_ends_and_one_whose_client_died_comes(forgetful: LocalCluster) -> None:
    with Client(forgetful) as one, Client(forgetful) as other:  # type: ignore[no-untyped-call]
        with in_turn(one, limit_s=60), pytest.raises(UnavailableError) as caught, in_turn(other, limit_s=3):
            pytest.fail("both have it")
        assert caught.value.kind == "job-too-long"
        with in_turn(other, limit_s=60):
            pass
        held = in_turn(one, limit_s=60)
        held.__enter__()
        one.close()
        with in_turn(other, limit_s=60):
            pass


def test_xgboost_has_all_threads_of_its_worker(
    features: Path, cluster: Cluster, forgetful: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A booster's own number is not enough where OMP_NUM_THREADS is 1."""
    threads = list[int]()

    class Looking(HeldOut):
        def loss(self, booster: xgboost.Booster) -> tuple[float, int]:
            threads.append(xgboost.get_config()["nthread"])
            return super().loss(booster)

    # Its worker is a thread of this process.
    monkeypatch.setattr("forebay.ctr.models.fit_share.HeldOut", Looking)
    with Client(forgetful) as mine:  # type: ignore[no-untyped-call]
        fitted(features, tmp_path / "m", replace(cluster, client=mine, threads_per_worker=3))
    assert set(threads) == {3}
    assert xgboost.get_config()["nthread"] != 3


def test_a_disk_that_is_full_in_the_middle_of_a_fit_is_named(
    features: Path, cluster: Cluster, forgetful: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    # Its worker is a thread of this process.
    monkeypatch.setattr("forebay.ctr.models.fit_share.HeldOut", full)
    with Client(forgetful) as mine:  # type: ignore[no-untyped-call]
        on_threads = replace(cluster, client=mine)
        with pytest.raises(OSError, match="no space"):
            train(features, tmp_path / "m", options=BOOSTING, cluster=on_threads)
        monkeypatch.setattr("forebay.ctr.models.fit_share._FULL_BYTES", 1 << 60)
        with pytest.raises(CapacityError) as caught:
            train(features, tmp_path / "m", options=BOOSTING, cluster=on_threads)
    assert caught.value.kind == "disk-too-little"
