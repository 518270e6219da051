"""The guest's own side: what a module does when it runs in a guest. Speaks on the console, mounts, loads modules.

`python -m forebay.testing.guest.inside MODULE` calls `MODULE.main(order)`; what it raises is told to the host.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import platform
import subprocess
import sys
import termios
import traceback
from pathlib import Path
from typing import Any

from forebay.testing.guest.console import heard, spoken

DISK = Path("/run/disk")
LENT = Path("/run/lent")
MODULES = Path("/usr/lib/uml/modules")
_ORDER = Path("/run/order.json")
_FINIT_MODULE = 313


def say(said: str, **facts: Any) -> None:
    """Tell the host."""
    sys.stdout.write("\n" + spoken(said, **facts))
    sys.stdout.flush()


def listen() -> dict[str, Any]:
    """What the host says next."""
    for line in sys.stdin:
        if (told := heard(line)) is not None:
            return told
    raise EOFError("the host is gone")


def mount(kind: str, device: str, place: Path, options: str = "") -> None:
    """mount(8)."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", kind, *(["-o", options] if options else []), device, str(place))


def run(*words: str) -> None:
    """A program that must succeed; its output goes into the error."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")


def load_module(name: str) -> None:
    """A kernel module with all that it needs; loaded already is fine."""
    folder = MODULES / platform.release()
    listed = dict(line.split(":", 1) for line in (folder / "modules.dep").read_text().splitlines())
    path = next(path for path in listed if path.endswith(f"/{name}.ko"))
    for needed in [*reversed(listed[path].split()), path]:
        _insert(folder / needed)


def _insert(file: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if libc.syscall(_FINIT_MODULE, descriptor, b"", 0) != 0 and (number := ctypes.get_errno()) != 17:
            raise OSError(number, os.strerror(number), str(file))
    finally:
        os.close(descriptor)


def _be_quiet() -> None:
    """The console must not say again what the host says."""
    mode = termios.tcgetattr(0)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, mode)


def main() -> None:
    """Run the module that the command line names."""
    _be_quiet()
    try:
        importlib.import_module(sys.argv[1]).main(json.loads(_ORDER.read_text()))
    except BaseException:  # noqa: BLE001 - the host is told, and raises it there
        say("failed", error=traceback.format_exc())
    else:
        say("finished")


if __name__ == "__main__":
    main()
