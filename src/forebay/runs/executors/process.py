"""The embedded executor: each job is a process on this machine, watched by a supervisor of its own (supervisor.py).

The folder is the truth and belongs to this machine: any number of agents, one after the other, see the same jobs in it.
A job outlives its agent, not its lease.
"""

from __future__ import annotations

import math
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from forebay.errors import CapacityError, InputError, UnavailableError
from forebay.runs.executors.allotment import allot_cpus, allot_gpus
from forebay.runs.executors.clean import MARK, clean_environment
from forebay.runs.executors.fence import LATE_S, read_until, since_boot, write_until
from forebay.runs.executors.job_folder import JobFolder, forget, keys_below, tidy, writing
from forebay.runs.executors.logs import make_log
from forebay.runs.executors.processes import marked, send
from forebay.runs.executors.protocol import (
    Cancelled,
    Job,
    JobKey,
    JobStatus,
    Lost,
    Pending,
    Running,
    check,
)
from forebay.vouch import number_of, on_this_start, seen_alive, seen_dead

_SUPERVISOR = "forebay.runs.executors.supervisor"
_KILL_PAUSE_S = 0.02


class ProcessExecutor:
    """`root` is made where it is missing. `gpus`: the devices of this machine, as CUDA_VISIBLE_DEVICES names them."""

    def __init__(
        self, root: Path, *, gpus: Sequence[str] = (), agent_environment: Mapping[str, str] | None = None
    ) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        tidy(root)
        self._root = root.resolve()
        self._gpus = tuple(gpus)
        self._clean = clean_environment(os.environ if agent_environment is None else agent_environment)

    def start(self, job: Job) -> None:
        """As `Executor.start`; returns once a supervisor has the job."""
        check(job)
        if job.nodes != 1:
            raise InputError("bad-job", f"{job.key.name} asks for {job.nodes} nodes; this executor has one")
        folder = JobFolder.of(self._root, job.key)
        with folder.alone():
            if not folder.holds(job):
                folder.make(job, self._allot(job), job.until)
            with writing(job.log_folder):
                make_log(job.log_folder, job.log_bytes)
        if folder.read("taken.json") is None:
            self._supervise(folder)

    def look(self, key: JobKey) -> JobStatus:
        folder = JobFolder.existing(self._root, key)
        final = folder.final()
        if final is not None:
            return final
        taken = folder.read("taken.json")
        if taken is None:
            return Pending(reason="no supervisor has taken it yet")
        if not taken["guard"]:
            return folder.end(Cancelled(reason="it was cancelled before it was started"))
        if not on_this_start(taken["guard"]):
            return folder.end(Lost(reason="the machine was started anew while it ran"))
        if number_of(taken["guard"]) is None:
            return self._elsewhere(folder)
        watcher = (folder.read("watcher.json") or {}).get("watcher") or ""
        if seen_dead(taken["guard"]) and not seen_alive(watcher):
            self._end_marked(folder)
            return folder.end(Lost(reason="the processes that watched it died, and what was left of it was ended"))
        if folder.read("started.json") is None:
            return folder.final() or Pending(reason="its supervisor is starting it")
        reason = "it is being cancelled" if folder.is_cancel_asked() else "it runs"
        return Running(reason=reason, started_at=self._started_at(folder))

    def cancel(self, key: JobKey) -> None:
        folder = JobFolder.existing(self._root, key)
        folder.ask_to_cancel()
        # Nobody has it: whoever takes it from here on finds it taken.
        if folder.write_once("taken.json", {"guard": ""}):
            folder.end(Cancelled(reason="it was cancelled before it was started"))
            return
        self._wake(folder)

    def renew(self, key: JobKey, until: float) -> None:
        folder = JobFolder.existing(self._root, key)
        with writing(folder.path):
            write_until(folder.path, until)
        self._wake(folder)

    def known(self) -> tuple[JobKey, ...]:
        return keys_below(self._root)

    def forget(self, key: JobKey) -> None:
        forget(self._root, key)

    def _elsewhere(self, folder: JobFolder) -> JobStatus:
        """It was taken in another container of this machine, into which nobody sees from here."""
        until = read_until(folder.path)
        if math.isinf(until) or since_boot() > until + folder.job().grace_s + 2 * LATE_S:
            return folder.end(Lost(reason="it ran in another container, which is gone or whose lease is over"))
        return Running(reason="it runs in another container, until its lease ends", started_at=self._started_at(folder))

    def _started_at(self, folder: JobFolder) -> float:
        started = folder.read("started.json")
        return (folder.path / "taken.json").stat().st_mtime if started is None else float(started["started_at"])

    def _allot(self, job: Job) -> dict[str, object]:
        """Devices that nobody else holds, and the environment that shows them alone."""
        held = [facts for facts in self._running() if facts["job"]["key"] != _as_dict(job.key)]
        gpus = allot_gpus(job.resources.gpus, self._gpus, [gpu for facts in held for gpu in facts["gpus"]])
        if gpus is None:
            self._refuse(job)
        cpus = allot_cpus(job.resources.cpus, os.sched_getaffinity(0), [cpu for facts in held for cpu in facts["cpus"]])
        mark = f"{job.key.name}:{secrets.token_hex(8)}"
        shown = {"CUDA_VISIBLE_DEVICES": ",".join(gpus or ()), MARK: mark}
        return {"gpus": gpus, "cpus": cpus, "mark": mark, "environment": {**self._clean, **job.environment, **shown}}

    def _refuse(self, job: Job) -> None:
        wanted, had = job.resources.gpus, len(self._gpus)
        if wanted > had:
            raise InputError("bad-job", f"{job.key.name} asks for {wanted} GPUs; this machine has {had}")
        raise CapacityError(
            "no-free-gpu",
            f"{job.key.name} asks for {wanted} GPUs; of the {had} here others hold too many",
            todo="Start it again when one of them is over.",
        )

    def _running(self) -> Iterator[dict[str, Any]]:
        for key in self.known():
            folder = JobFolder.of(self._root, key)
            facts = folder.read("job.json")
            if facts is not None and folder.final() is None:
                yield facts

    def _supervise(self, folder: JobFolder) -> None:
        """Start a supervisor; of several, the first one takes the job and the others end."""
        mark = folder.facts()["mark"]
        complaints = folder.path / "supervisor.log"
        with complaints.open("ab") as errors:
            code = subprocess.call(
                [sys.executable, "-I", "-m", _SUPERVISOR, str(folder.path)],
                cwd="/",
                # The job can read its supervisor's environment: it holds no more than its own.
                env={**self._clean, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        if code != 0:
            tail = complaints.read_text(errors="replace")[-2000:]
            raise UnavailableError("engine-away", f"no supervisor could be started (exit code {code})", todo=tail)

    def _wake(self, folder: JobFolder) -> None:
        """So that the watcher looks now, not at its next beat."""
        watcher = (folder.read("watcher.json") or {}).get("watcher")
        if watcher:
            send(watcher, signal.SIGUSR1)

    def _end_marked(self, folder: JobFolder) -> None:
        """Whatever carries the job's mark, or descends from what does, until nothing is left."""
        mark = f"{MARK}={folder.facts()['mark']}"
        while left := [process for process in marked(mark) if not seen_dead(process)]:
            for process in left:
                send(process, signal.SIGKILL)
            time.sleep(_KILL_PAUSE_S)


def _as_dict(key: JobKey) -> dict[str, object]:
    return {"run_id": key.run_id, "attempt": key.attempt, "token": key.token}
