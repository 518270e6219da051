"""One server process: started with its output in a log file, polled until it answers, ended by its id.

Start-up is bounded and never sleeps a fixed time; when it fails, the error carries the end of the log. No process
is ever found by name.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from forebay.errors import UnavailableError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
LOG_TAIL_CHARS = 4000


class PartMissingError(UnavailableError):
    """A program that a test server needs is not installed."""

    def __init__(self, part: str, todo: str) -> None:
        super().__init__("test-part-missing", f"{part} is not installed", todo=todo)
        self.part = part


def find_program(name: str, part: str, *, folders: Sequence[Path] = ()) -> Path:
    """The program's path: in `folders`, else beside this Python, else on PATH."""
    for folder in (*folders, Path(sys.executable).parent):
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise PartMissingError(part, "`make test` installs it; or run scripts/test_parts.sh after `make setup`")
    return Path(found)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free just now, all different.

    SeaweedFS derives gRPC ports by adding 10000 and Linux hands out ephemeral ports from 32768 on, so these come from
    below that: nobody else's outgoing connection takes one between this look and the server's bind.
    """
    ports: list[int] = []
    while len(ports) < count:
        candidate = next(_candidates)
        if _is_free(candidate) and _is_free(candidate + 10000):
            ports.append(candidate)
    return ports


def _candidate_ports() -> Iterator[int]:
    # Start apart in every process, so that two test workers do not race for the same ports.
    first, last = 10240, 22240
    offset = (os.getpid() * 97) % (last - first)
    while True:
        yield first + offset
        offset = (offset + 1) % (last - first)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_candidates = _candidate_ports()


def answers_http(url: str) -> bool:
    """True when something speaks HTTP at `url`, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as refused:
        refused.close()
        return True
    except OSError:
        return False


@contextlib.contextmanager
def scratch_folder(name: str, *, owner: str | None = None) -> Iterator[Path]:
    """A temporary folder, removed at the end; given to `owner` when we are root and act for another user."""
    folder = Path(tempfile.mkdtemp(prefix=f"forebay-{name}-"))
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True, kw_only=True)
class ServerProcess:
    """A running server and its log."""

    name: str
    log: Path
    start: Callable[[], subprocess.Popen[bytes]]
    popen: subprocess.Popen[bytes]
    stop_signal: signal.Signals = field(default=signal.SIGTERM)

    def wait_until(self, is_ready: Callable[[], bool], *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Poll until ready; raise with the log's end when the process ends or the time is over."""
        pause = threading.Event()
        deadline = time.monotonic() + timeout_s
        while not is_ready():
            if self.popen.poll() is not None:
                raise self._failed(f"ended with exit status {self.popen.returncode} while starting")
            if time.monotonic() > deadline:
                raise self._failed(f"did not answer within {timeout_s:.0f} s")
            pause.wait(0.05)

    def _failed(self, what: str) -> UnavailableError:
        log_tail = self.log.read_text(errors="replace")[-LOG_TAIL_CHARS:]
        return UnavailableError("server-start", f"{self.name} {what}", todo=f"The end of its log:\n{log_tail}")

    def restart(self) -> None:
        """End it and start it again, with the same log; the caller waits until it answers."""
        self.stop()
        self.popen = self.start()

    def stop(self) -> None:
        """Ask the process to end, then make it."""
        if self.popen.poll() is None:
            self.popen.send_signal(self.stop_signal)
        try:
            self.popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(STOP_TIMEOUT_S)


class RunAs(TypedDict):
    """The arguments of `subprocess` that start a program as another user."""

    user: str | None
    group: int | None
    extra_groups: list[int] | None


def run_as(user: str | None) -> RunAs:
    """Start as `user` with its primary group alone; None changes nothing."""
    if user is None:
        return RunAs(user=None, group=None, extra_groups=None)
    return RunAs(user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[])


@contextlib.contextmanager
def run_server(
    name: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[ServerProcess]:
    """Start `command` with its output in `folder`/NAME.log; end it when the block ends."""
    log = folder / f"{name}.log"
    log.unlink(missing_ok=True)

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=None if env is None else dict(env),
                **run_as(user),
                start_new_session=True,
            )

    server = ServerProcess(name=name, log=log, start=start, popen=start(), stop_signal=stop_signal)
    try:
        yield server
    finally:
        server.stop()
