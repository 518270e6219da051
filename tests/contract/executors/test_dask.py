"""A Dask cluster beside a run's command: it is there, sees the plain path, and goes with the run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from forebay.runs.executors import dask_run
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job
from forebay.sites.site import Resources
from forebay.vouch import identify
from tests.contract.executors.site import ExecutorSite, all_dead, log_of, wait_for

# Slurm's is a second real cluster in a cluster: each of these takes many seconds.
pytestmark = [pytest.mark.integration, pytest.mark.soak]

CPUS = 2
PROGRAM = """
import os, pathlib, sys
from distributed import Client

def size_of(path):
    return os.getpid(), os.path.getsize(path)

if __name__ == "__main__":
    client = Client()
    pids, sizes = zip(*client.run(size_of, sys.argv[1]).values())
    print("sizes", *sizes)
    print("sum", sum(client.gather(client.map(lambda number: number * number, range(10)))))
    pathlib.Path("pid.new").write_text(str(pids[0]))
    pathlib.Path("pid.new").rename("pid")
    if sys.argv[2] == "wait":
        client.submit(__import__("time").sleep, 1000).result()
    sys.exit(int(sys.argv[2]))
"""


def dask_job(site: ExecutorSite, command: Sequence[str]) -> Job:
    """As an agent makes it: with the program in the job's own folder."""
    engine = site.folder / "engine"
    engine.mkdir()
    program = engine / "dask_run.py"
    program.write_bytes(Path(dask_run.__file__).read_bytes())
    job = site.job(sys.executable, str(program), str(engine), str(CPUS), str(2 << 30), "--", *command)
    return replace(job, resources=Resources(cpus=CPUS), grace_s=10.0)


def on_dask(site: ExecutorSite, how: str) -> Job:
    site.work.mkdir(exist_ok=True)
    (site.work / "program.py").write_text(PROGRAM)
    data = site.folder / "data"
    data.write_bytes(b"x" * 1000)
    return dask_job(site, [sys.executable, "program.py", str(data), how])


def test_a_client_finds_its_workers_and_they_the_data(site: ExecutorSite) -> None:
    job, executor = on_dask(site, "3"), site.agent()
    executor.start(job)
    status = site.finish(executor, job.key)
    log = log_of(job)
    assert isinstance(status, Ended), log
    assert (status.cause, status.exit_code) == (Cause.EXITED, 3), log
    assert "sizes 1000" in log
    assert "sum 285" in log
    assert "Dask at tcp://" in log
    assert identify(int(site.text("pid"))) is None, "its workers are gone"


def test_cancelling_reaches_all_of_it(site: ExecutorSite) -> None:
    job, executor = on_dask(site, "wait"), site.agent()
    executor.start(job)
    worker = site.process("pid")
    executor.cancel(job.key)
    assert isinstance(site.finish(executor, job.key), Cancelled)
    wait_for(lambda: all_dead([worker]))


def test_a_python_without_dask_says_what_to_install(site: ExecutorSite) -> None:
    job = dask_job(site, ["true"])
    bare = "import importlib.util, runpy, sys; importlib.util.find_spec = lambda name: None; del sys.argv[0]; "
    run = "runpy.run_path(sys.argv[0], run_name='__main__')"
    executor = site.agent()
    job = replace(job, command=(sys.executable, "-c", bare + run, *job.command[1:]))
    executor.start(job)
    status = site.finish(executor, job.key)
    assert isinstance(status, Ended)
    assert status.exit_code == dask_run.NO_DASK
    assert "--env" in log_of(job)


def test_a_scheduler_that_dies_ends_the_command(site: ExecutorSite) -> None:
    job, executor = on_dask(site, "wait"), site.agent()
    executor.start(job)
    site.process("pid")
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "distributed.cli.dask_scheduler" in words and str(site.folder / "engine" / "scheduler.json") in words:
            os.kill(process.pid, signal.SIGKILL)
    status = site.finish(executor, job.key)
    assert isinstance(status, Ended)
    assert status.exit_code == dask_run.LOST
    assert "the Dask cluster is lost" in log_of(job)
