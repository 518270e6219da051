"""A job's command as a child of its watcher: how it is started, and what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from forebay.runs.executors.logs import LogWriter
from forebay.runs.executors.processes import end_with_parent
from forebay.runs.executors.protocol import Job

_READ_BYTES = 1 << 18
_FULL_PIPE_BYTES = 1 << 20
_FIRST_TO_GO = "500"
"""For the kernel's choice when memory runs out: the job, not what watches it."""


@dataclass(slots=True, kw_only=True)
class Child:
    """`status` as `os.waitpid` gives it, None while it runs; `output`: the pipe's end, nothing once it is closed."""

    number: int
    output: list[int]
    status: int | None = None
    _log: LogWriter
    _popen: subprocess.Popen[bytes] = field(repr=False)

    @classmethod
    def start(cls, job: Job, environment: Mapping[str, str], cpus: Collection[int]) -> Self:
        """Its output is one stream, in order. OSError as `subprocess` raises it when it can't be started."""
        log = LogWriter(job.log_folder, job.log_bytes)
        output, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(output, False)
        watcher = os.getpid()

        def prepare() -> None:
            end_with_parent(watcher, signal.SIGKILL)
            if cpus:
                os.sched_setaffinity(0, cpus)
            with suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)

        try:
            popen = subprocess.Popen(
                job.command,
                cwd=job.folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=prepare,
            )
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        return cls(number=popen.pid, output=[output], _log=log, _popen=popen)

    @property
    def lost_log_bytes(self) -> int:
        return self._log.lost_bytes

    def note(self, number: int, status: int) -> None:
        """A process of the job has ended: maybe the command itself."""
        if number == self.number:
            self.status = status
            self._popen.returncode = os.waitstatus_to_exitcode(status)

    def take(self) -> bool:
        """Put what it has written into the log; whether there was something."""
        if not self.output:
            return False
        try:
            data = os.read(self.output[0], _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._log.write(data)
        else:
            os.close(self.output.pop())
        return bool(data)

    def drain(self) -> None:
        """What a full pipe may still hold. A process outside the job that writes into it is not waited for."""
        for _ in range(_FULL_PIPE_BYTES // _READ_BYTES):
            self.take()

    def close(self) -> None:
        while self.output:
            os.close(self.output.pop())
        self._log.close()
