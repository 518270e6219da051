"""A command beside a Dask cluster that lives as long as it does: the program that a run with the engine `dask` starts.

    python3 dask_run.py FOLDER CPUS MEMORY_BYTES -- COMMAND [ARGS]...

It goes along as one file and runs in the run's own Python, on every node of the run, where forebay may not be: it
imports nothing but the standard library, and starts that Python's Dask. All that it starts is of its own process group
and carries the job's mark, so whoever ends the job ends all of it. `FOLDER` is seen by all nodes of the run.

The first node has scheduler and command. The command finds the scheduler by DASK_SCHEDULER_ADDRESS, which Dask's own
`Client()` reads; its exit code, or the signal that ended it, is ours.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

START_LIMIT_S = 300.0
END_LIMIT_S = 15.0
WORKERS_SHARE = 0.7
MOST_THREADS = 16
NO_DASK = 78
LOST = 70
_LOOK_S = 0.2
_TAIL_CHARS = 2000

CLUSTER_SETTINGS = {
    "distributed.worker.memory.target": 0.6,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.deploy.lost-worker-timeout": "300 s",
}
"""Those of `ctr.engines.sizes`, which says why: written again, since this program stands alone; a test compares."""


def scheduler_command(python: str, folder: Path, nodes: int) -> list[str]:
    """Seen by this machine alone, where the run has one node: whoever reaches a scheduler may run code in it."""
    host = ["--host", "127.0.0.1"] if nodes == 1 else []
    dashboard = "127.0.0.1:0" if nodes == 1 else ":0"
    told = ["--port", "0", "--scheduler-file", str(folder / "scheduler.json"), "--dashboard-address", dashboard]
    return [python, "-m", "distributed.cli.dask_scheduler", *host, *told]


def worker_command(python: str, folder: Path, spill: str, *, nodes: int, cpus: int, memory_bytes: int) -> list[str]:
    """All workers of one node: a process for each MOST_THREADS cores. What the command itself needs is left to it."""
    workers = workers_on(cpus)
    memory = str(int(memory_bytes * WORKERS_SHARE) // workers) if memory_bytes else str(WORKERS_SHARE / workers)
    host = ["--host", "127.0.0.1"] if nodes == 1 else []
    sizes = ["--nworkers", str(workers), "--nthreads", str(max(1, cpus // workers)), "--memory-limit", memory]
    told = ["--scheduler-file", str(folder / "scheduler.json"), "--local-directory", spill, "--death-timeout", "60"]
    return [python, "-m", "distributed.cli.dask_worker", *host, *sizes, *told]


def workers_on(cpus: int) -> int:
    """Worker processes of a node with so many cores."""
    return -(-cpus // MOST_THREADS)


def main(folder: Path, cpus: int, memory_bytes: int, command: list[str]) -> int:
    """The command's exit code; LOST and NO_DASK are of the cluster."""
    if importlib.util.find_spec("distributed") is None:
        _tell(f"{sys.executable} has no Dask: put `dask` and `distributed` into the requirements (--env)")
        return NO_DASK
    node, nodes = int(os.environ.get("SLURM_PROCID", "0")), int(os.environ.get("SLURM_NTASKS", "1"))
    cpus = cpus or len(os.sched_getaffinity(0))
    spill = tempfile.mkdtemp(prefix="forebay-dask-")
    workers = worker_command(sys.executable, folder, spill, nodes=nodes, cpus=cpus, memory_bytes=memory_bytes)
    try:
        if node:
            return _help(workers, folder, node)
        return _lead(
            scheduler_command(sys.executable, folder, nodes), workers, folder, nodes * workers_on(cpus), command
        )
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _lead(scheduler: list[str], workers: list[str], folder: Path, expected: int, command: list[str]) -> int:
    """The first node's part."""
    parts = [_started(scheduler, folder / "scheduler.log"), _started(workers, folder / "workers-0.log")]
    try:
        address = _ready(parts, folder, expected)
        if not address:
            return LOST
        return _run(command, address, parts, folder)
    finally:
        (folder / "done").touch()
        for part in reversed(parts):
            _end(part)


def _help(workers: list[str], folder: Path, node: int) -> int:
    """Another node's part: workers, until the first one is done."""
    part = _started(workers, folder / f"workers-{node}.log")
    try:
        while part.poll() is None and not (folder / "done").exists():
            time.sleep(_LOOK_S)
    finally:
        _end(part)
    return 0 if (folder / "done").exists() else LOST


def _ready(parts: list[subprocess.Popen[bytes]], folder: Path, expected: int) -> str:
    """The scheduler's address once all workers are there; "" (and why) where they do not come."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and all(part.poll() is None for part in parts):
        facts = _facts(folder)
        if facts and _count_workers(facts) >= expected:
            address = str(facts["address"])
            _leave(_http(facts))
            _tell(f"Dask at {address}, {expected} workers; dashboard {_http(facts)}/status")
            return address
        time.sleep(_LOOK_S)
    _tell(f"the Dask cluster did not start within {START_LIMIT_S:.0f} s:\n{_tails(folder)}")
    return ""


def _run(command: list[str], address: str, parts: list[subprocess.Popen[bytes]], folder: Path) -> int:
    """The command to its end; LOST where scheduler or workers end before it."""
    try:
        child = subprocess.Popen(command, env={**os.environ, "DASK_SCHEDULER_ADDRESS": address})
    except OSError as error:
        _tell(f"{command[0]}: {error.strerror}")
        return 127
    # The signal is for all of the job: the command has its own, and we wait for its end.
    signal.signal(signal.SIGTERM, lambda number, frame: _pass_on(child))
    while child.poll() is None:
        if any(part.poll() is not None for part in parts):
            _tell(f"the Dask cluster is lost; the command is ended:\n{_tails(folder)}")
            _end(child)
            return LOST
        time.sleep(_LOOK_S)
    return child.returncode


def _pass_on(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """Of scheduler and workers: Dask reads its settings from variables. What the run itself sets stays so."""
    names = {key: "DASK_" + key.upper().replace(".", "__").replace("-", "_") for key in CLUSTER_SETTINGS}
    return {**{names[key]: str(value) for key, value in CLUSTER_SETTINGS.items()}, **own}


def _started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment(os.environ)
        )


def _end(part: subprocess.Popen[bytes]) -> None:
    part.terminate()
    try:
        part.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        part.kill()
        part.wait()


def _facts(folder: Path) -> dict[str, object]:
    """What the scheduler says of itself; empty while it says nothing, or half of it."""
    try:
        found = json.loads((folder / "scheduler.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _http(facts: dict[str, object]) -> str:
    services, address = facts["services"], str(facts["address"])
    port = services["dashboard"] if isinstance(services, dict) else 0
    return f"http://{address.partition('://')[2].rpartition(':')[0]}:{port}"


def _count_workers(facts: dict[str, object]) -> int:
    url = f"{_http(facts)}/json/counts.json"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own scheduler's, by HTTP
            return int(json.load(answer)["workers"])
    except (OSError, ValueError):
        return 0


def _tails(folder: Path) -> str:
    logs = sorted(folder.glob("*.log"))
    return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-_TAIL_CHARS:]}" for log in logs)


def _leave(dashboard: str) -> None:
    """Where the cluster can be watched, beside what the run leaves: by the names that runs/left.py has."""
    folder = os.environ.get("FOREBAY_REPORTS", "")
    if folder:
        try:
            Path(folder, "dask.json").write_text(json.dumps({"dashboard": f"{dashboard}/status"}))
        except OSError as error:
            _tell(f"the dashboard's address could not be left: {error}")


def _tell(text: str) -> None:
    sys.stderr.write(f"forebay: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    place, cores, memory = sys.argv[1:4]
    code = main(Path(place), int(cores), int(memory), sys.argv[5:])
    if code < 0:
        # As the command ended, so do we: whoever looks sees the same signal.
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
