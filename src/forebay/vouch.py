"""Tells one process from every other that a machine ever ran, and whether it is dead or alive.

Only what is certain is said: a process that ran on another machine, in another container, or that can't be looked at,
is called neither. A number alone would not do: numbers are used again.
"""

from __future__ import annotations

import os
from pathlib import Path

_ZOMBIES = "ZX"


def this_process() -> str:
    """This process's identity, "" where the system has no /proc: machine start, namespaces, number, own start."""
    found = _identity(os.getpid())
    return "" if found is None else found


def identify(number: int) -> str | None:
    """The identity of the process that has this number now; None where there is none, or it can't be looked at."""
    return _identity(number)


def on_this_start(process: str) -> bool:
    """Whether this identity is of this very start of the machine, in whatever container."""
    here = _here()
    return here is not None and process.partition("/")[0] == here.partition("/")[0]


def number_of(process: str) -> int | None:
    """The number of a process of this machine start and container; None for any other identity."""
    return _number_here(process)


def seen_dead(process: str) -> bool:
    """Whether the process with this identity has certainly ended. Nothing is known of one that ran elsewhere."""
    number = _number_here(process)
    if number is None:
        return False
    try:
        # A /proc that hides other people's processes does not hide them from this question.
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    now = _identity(number)
    return now is not None and (now != process or _is_zombie(number))


def seen_alive(process: str) -> bool:
    """Whether the process with this identity certainly still runs, on this machine."""
    number = _number_here(process)
    return number is not None and _identity(number) == process and not _is_zombie(number)


def _number_here(process: str) -> int | None:
    """The number of a process of this machine; None for one elsewhere, and for what is none."""
    here, _, rest = process.rpartition("/")
    number = rest.partition("-")[0]
    return int(number) if number.isdigit() and here == _here() else None


def _identity(number: int) -> str | None:
    here, facts = _here(), _facts(number)
    return None if here is None or facts is None else f"{here}/{number}-{facts[19]}"


def _here() -> str | None:
    """This start of the machine, and the namespaces in which process numbers and start times mean something."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{start}/{_namespace('pid')}/{_namespace('time')}"
    except OSError:
        return None


def _namespace(kind: str) -> str:
    """The number of this process's namespace of a kind; "none" where the kernel knows no such kind.

    Linux has time namespaces from 5.6 on, and may be built without.
    """
    try:
        return os.readlink(f"/proc/self/ns/{kind}").partition("[")[2].rstrip("]")
    except FileNotFoundError:
        return "none"


def _facts(number: int) -> list[str] | None:
    """The fields of /proc/<number>/stat from the third on: the second, a name, may hold blanks and brackets."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _is_zombie(number: int) -> bool:
    facts = _facts(number)
    # A leader that ended before its threads looks like a zombie too, and its threads may still write.
    return facts is not None and facts[0] in _ZOMBIES and int(facts[17]) <= 1
