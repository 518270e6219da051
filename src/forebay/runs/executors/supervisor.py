"""The program that watches one job: `python -m forebay.runs.executors.supervisor FOLDER`.

Two processes, in a session of their own: the *watcher* starts the command, writes its log, holds its limits and records
its end; the *guard* above it inherits all that is left when the watcher dies, and ends it. Both look at the lease by
themselves: neither needs the agent. Nothing of the job outlives its final status as long as one of them lives.
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from forebay.fsio import Disk
from forebay.runs.executors.child import Child
from forebay.runs.executors.fence import LATE_S, read_until, since_boot
from forebay.runs.executors.job_folder import Final, JobFolder
from forebay.runs.executors.processes import adopt_orphans, descendants, end_with_parent, reap, resident_bytes, send
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job, Lost
from forebay.vouch import identify, this_process

BEAT_S = 0.5
_KILL_PAUSE_S = 0.02


def main(arguments: list[str]) -> int:
    """Take the job, unless it is taken, and leave its guard behind; returns once that is written."""
    folder = JobFolder(path=Path(arguments[0]))
    done, tell = os.pipe()
    number = os.fork()
    if number:
        os.close(tell)
        return 0 if os.read(done, 1) else 1
    os.close(done)
    # A session of its own: what ends the agent's does not reach it.
    os.setsid()
    taken = folder.write_once("taken.json", {"guard": this_process()})
    os.write(tell, b"+")
    os.close(tell)
    if taken:
        guard(folder)
    return 0


def guard(folder: JobFolder) -> None:
    """Watch the watcher, and end what it leaves."""
    adopt_orphans()
    job = folder.job()
    above = os.getpid()
    watcher = os.fork()
    if watcher == 0:
        end_with_parent(above, signal.SIGTERM)
        Watcher(folder, job).run()
        return
    process = identify(watcher)
    Disk().write_json(folder.path / "watcher.json", {"watcher": process})
    seen_at = math.inf
    while not _ended(watcher):
        must_end = folder.is_cancel_asked() or since_boot() >= read_until(folder.path)
        seen_at = min(seen_at, since_boot()) if must_end else math.inf
        if since_boot() > seen_at + job.grace_s + LATE_S:
            os.kill(watcher, signal.SIGKILL)
        time.sleep(BEAT_S)
    kill_all()
    folder.end(Lost(reason="the process that watched it died, and all that it had started was ended"))


class Watcher:
    """Runs the command to its end, or ends it."""

    def __init__(self, folder: JobFolder, job: Job) -> None:
        self._folder = folder
        self._job = job
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._told_to_stop = False
        signal.signal(signal.SIGTERM, self._stop)
        # Only to wake: a child has ended, or somebody asks that the job ends.
        for number in (signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)
        adopt_orphans()

    def run(self) -> None:
        """Until the job is over and its final status durable."""
        started = since_boot()
        early = self._verdict(started, None)
        if early is not None:
            self._folder.end(early)
            return
        extra = self._folder.facts()
        try:
            child = Child.start(self._job, extra["environment"], extra["cpus"])
        except OSError as error:
            self._folder.end(_not_started(self._job, error))
            return
        Disk().write_json(
            self._folder.path / "started.json", {"started_at": time.time(), "command": identify(child.number)}
        )
        status = self._watch(child, started)
        self._end_rest(child)
        child.close()
        self._folder.end(_with_loss(status, child.lost_log_bytes))

    def _watch(self, child: Child, started: float) -> Final:
        """Until the command has ended by itself, or must end now."""
        while True:
            self._pass_beat(child)
            if child.status is not None:
                return _as_ended(child.status)
            status = self._verdict(started, child)
            if status is not None:
                return status

    def _verdict(self, started: float, child: Child | None) -> Final | None:
        """Why it must end now, if it must."""
        job, now = self._job, since_boot()
        if self._folder.is_cancel_asked():
            return Cancelled(reason="it was cancelled")
        if now >= read_until(self._folder.path):
            return Lost(reason="its lease ran out: nobody renewed it in time")
        if self._told_to_stop:
            return Lost(reason="its machine is shutting down, or the process that guards it died")
        if job.time_limit_s is not None and now - started >= job.time_limit_s:
            reason = f"it ran longer than its limit of {job.time_limit_s:g} s"
            return Ended(
                reason=reason, cause=Cause.TIME_LIMIT, exit_code=128 + signal.SIGTERM, signal_number=signal.SIGTERM
            )
        limit = job.resources.memory_bytes
        if child is not None and limit:
            held = resident_bytes(descendants(os.getpid()), limit)
            if held > limit:
                reason = f"it held {held} bytes of memory, and its limit is {limit}"
                return Ended(
                    reason=reason,
                    cause=Cause.MEMORY_LIMIT,
                    exit_code=128 + signal.SIGKILL,
                    signal_number=signal.SIGKILL,
                )
        return None

    def _end_rest(self, child: Child) -> None:
        """SIGTERM to all that is left, after the grace SIGKILL to what still is."""
        until = since_boot() + self._job.grace_s
        told: set[str] = set()
        while since_boot() < until:
            left = set(descendants(os.getpid()))
            for process in left - told:
                send(process, signal.SIGTERM)
                # A stopped process can't obey.
                send(process, signal.SIGCONT)
            told |= left
            self._pass_beat(child, at_most_s=0.05)
            if not reap(child.note):
                break
        kill_all(child)
        child.drain()

    def _pass_beat(self, child: Child, at_most_s: float = BEAT_S) -> None:
        """Take what it writes until something happens, or the beat is over."""
        over = since_boot() + at_most_s
        while True:
            readable, _, _ = select.select([*child.output, self._wake], [], [], max(0.0, over - since_boot()))
            if child.output and child.output[0] in readable:
                child.take()
            if self._wake in readable:
                woken = os.read(self._wake, 4096)
                reap(child.note)
                if child.status is not None or signal.SIGUSR1 in woken or signal.SIGTERM in woken:
                    return
            if since_boot() >= over:
                return

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True


def kill_all(child: Child | None = None) -> None:
    """SIGKILL to everything below this process, until nothing is: what is born meanwhile becomes ours too."""
    note = (lambda number, status: None) if child is None else child.note
    while reap(note):
        for process in descendants(os.getpid()):
            send(process, signal.SIGKILL)
        if child is not None:
            child.take()
        time.sleep(_KILL_PAUSE_S)


def _ended(watcher: int) -> bool:
    """Whether the watcher has; orphans of the job that became the guard's children are reaped on the way."""
    seen: list[int] = []
    return not reap(lambda number, status: seen.append(number)) or watcher in seen


def _not_started(job: Job, error: OSError) -> Ended:
    name = job.command[0]
    if str(error.filename) == str(job.folder):
        reason = f"its working directory {job.folder} can't be entered: {error.strerror}"
    elif isinstance(error, FileNotFoundError):
        reason = f"{name}: there is no such command"
    else:
        reason = f"{name} can't be run: {error.strerror}"
    return Ended(reason=reason, cause=Cause.NOT_STARTED, exit_code=127 if isinstance(error, FileNotFoundError) else 126)


def _as_ended(status: int) -> Ended:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        reason = f"it was ended by {signal.strsignal(number) or 'a signal'} ({number})"
        return Ended(reason=reason, cause=Cause.SIGNALLED, exit_code=128 + number, signal_number=number)
    code = os.WEXITSTATUS(status)
    return Ended(reason=f"it ended with exit code {code}", cause=Cause.EXITED, exit_code=code)


def _with_loss(status: Final, lost_bytes: int) -> Final:
    if not lost_bytes:
        return status
    return replace(status, reason=f"{status.reason}; the disk refused {lost_bytes} bytes of its log")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
