"""Whatever the engine: the same client, the same executor, the same ends."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from forebay.ctr.engines import executor as executors
from forebay.ctr.engines.cluster import Cluster
from forebay.ctr.engines.executor import ClusterExecutor
from forebay.ctr.engines.report import performance_report
from forebay.ctr.engines.seen import sizes_of
from forebay.ctr.engines.watch import watched, worker_addresses
from forebay.ctr.models import tasks as model_tasks
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.models.tasks import copied, gathered
from forebay.ctr.workload import evaluate, prepare, train
from forebay.errors import CapacityError, InputError, UnavailableError
from tests.contract.engines import tasks
from tests.contract.engines.parts import MEMORY_BYTES, wait_for

pytestmark = pytest.mark.integration


def test_workers_see_the_plain_path_and_share_a_folder(cluster: Cluster, clicks: Path, tmp_path: Path) -> None:
    cluster.check_sees(clicks, work=tmp_path)
    assert list(tmp_path.iterdir()) == []
    answers = cluster.client.run(sizes_of, str(clicks))
    assert len(answers) == cluster.workers
    assert set(map(str, answers.values())) == {str(sizes_of(str(clicks)))}


def test_results_come_in_their_order_and_errors_as_they_were_raised(cluster: Cluster) -> None:
    assert list(cluster.executor.map(tasks.double, range(100))) == [2 * number for number in range(100)]
    assert cluster.executor.submit(tasks.name_of, workers="word").result() == "word"
    with pytest.raises(InputError) as caught:
        cluster.executor.submit(tasks.refuse).result()
    assert (caught.value.kind, caught.value.todo) == ("bad-row", "mend it")


def test_what_is_cancelled_is_not_waited_for(cluster: Cluster) -> None:
    futures = [cluster.executor.submit(tasks.pause, 0.2) for _ in range(50)]
    assert futures[-1].cancel()
    with pytest.raises(CancelledError):
        futures[-1].result()
    assert all(future.cancel() or future.done() for future in futures)
    assert cluster.executor.submit(tasks.double, 1).result() == 2


def test_an_executor_that_was_shut_leaves_the_cluster(cluster: Cluster) -> None:
    with ClusterExecutor(cluster.client) as executor:
        future = executor.submit(tasks.double, 4)
    assert future.done()
    with pytest.raises(RuntimeError):
        executor.submit(tasks.double, 4)
    assert cluster.executor.submit(tasks.double, 4).result() == 8


def test_the_workload_is_the_same_as_on_threads(cluster: Cluster, clicks: Path, tmp_path: Path) -> None:
    here = prepare(clicks, tmp_path / "here", range_bytes=200_000).features
    there = prepare(clicks, tmp_path / "there", range_bytes=200_000, executor=cluster.executor).features
    assert there.digest == here.digest
    fast = BoostingOptions(rounds=20, max_depth=3)
    report = train(tmp_path / "there", tmp_path / "model", options=fast, cluster=cluster)
    assert report.description.workers == cluster.workers
    assert evaluate(tmp_path / "there", report.model).metrics.auc > 0.55


def test_a_report_is_one_file_that_needs_no_network(cluster: Cluster, tmp_path: Path) -> None:
    out = tmp_path / "made" / "report.html"
    with performance_report(cluster.client, out):
        cluster.executor.submit(tasks.double, 1).result()
    page = out.read_text()
    assert "Task Stream" in page
    assert "<script src=" not in page.replace("'", '"')
    with pytest.raises(ZeroDivisionError), performance_report(cluster.client, out.with_name("failed.html")):
        raise ZeroDivisionError
    assert [path.name for path in sorted(out.parent.iterdir())] == ["failed.html", "report.html"]


def test_scheduler_and_workers_tell_prometheus(cluster: Cluster) -> None:
    scheduler = cluster.dashboard_url.removesuffix("/status")
    with urllib.request.urlopen(f"{scheduler}/metrics", timeout=30) as answer:
        assert b"dask_scheduler_workers" in answer.read()
    for port in cluster.client.run(tasks.http_port).values():
        with urllib.request.urlopen(f"http://{port}/metrics", timeout=30) as answer:
            assert b"dask_worker_tasks" in answer.read()


def test_a_watched_job_ends_well_badly_or_late(cluster: Cluster) -> None:
    assert watched(cluster.client, lambda: 42, limit_s=60) == 42
    with pytest.raises(ZeroDivisionError):
        watched(cluster.client, lambda: 1 // 0, limit_s=60)
    released = threading.Event()
    with pytest.raises(UnavailableError) as caught:
        watched(cluster.client, lambda: released.wait(60), limit_s=0.1)
    released.set()
    assert caught.value.kind == "job-too-long"


def test_a_killed_worker_ends_a_watched_job_with_who_is_left(healed: Cluster) -> None:
    victim = worker_addresses(healed.client)[0]
    released = threading.Event()

    def job() -> None:
        # The answer of the dead never comes.
        healed.client.submit(tasks.die, workers=[victim], pure=False, retries=0)
        released.wait(60)

    with pytest.raises(UnavailableError) as caught:
        watched(healed.client, job, limit_s=60)
    released.set()
    assert caught.value.kind == "worker-lost"
    left = len(worker_addresses(healed.client))
    assert left >= healed.workers - 1
    assert f"{healed.workers - 1} of {healed.workers} are left" in caught.value.message


def test_tasks_of_a_killed_worker_are_done_by_another(healed: Cluster, tmp_path: Path) -> None:
    futures = [healed.executor.submit(tasks.first_time_die, tmp_path, number) for number in range(20)]
    assert [future.result(timeout=120) for future in futures] == list(range(20))


@pytest.fixture
def no_second_try(healed: Cluster) -> Iterator[None]:
    """A task goes with the worker that it kills: else it would kill others long after its test."""
    before = healed.client.run_on_scheduler(tasks.tries_after_a_death, 0)  # type: ignore[no-untyped-call]
    yield
    healed.client.run_on_scheduler(tasks.tries_after_a_death, before)  # type: ignore[no-untyped-call]


@pytest.mark.usefixtures("no_second_try")
def test_a_worker_that_holds_too_much_ends_a_job_with_what_it_may_hold(healed: Cluster) -> None:
    limit = healed.memory_per_worker
    assert limit == (healed.spec.memory_per_worker or MEMORY_BYTES)
    with pytest.raises(CapacityError) as caught:
        watched(healed.client, lambda: healed.client.submit(tasks.hold, limit, pure=False).result(), limit_s=120)
    assert caught.value.kind == "worker-out-of-memory"
    assert f"{limit >> 20:,} MiB" in caught.value.message


@pytest.mark.soak
def test_a_task_that_takes_worker_after_worker_says_what_they_may_hold(healed: Cluster) -> None:
    with pytest.raises(CapacityError) as caught:
        healed.executor.submit(tasks.hold, healed.memory_per_worker).result(timeout=250)
    assert caught.value.kind == "worker-out-of-memory"
    assert "4 workers" in caught.value.message
    assert f"{healed.memory_per_worker >> 20:,} MiB" in caught.value.message


@pytest.mark.soak
def test_prepare_goes_on_whichever_stage_loses_a_worker(healed: Cluster, clicks: Path, tmp_path: Path) -> None:
    lost: list[str] = []
    killers: list[object] = []

    def kill_once_a_stage(stage: str, done: int, total: int) -> None:
        if stage not in lost:
            lost.append(stage)
            killers.append(healed.client.submit(tasks.first_time_die, tmp_path / stage, 0, pure=False, priority=10))

    stages = ["parse", "count", "add up", "encode"]
    for stage in stages:
        (tmp_path / stage).mkdir()
    here = prepare(clicks, tmp_path / "here", range_bytes=100_000).features
    there = prepare(
        clicks, tmp_path / "there", range_bytes=100_000, executor=healed.executor, progress=kill_once_a_stage
    ).features
    assert lost == stages
    wait_for(lambda: all((tmp_path / stage / "died").exists() for stage in lost))
    assert there.digest == here.digest


def test_without_any_worker_tasks_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "worker_addresses", lambda client: ())
    executor = ClusterExecutor(cluster.client, no_workers_s=0.1)
    with pytest.raises(UnavailableError) as caught:
        executor.submit(tasks.pause, 30).result(timeout=60)
    assert caught.value.kind == "no-workers"


def test_a_task_that_never_ends_is_given_up(cluster: Cluster) -> None:
    executor = ClusterExecutor(cluster.client, stuck_s=0.1)
    future = executor.submit(tasks.pause, 3)
    with pytest.raises(UnavailableError) as caught:
        future.result(timeout=60)
    assert caught.value.kind == "job-too-long"


def test_gathering_ends_without_any_worker_and_late(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError) as late:
        gathered(cluster.client, [cluster.client.submit(tasks.pause, 3, pure=False)], limit_s=0.1)
    assert (late.value.kind, late.value.todo) == ("job-too-long", "Give it a longer --time-limit.")
    monkeypatch.setattr(model_tasks, "worker_addresses", lambda client: ())
    with pytest.raises(UnavailableError) as caught:
        gathered(cluster.client, [cluster.client.submit(tasks.pause, 3, pure=False)], limit_s=60, no_workers_s=0.1)
    assert caught.value.kind == "no-workers"


def test_what_is_sent_to_all_waits_for_workers_and_not_for_ever(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, there = copied(cluster.client, {"a": 1}, limit_s=60)
    assert there == worker_addresses(cluster.client)
    held = cluster.client.who_has([sent])  # type: ignore[no-untyped-call]
    assert sorted(held[sent.key]) == sorted(there)
    assert gathered(cluster.client, [sent], limit_s=60) == [{"a": 1}]
    answers = iter([(), (), there])
    with monkeypatch.context() as patch:
        patch.setattr(model_tasks, "worker_addresses", lambda client: next(answers, there))
        assert copied(cluster.client, 2, limit_s=60)[1] == there, "they came at last"
    monkeypatch.setattr(model_tasks, "worker_addresses", lambda client: ())
    with pytest.raises(UnavailableError) as caught:
        copied(cluster.client, 3, limit_s=60, no_workers_s=0.1)
    assert caught.value.kind == "no-workers"


def test_gathering_says_that_what_was_sent_to_a_worker_went_with_it(healed: Cluster) -> None:
    victim = worker_addresses(healed.client)[0]
    [sent] = healed.client.scatter([b"only there"], workers=[victim], hash=False)  # type: ignore[no-untyped-call]
    dies = healed.client.submit(tasks.die_of, sent, workers=[victim], pure=False)
    with pytest.raises(UnavailableError) as caught:
        gathered(healed.client, [dies], limit_s=120)
    assert caught.value.kind == "worker-lost"


@pytest.mark.usefixtures("no_second_try")
def test_gathering_says_what_its_workers_died_of(healed: Cluster) -> None:
    with pytest.raises(UnavailableError) as died:
        gathered(healed.client, [healed.client.submit(tasks.die, pure=False)], limit_s=120)
    hold = healed.client.submit(tasks.hold, healed.memory_per_worker, pure=False)
    with pytest.raises(CapacityError) as held:
        gathered(healed.client, [hold], limit_s=120)
    assert died.value.kind == "task-kills-workers"
    assert held.value.kind == "worker-out-of-memory"
    assert f"{healed.memory_per_worker >> 20:,} MiB" in held.value.message
