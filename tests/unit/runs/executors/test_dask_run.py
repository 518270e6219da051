"""What a run's Dask cluster is started as: the node's cores and memory, and nobody else's reach."""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from forebay.runs.executors import dask_run

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
