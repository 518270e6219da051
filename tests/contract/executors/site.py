"""A site on which jobs are started: an executor of one kind over folders of its own, and processes to look at."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TypeVar

from forebay.runs.executors.logs import whole_log
from forebay.runs.executors.process import ProcessExecutor
from forebay.runs.executors.protocol import Executor, Job, JobKey, JobStatus, Running, is_final
from forebay.runs.executors.slurm import SlurmExecutor
from forebay.vouch import identify, seen_dead

PATIENCE_S = 90.0
Found = TypeVar("Found")
GPUS = ("0", "1")

# Below the command: a child in a session of its own whose parent is gone, and one that also does not hear SIGTERM. Each
# tells its number under a name that appears whole.
FAMILY = r"""
tell() { echo $$ > "$1.new"; mv "$1.new" "$1"; }
wait_for() { while [ ! -s "$1" ]; do sleep 0.05; done; }
export -f tell
(setsid bash -c 'tell orphan; exec sleep 1000' &)
(setsid bash -c 'trap "" TERM; tell deaf; while :; do sleep 1000; done' &)
wait_for orphan; wait_for deaf
tell command
"""


@dataclass(slots=True, kw_only=True)
class ExecutorSite:
    """`folder` holds all of it; `agent()` is an executor as an agent that has just started makes it."""

    kind: str
    folder: Path
    environment: Mapping[str, str]
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def root(self) -> Path:
        return self.folder / "jobs"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def agent(self) -> Executor:
        if self.kind == "slurm":
            return SlurmExecutor(self.root, environment=self.environment)
        return ProcessExecutor(self.root, gpus=GPUS)

    def job(self, *command: str) -> Job:
        """One with a key, a log and nothing else of its own; in `work`."""
        self.work.mkdir(exist_ok=True)
        number = next(self._numbers)
        key = JobKey(run_id=f"{self.folder.name.replace('.', '-')}-{number}", attempt=1, token=7)
        return Job(key=key, command=command, folder=self.work, log_folder=self.folder / f"log{number}", grace_s=2.0)

    def shell(self, script: str) -> Job:
        return self.job("bash", "-c", script)

    def finish(self, executor: Executor, key: JobKey) -> JobStatus:
        """Its final status, waited for."""
        wait_for(lambda: is_final(executor.look(key)))
        return executor.look(key)

    def running(self, executor: Executor, key: JobKey) -> Running:
        """Waited for; it fails when the job is over before."""

        def look() -> Running | None:
            status = executor.look(key)
            assert not is_final(status), status
            return status if isinstance(status, Running) else None

        return wait_for(look)

    def end_all(self) -> None:
        """Nothing is left to run."""
        executor = self.agent()
        for key in executor.known():
            if not is_final(executor.look(key)):
                executor.cancel(key)
        for key in executor.known():
            self.finish(executor, key)

    def family(self) -> list[str]:
        """The identities of the processes of a job that begins with FAMILY, once they all run."""
        return [self.process(name) for name in ("orphan", "deaf", "command")]

    def process(self, name: str) -> str:
        """The identity of the process that wrote its number to this file in `work`."""
        number = wait_for(lambda: text if (text := self.text(name)) else None)
        identity = identify(int(number))
        assert identity is not None
        return identity

    def text(self, name: str) -> str:
        """A file in `work`; "" when it is not there."""
        path = self.work / name
        return path.read_text() if path.exists() else ""


def log_of(job: Job) -> str:
    return b"".join(whole_log(job.log_folder)).decode()


def all_dead(processes: list[str]) -> bool:
    return all(seen_dead(process) for process in processes)


def wait_for(look: Callable[[], Found | None]) -> Found:
    """What `look` gives once it gives something."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        pause.wait(0.05)
    return found
