"""A User-Mode Linux guest as the host sees it: started on disk images, spoken to on its console, cut from power.

A power cut is SIGKILL for all of the guest's processes: its page cache and everything that it had not yet written to
its disk are gone. What reached the image file stays, since the host lives on: like a disk whose own cache is safe.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from forebay.testing.cached.process import MEMORY
from forebay.testing.guest.console import heard, spoken
from forebay.testing.guest.images import TODO
from forebay.testing.guest.network import Port
from forebay.testing.servers.process import PartMissingError

WAIT_S = 300.0
"""A guest is slow and its host may be busy; this only bounds a hang."""

_KERNEL_WORDS = [
    *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=1", "panic=-1"),
    *("umid=guest", "con=null", "con0=fd:0,fd:1", "con1=null"),
]

# All that the guest writes goes to memory, to its disks or to the lent folder: the root is the host's, read-only.
_INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/shm /run/lent /run/disk /run/tmp
cp {folder}/order.json /run/order.json
mount -t tmpfs tmpfs /dev/shm
mount -t hostfs -o {lent} none /run/lent
export HOME=/run TMPDIR=/run/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={python_path}
cd {where}
{python} -m forebay.testing.guest.inside {module}
echo o >/proc/sysrq-trigger
sleep 60
"""


class GuestError(Exception):
    """The guest ended or failed; carries the end of its console."""


@dataclass(slots=True)
class Guest:
    """A running one. A context manager that leaves no process behind."""

    popen: subprocess.Popen[bytes]
    folder: Path
    console: list[str] = field(default_factory=list)
    _partial: bytes = b""

    @classmethod
    def start(
        cls,
        module: str,
        order: Mapping[str, Any],
        *,
        lent: Path,
        disks: Sequence[Path] = (),
        port: Port | None = None,
        memory_mib: int = 512,
    ) -> Self:
        """Boot, and run `main(order)` of a Python module; `lent` is at /run/lent, disk n at /dev/ubd(a+n)."""
        program = find_kernel()
        folder = Path(tempfile.mkdtemp(prefix="forebay-guest-"))
        (folder / "order.json").write_text(json.dumps(order))
        command = [
            *(port.enter if port else ()),
            str(program),
            f"mem={memory_mib}M",
            *_KERNEL_WORDS,
            f"init={_write_init(folder, lent, module)}",
            f"uml_dir={folder}/",
            *(f"ubd{number}={disk}" for number, disk in enumerate(disks)),
            *([port.kernel_word] if port else ()),
        ]
        popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": MEMORY or str(folder)},
        )
        return cls(popen, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cut_power(self) -> None:
        """Now. The session was started for this guest alone, so the group holds its processes and no others."""
        if self.popen.returncode is None:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def pause(self) -> None:
        """Stop the machine, as a hypervisor may; its clock goes on.

        By its kernel alone: its other processes run only when that lets them, and would end at a SIGSTOP.
        """
        self.popen.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def say(self, said: str, **facts: Any) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(spoken(said, **facts).encode())
        self.popen.stdin.flush()

    def until(self, *words: str, seconds: float = WAIT_S) -> dict[str, Any]:
        """Read on until it says one of these words; GuestError when it fails or ends before."""
        deadline = time.monotonic() + seconds
        while (told := self.hear(deadline - time.monotonic())) is not None:
            if told["said"] in words:
                return told
            if told["said"] == "failed":
                raise GuestError(f"the guest failed:\n{told['error']}")
        raise GuestError(f"the guest said none of {words}; its console ends with:\n{self.told_last()}")

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next thing it says within this time."""
        deadline = time.monotonic() + seconds
        while (line := self._line(deadline - time.monotonic())) is not None:
            self.console.append(line)
            if (told := heard(line)) is not None:
                return told
        return None

    def wait_off(self) -> None:
        """Wait until it has switched itself off."""
        while self._line(WAIT_S) is not None:
            pass
        self.popen.wait(WAIT_S)

    def told_last(self) -> str:
        """The end of its console, for an error."""
        return "\n".join(self.console[-40:])

    def _line(self, seconds: float) -> str | None:
        assert self.popen.stdout is not None
        descriptor = self.popen.stdout.fileno()
        deadline = time.monotonic() + seconds
        while b"\n" not in self._partial:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(descriptor, 1 << 16) if readable else b""
            if not chunk:
                return None
            self._partial += chunk
        line, _, self._partial = self._partial.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")


def _write_init(folder: Path, lent: Path, module: str) -> Path:
    init = folder / "init"
    values = {
        "folder": folder,
        "lent": lent,
        "where": os.getcwd(),
        "python": sys.executable,
        "python_path": os.pathsep.join(dict.fromkeys([os.getcwd(), *filter(None, sys.path)])),
        "module": module,
    }
    init.write_text(_INIT.format_map({name: shlex.quote(str(value)) for name, value in values.items()}))
    init.chmod(0o755)
    return init


def find_kernel() -> Path:
    """The kernel that is a program; PartMissingError when it is not installed."""
    found = shutil.which("linux.uml")
    if found is None:
        raise PartMissingError("User-Mode Linux (Debian user-mode-linux)", TODO)
    return Path(found)
