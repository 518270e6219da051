"""Jobs of a Slurm cluster, by its command line tools: sbatch, squeue, sacct, scancel.

`root` and every job's folders lie on a file system that the nodes share with the agent. A job is found by its name, so
an answer of sbatch that was lost costs nothing; that it runs once rests on the script (slurm_text.py), not on Slurm.
"""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from forebay.errors import ForebayError, InputError, UnavailableError
from forebay.fsio import Disk, see_afresh
from forebay.runs.executors.clean import clean_environment
from forebay.runs.executors.fence import since_boot, write_until
from forebay.runs.executors.job_folder import Final, JobFolder, forget, keys_below, tidy, writing
from forebay.runs.executors.logs import make_log
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
from forebay.runs.executors.slurm_text import (
    Phase,
    Seen,
    end_of,
    end_without_word,
    foremost,
    is_passing,
    job_name,
    options,
    parse_accounts,
    parse_number,
    parse_queue,
    script,
)

ANSWER_S = 60.0
LATE_S = 60.0
"""So long after its grace, Slurm itself is asked to end a job whose script does not."""

_FORMAT = "%i|%T|%r"


class SlurmExecutor:
    """`extra` goes to every sbatch (`--partition=gpu`); `environment` is where Slurm's tools find their cluster."""

    def __init__(self, root: Path, *, extra: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        tidy(root)
        self._root = root.resolve()
        self._extra = tuple(extra)
        agent = dict(os.environ) if environment is None else {**os.environ, **environment}
        self._environment = clean_environment(agent) | {
            name: value for name, value in agent.items() if name == "SLURM_CONF"
        }
        self._user = pwd.getpwuid(os.getuid()).pw_name

    def start(self, job: Job) -> None:
        """As `Executor.start`; returns once Slurm has the job."""
        check(job)
        folder = JobFolder.of(self._root, job.key)
        with folder.alone():
            if not folder.holds(job):
                folder.make(job, {"mark": f"{job.key.name}:{secrets.token_hex(8)}"}, _in_wall_time(job.until))
            if (folder.path / "taken").exists() or folder.read("submitted.json") or folder.final():
                return
            seen = self._find(job.key)
            # One that is over and was never taken ran nothing.
            stands = seen is not None and seen.phase is not Phase.OVER
            number = seen.number if seen is not None and stands else self._submit_or_drop(folder, job)
            Disk().write_json(folder.path / "submitted.json", {"number": number})

    def look(self, key: JobKey) -> JobStatus:
        folder = JobFolder.existing(self._root, key)
        final = folder.final() or self._left_end(folder)
        if final is not None:
            return final
        if folder.read("submitted.json") is None and not (folder.path / "taken").exists():
            return Pending(reason="Slurm was not asked yet")
        seen = self._find(key)
        if seen is None or seen.phase is Phase.OVER:
            # Its script may have written its end since we looked.
            return self._left_end(folder) or folder.end(end_without_word(seen))
        if seen.phase is Phase.WAITS:
            return self._waiting(folder, seen)
        self._end_late(folder, key)
        started_at = _number_in(folder.path / "started")
        if started_at is None:
            return Pending(reason=f"Slurm starts its job {seen.number}")
        reason = "it is being cancelled" if folder.is_cancel_asked() else f"Slurm's job {seen.number} runs"
        return Running(reason=reason, started_at=started_at)

    def cancel(self, key: JobKey) -> None:
        folder = JobFolder.existing(self._root, key)
        folder.ask_to_cancel()
        if _take(folder):
            self._scancel(key)
            folder.end(Cancelled(reason="it was cancelled before it was started"))

    def renew(self, key: JobKey, until: float) -> None:
        folder = JobFolder.existing(self._root, key)
        with writing(folder.path):
            write_until(folder.path, _in_wall_time(until))

    def known(self) -> tuple[JobKey, ...]:
        return keys_below(self._root)

    def forget(self, key: JobKey) -> None:
        forget(self._root, key)

    def _waiting(self, folder: JobFolder, seen: Seen) -> JobStatus:
        """In Slurm's queue. One that may not start any more is taken out of it."""
        until = _number_in(folder.path / "until")
        if until is not None and time.time() >= until and _take(folder):
            self._scancel(folder.job().key)
            return folder.end(Lost(reason="its lease ran out while it waited in Slurm's queue"))
        return Pending(reason=f"Slurm's job {seen.number} waits: {seen.reason or 'no reason given'}")

    def _left_end(self, folder: JobFolder) -> Final | None:
        """What its script says of its end; made final."""
        see_afresh(folder.path, self._root)
        try:
            found = end_of((folder.path / "exit").read_text())
        except OSError:
            return None
        return None if found is None else folder.end(found)

    def _end_late(self, folder: JobFolder, key: JobKey) -> None:
        """A script that does not end its job in time (its node hangs) leaves it to Slurm."""
        try:
            asked_at = (folder.path / "cancel").stat().st_mtime
        except OSError:
            return
        if time.time() - asked_at > folder.job().grace_s + LATE_S:
            self._scancel(key)

    def _submit_or_drop(self, folder: JobFolder, job: Job) -> str:
        """A job that Slurm refuses was never started: nothing is kept of it."""
        try:
            return self._submit(folder, job)
        except InputError:
            folder.remove()
            raise

    def _submit(self, folder: JobFolder, job: Job) -> str:
        with writing(job.log_folder):
            shape = make_log(job.log_folder, job.log_bytes)
        text = script(job, folder.path, shape, folder.facts()["mark"])
        said = self._ask(["sbatch", *options(job, folder.path, self._extra)], given=text)
        number = parse_number(said)
        if not number:
            raise UnavailableError("engine-away", f"sbatch gave no job number: {said!r}", todo="Start the job again.")
        return number

    def _find(self, key: JobKey) -> Seen | None:
        """As the controller has it, or the accounts: the controller forgets minutes after a job's end."""
        name = f"--name={job_name(key)}"
        queued = self._ask(
            ["squeue", "--noheader", "--states=all", f"--user={self._user}", name, f"--format={_FORMAT}"]
        )
        seen = foremost(parse_queue(queued))
        return foremost(self._accounts(name)) if seen is None else seen

    def _accounts(self, name: str) -> tuple[Seen, ...]:
        """Nothing where the cluster keeps none."""
        columns = ["--noheader", "--parsable2", "--allocations", "--starttime=now-30days", "--format=JobID,State"]
        try:
            return parse_accounts(self._ask(["sacct", *columns, f"--user={self._user}", name]))
        except ForebayError:
            return ()

    def _scancel(self, key: JobKey) -> None:
        self._ask(["scancel", f"--user={self._user}", f"--name={job_name(key)}"])

    def _ask(self, command: list[str], given: str = "") -> str:
        """What the tool printed. UnavailableError `engine-away`, InputError `bad-job` when it refuses."""
        try:
            answer = subprocess.run(
                command,
                input=given,
                capture_output=True,
                text=True,
                timeout=ANSWER_S,
                env=self._environment,
                check=False,
            )
        except FileNotFoundError as error:
            raise UnavailableError(
                "engine-away", f"{command[0]} is not on PATH here", todo="Install Slurm's client tools at the agent."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise UnavailableError("engine-away", f"{command[0]} did not answer within {ANSWER_S:g} s") from error
        if answer.returncode == 0:
            return answer.stdout
        complaint = answer.stderr.strip()[-2000:]
        if command[0] == "sbatch" and not is_passing(complaint):
            raise InputError("bad-job", f"Slurm refuses the job: {complaint}")
        raise UnavailableError("engine-away", f"{command[0]} failed: {complaint}", todo="Is slurmctld up?")


def _in_wall_time(until: float | None) -> float | None:
    """The clock that the nodes share. It is read first: stopped in between, we come out too early, never too late."""
    now = time.time()
    return None if until is None else max(0.0, now + (until - since_boot()))


def _take(folder: JobFolder) -> bool:
    """Whether nobody had it: then its script will find it taken."""
    try:
        (folder.path / "taken").mkdir()
    except FileExistsError:
        return False
    return True


def _number_in(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return None
