"""What an executor is: it starts a job once, tells how it is, ends it. Values only.

A job is one attempt of a run under one fencing token; its key is its name everywhere. Whoever calls may die and come
back, or call twice because an answer was lost: every method may be called again with the same effect as once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from forebay.errors import InputError
from forebay.sites.site import Resources

DEFAULT_LOG_BYTES = 64 << 20
DEFAULT_GRACE_S = 10.0

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(r"(?P<run_id>.+)\.(?P<attempt>\d+)\.(?P<token>\d+)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class JobKey:
    """One attempt of a run under one token. InputError `bad-job` when the run's id is not letters, digits, - and _."""

    run_id: str
    attempt: int
    token: int

    def __post_init__(self) -> None:
        if not _RUN_ID.fullmatch(self.run_id) or self.attempt < 0 or self.token < 0:
            raise InputError("bad-job", f"{self.run_id!r} attempt {self.attempt} token {self.token} names no job")

    @property
    def name(self) -> str:
        """The key as a file name, and as the name of an engine's job."""
        return f"{self.run_id}.{self.attempt}.{self.token}"

    @classmethod
    def from_name(cls, name: str) -> JobKey | None:
        """The key with this name; None when it is nobody's."""
        match = _NAME.fullmatch(name)
        if match is None or not _RUN_ID.fullmatch(match["run_id"]):
            return None
        key = cls(run_id=match["run_id"], attempt=int(match["attempt"]), token=int(match["token"]))
        return key if key.name == name else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be run. `memory_bytes` and `cpus` of `resources` 0: no limit; `gpus` 0: it sees none.

    `command[0]` is looked for on the job's PATH. `environment` comes on top of a clean one. `log_folder` belongs to
    this job alone and holds at most `log_bytes`. `time_limit_s` None: as long as it takes. `resources` are of each of
    its `nodes`. `until`: it may go on to this second since the agent's machine started (`fence.since_boot`) unless
    `renew` says otherwise; None: nobody need renew.
    """

    key: JobKey
    command: tuple[str, ...]
    folder: Path
    log_folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    nodes: int = 1
    time_limit_s: float | None = None
    log_bytes: int = DEFAULT_LOG_BYTES
    grace_s: float = DEFAULT_GRACE_S
    until: float | None = None


class Cause(StrEnum):
    """Why a job that ended by itself, or was ended by its own limits, did."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    NOT_STARTED = "not-started"
    TIME_LIMIT = "time-limit"
    MEMORY_LIMIT = "memory-limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """It does not run yet: the engine has it, or it was never taken up (then `start` it again)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Since this Unix second."""

    reason: str
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Over, by itself or by its limits, and none of its processes is left.

    `exit_code` as a shell has it (128 + n for signal n, 127 not found); `signal_number` 0: no signal ended it.
    """

    reason: str
    cause: Cause
    exit_code: int
    signal_number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Over, because `cancel` asked for it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Over with nothing known of its end: its node or supervisor died, it was preempted, its lease ran out."""

    reason: str


JobStatus = Pending | Running | Ended | Cancelled | Lost
"""How a job is. The last three are final: they never change, and survive everything but `forget`."""


def is_final(status: JobStatus) -> bool:
    """Whether it stays so."""
    return isinstance(status, Ended | Cancelled | Lost)


class Executor(Protocol):
    """A site's engine. Every method: UnavailableError `engine-away` when the engine does not answer."""

    def start(self, job: Job) -> None:
        """Have it run, once, however often this is called with this key.

        InputError `bad-job` for what can never run here, CapacityError `no-free-gpu` when others hold them,
        ConflictError `job-differs` when the key has another job already. A command that is not there is found later:
        `Ended`.
        """
        ...

    def look(self, key: JobKey) -> JobStatus:
        """How it is. Ends what is left of a lost job. NotFoundError `job-unknown`."""
        ...

    def cancel(self, key: JobKey) -> None:
        """Ask that it ends with all that it started: SIGTERM, after its grace SIGKILL. Does not wait; a final job
        stays as it is. NotFoundError `job-unknown`.
        """
        ...

    def renew(self, key: JobKey, until: float) -> None:
        """It may go on until then (seconds since boot, as `Job.until`); one in the past ends it. NotFoundError
        `job-unknown`.
        """
        ...

    def known(self) -> tuple[JobKey, ...]:
        """Every job that was started here and not forgotten, by whichever process."""
        ...

    def forget(self, key: JobKey) -> None:
        """Drop what is kept of a final job (not its log); unknown is fine. ConflictError `job-runs`."""
        ...


def check(job: Job) -> None:
    """InputError `bad-job` for a job that no engine can run."""
    texts = (*job.command, *job.environment, *job.environment.values())
    faults = {
        "has no command": not job.command or not job.command[0],
        "has a NUL character in its command or environment": any("\0" in text for text in texts),
        "has a variable whose name is none": not all(_VARIABLE.fullmatch(name) for name in job.environment),
        "needs absolute folders": not (job.folder.is_absolute() and job.log_folder.is_absolute()),
        "asks for less than nothing": min(job.resources.gpus, job.resources.cpus, job.resources.memory_bytes) < 0,
        "asks for no node": job.nodes < 1,
        "has no time to run": job.time_limit_s is not None and job.time_limit_s <= 0,
        "has a log bound below 64 KiB": job.log_bytes < 64 << 10,
        "has a negative grace": job.grace_s < 0,
    }
    for fault, is_so in faults.items():
        if is_so:
            raise InputError("bad-job", f"the job {job.key.name} {fault}")
