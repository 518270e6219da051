"""What is kept of one job, in a folder of its own; every file appears whole or not, and some of them only once.

job.json       the job and the devices it was allotted; the folder appears with it
until          how long it may go on (fence.py)
taken.json     who runs it: written once, so a job is run once
started.json   when its command was started
cancel         somebody asked that it ends
end.json       its final status: written once, the first one stays
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forebay.errors import ConflictError, DamagedError, NotFoundError, UnavailableError
from forebay.fsio import Disk
from forebay.runs.executors.fence import write_until
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job, JobKey, Lost
from forebay.sites.site import Resources

Final = Ended | Cancelled | Lost
_FINAL: Mapping[str, Callable[..., Final]] = {"ended": Ended, "cancelled": Cancelled, "lost": Lost}
_NEW = ".new-"
_GONE = ".gone-"
_OLD_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFolder:
    """The folder of one job, which need not be there."""

    path: Path

    @classmethod
    def of(cls, root: Path, key: JobKey) -> JobFolder:
        return cls(path=root / key.name)

    @classmethod
    def existing(cls, root: Path, key: JobKey) -> JobFolder:
        """NotFoundError `job-unknown`."""
        folder = cls.of(root, key)
        if not (folder.path / "job.json").exists():
            raise NotFoundError("job-unknown", f"no job {key.name} was started here")
        return folder

    def make(self, job: Job, extra: Mapping[str, object], until: float | None) -> None:
        """Make it, which was not there, with all that is known at the start."""
        with writing(self.path.parent):
            fresh = Path(tempfile.mkdtemp(prefix=_NEW, dir=self.path.parent))
            try:
                Disk().write_json(fresh / "job.json", {"job": _job_as_json(job), **extra})
                write_until(fresh, until)
                os.rename(fresh, self.path)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            Disk().sync_directory(self.path.parent)

    def job(self) -> Job:
        return _job_from_json(self.facts()["job"])

    def facts(self) -> dict[str, Any]:
        """What `job.json` says. DamagedError `job-damaged`."""
        found = self.read("job.json")
        if found is None:
            raise DamagedError("job-damaged", f"{self.path / 'job.json'} can't be read", todo="Forget the job.")
        return found

    def read(self, name: str) -> dict[str, Any] | None:
        """A JSON file; None when it is not there, or can't be read."""
        try:
            value = json.loads((self.path / name).read_bytes())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write_once(self, name: str, value: Mapping[str, object]) -> bool:
        """Whether this call wrote it: one that is there stays."""
        written = self.path / f".{name}.{secrets.token_hex(8)}"
        with writing(self.path):
            try:
                Disk().write_json(written, value)
                os.link(written, self.path / name)
            except FileExistsError:
                return False
            finally:
                written.unlink(missing_ok=True)
            Disk().sync_directory(self.path)
        return True

    def end(self, status: Final) -> Final:
        """Make it final; the status that is final now, which may be an earlier one."""
        value = {"state": type(status).__name__.lower(), **asdict(status)}
        self.write_once("end.json", value)
        return self.final() or status

    def final(self) -> Final | None:
        """The status that was made final; None while none was."""
        found = self.read("end.json")
        if found is None:
            return None
        make = _FINAL[found.pop("state")]
        if make is Ended:
            found["cause"] = Cause(found["cause"])
        return make(**found)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One at a time, among all processes of this machine that work on jobs beside this one."""
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def ask_to_cancel(self) -> None:
        with writing(self.path):
            (self.path / "cancel").touch()

    def is_cancel_asked(self) -> bool:
        return (self.path / "cancel").exists()

    def remove(self) -> None:
        """It vanishes whole; killed in between, the next `tidy` goes on."""
        gone = Path(tempfile.mkdtemp(prefix=_GONE, dir=self.path.parent))
        with suppress(FileNotFoundError):
            os.rename(self.path, gone)
        shutil.rmtree(gone, ignore_errors=True)

    def holds(self, job: Job) -> bool:
        """Whether it is there with this job. ConflictError `job-differs` when it is there with another."""
        found = self.read("job.json")
        if found is None:
            return False
        # What it may last is renewed, and where its engine was asked again the rest must be the same.
        if found["job"] | {"until": None} != _job_as_json(job) | {"until": None}:
            raise ConflictError(
                "job-differs", f"the job {job.key.name} was started with another command or environment"
            )
        return True


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the disk refuses inside is an UnavailableError `engine-away`."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            "engine-away",
            f"{path} can't be written: {error.strerror}",
            todo="Make room there, or mend its permissions.",
        ) from error


def keys_below(root: Path) -> tuple[JobKey, ...]:
    """The jobs whose folders are there, in order."""
    found = (JobKey.from_name(name) for name in os.listdir(root))
    return tuple(sorted(key for key in found if key is not None))


def forget(root: Path, key: JobKey) -> None:
    """As `Executor.forget`."""
    folder = JobFolder.of(root, key)
    if not folder.path.exists():
        return
    if folder.final() is None:
        raise ConflictError("job-runs", f"the job {key.name} is not over", todo="Cancel it first.")
    folder.remove()


def tidy(root: Path) -> None:
    """Remove what killed processes left; a young `.new-` folder may be of one that is at work."""
    for name in os.listdir(root):
        if name.startswith(_GONE) or (name.startswith(_NEW) and _is_old(root / name)):
            shutil.rmtree(root / name, ignore_errors=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _OLD_S
    except OSError:
        return False


def _job_as_json(job: Job) -> dict[str, Any]:
    """As it is read back: lists for tuples."""
    value: dict[str, Any] = json.loads(json.dumps(asdict(job), default=str))
    return value


def _job_from_json(value: Mapping[str, Any]) -> Job:
    try:
        return Job(
            **dict(value)
            | {
                "key": JobKey(**value["key"]),
                "command": tuple(value["command"]),
                "folder": Path(value["folder"]),
                "log_folder": Path(value["log_folder"]),
                "resources": Resources(**value["resources"]),
            }
        )
    except (KeyError, TypeError) as error:
        raise DamagedError("job-damaged", f"a job's record can't be understood: {error}") from error
