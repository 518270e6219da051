"""A virtual environment for each text of requirements, made once and used by every run that has the same.

One is never used half-made: it is built under a name of its own (scripts in it hold their path, so it can't be renamed
later), and only `KEY.json`, written last, says where it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from forebay.errors import InputError, UnavailableError
from forebay.fsio import Disk
from forebay.runs.executors.requirements import check_requirements, environment_key

BUILD_S = 3600.0
_TAIL_LINES = 20
_BEAT_S = 0.5


class Environments:
    """Those below `root`. `uv` None: made with `python -m venv` and pip. `python`: the interpreter that they get."""

    def __init__(self, root: Path, *, uv: str | None = None, python: str = sys.executable) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()
        self._uv = uv
        self._python = python
        self._version = f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"

    @property
    def python(self) -> str:
        """`CPython 3.11.7 x86_64`: what each environment has, and the agent itself."""
        return self._version

    def ready(self, requirements: str, should_stop: Callable[[], bool] = bool) -> Path:
        """The environment's folder (`bin/python` is in it), made if need be; of several at once, one makes it.

        InputError: `bad-requirements`, `environment-failed` with the installer's last lines. UnavailableError
        `environment-stopped` when `should_stop` says so or it takes longer than BUILD_S.
        """
        check_requirements(requirements)
        key = environment_key(requirements, self._version)
        found = self._find(key)
        if found is not None:
            return found
        with self._alone(key, should_stop):
            return self._find(key) or self._build(key, requirements, should_stop)

    def _find(self, key: str) -> Path | None:
        try:
            folder = self._root / str(json.loads((self._root / f"{key}.json").read_text())["folder"])
        except (OSError, ValueError, KeyError):
            return None
        return folder if (folder / "bin" / "python").exists() else None

    def _build(self, key: str, requirements: str, should_stop: Callable[[], bool]) -> Path:
        # We are alone with this key: what is there under it, and is not ready, is of a builder that was killed.
        for path in self._root.glob(f"{key}-*"):
            shutil.rmtree(path, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=self._root))
        try:
            wanted = folder / "requirements.txt"
            wanted.write_text(requirements)
            with (folder / "build.log").open("w+b") as log:
                for command in self._commands(folder, wanted):
                    _run(command, log, should_stop)
            Disk().sync_file_system(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        Disk().write_json(self._root / f"{key}.json", {"folder": folder.name, "python": self._version})
        return folder

    def _commands(self, folder: Path, wanted: Path) -> list[list[str]]:
        python = str(folder / "bin" / "python")
        if self._uv is not None:
            return [
                [self._uv, "venv", "--quiet", "--allow-existing", "--python", self._python, str(folder)],
                [self._uv, "pip", "install", "--python", python, "-r", str(wanted)],
            ]
        return [
            [self._python, "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r", str(wanted)],
        ]

    @contextmanager
    def _alone(self, key: str, should_stop: Callable[[], bool]) -> Iterator[None]:
        with (self._root / f"{key}.lock").open("wb") as file:
            while not _lock(file):
                if should_stop():
                    raise UnavailableError("environment-stopped", "waiting for another's installation was stopped")
                time.sleep(_BEAT_S)
            yield


def find_uv() -> str | None:
    """The program, beside this Python or on PATH."""
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def _lock(file: IO[bytes]) -> bool:
    """Whether it is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _run(command: list[str], log: IO[bytes], should_stop: Callable[[], bool]) -> None:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=_installers_environment(os.environ),
        start_new_session=True,
    )
    try:
        code = _wait(process, should_stop)
    finally:
        # Installers start others: none may go on writing into a folder that is about to be removed.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code is None:
        raise UnavailableError("environment-stopped", f"{' '.join(command[:3])} was stopped before it was done")
    if code != 0:
        log.seek(0)
        tail = b"\n".join(log.read().splitlines()[-_TAIL_LINES:]).decode(errors="replace")
        raise InputError(
            "environment-failed", "the requirements can't be installed", todo=f"The installer said:\n{tail}"
        )


def _wait(process: subprocess.Popen[bytes], should_stop: Callable[[], bool]) -> int | None:
    """Its exit code; None when it has to stop."""
    beats = int(BUILD_S / _BEAT_S)
    for _ in range(beats):
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_BEAT_S)
        if should_stop():
            return None
    return None


def _installers_environment(agent: Mapping[str, str]) -> dict[str, str]:
    """The agent's, with its proxies and indexes, without what is forebay's: its token."""
    return {name: value for name, value in agent.items() if not name.startswith("FOREBAY_") and name != "VIRTUAL_ENV"}
