"""What a run's Dask cluster is started as: the node's cores and memory, and nobody else's reach."""

from __future__ import annotations

import ast
import itertools
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.engines.sizes import CLUSTER_SETTINGS
from forebay.runs.executors import dask_run
from forebay.runs.left import DASK_JSON, REPORTS

HERE = Path("/jobs/engine")


@given(st.integers(1, 512), st.integers(0, 1 << 44), st.integers(1, 8))
def test_workers_take_the_cores_and_leave_memory_to_the_command(cpus: int, memory_bytes: int, nodes: int) -> None:
    told = dask_run.worker_command("python3", HERE, "/tmp", nodes=nodes, cpus=cpus, memory_bytes=memory_bytes)
    given = dict(itertools.pairwise(told))
    workers, threads, memory = int(given["--nworkers"]), int(given["--nthreads"]), float(given["--memory-limit"])
    assert cpus - workers < workers * threads <= cpus
    assert threads <= dask_run.MOST_THREADS
    assert workers * memory <= dask_run.WORKERS_SHARE * (memory_bytes or 1) + 1e-6


def test_a_cluster_of_one_node_is_not_seen_by_others() -> None:
    alone = dask_run.scheduler_command("python3", HERE, 1)
    assert alone[alone.index("--host") + 1] == "127.0.0.1"
    assert alone[alone.index("--dashboard-address") + 1] == "127.0.0.1:0"
    assert "--host" not in dask_run.scheduler_command("python3", HERE, 2)
    assert "--host" not in dask_run.worker_command("python3", HERE, "/tmp", nodes=2, cpus=1, memory_bytes=0)


def test_it_runs_where_forebay_is_not() -> None:
    tree = ast.parse(Path(dask_run.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_where_it_can_be_watched_is_left_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REPORTS, str(tmp_path))
    dask_run._leave("http://127.0.0.1:8787")
    assert json.loads((tmp_path / DASK_JSON).read_text()) == {"dashboard": "http://127.0.0.1:8787/status"}
    for value in (str(tmp_path / "nowhere"), ""):
        monkeypatch.setenv(REPORTS, value)
        dask_run._leave("http://127.0.0.1:8787")


def test_its_settings_are_those_of_every_other_cluster() -> None:
    assert dask_run.CLUSTER_SETTINGS == CLUSTER_SETTINGS


def test_scheduler_and_workers_have_these_settings_but_for_those_that_the_run_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE", "0.9")
    tell = "import dask, distributed, json, sys; print(json.dumps([dask.config.get(key) for key in sys.argv[1:]]))"
    assert dask_run._started([sys.executable, "-c", tell, *CLUSTER_SETTINGS], tmp_path / "log").wait() == 0
    own = {"distributed.worker.memory.terminate": 0.9}
    assert dict(zip(CLUSTER_SETTINGS, json.loads((tmp_path / "log").read_text()), strict=True)) == {
        **CLUSTER_SETTINGS,
        **own,
    }
