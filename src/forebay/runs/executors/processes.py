"""The processes of a job, from /proc: who descends from whom, who carries a mark; and signals that reach only them.

A signal goes through a descriptor of the process whose start was compared, so one that took over its number is safe.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from forebay.vouch import identify, number_of

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_KIB = 1024


def adopt_orphans() -> None:
    """From now on, what descends from this process becomes its child when its own parent dies (Linux)."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def end_with_parent(parent: int, signal_number: int) -> None:
    """This process gets the signal when `parent`, which started it, dies; at once when it is dead already."""
    _prctl(_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def descendants(root: int) -> list[str]:
    """Identities of all processes below this one, whatever session or group they made for themselves."""
    parents = dict(_parents())
    return _named(number for number in parents if number != root and _is_below(number, {root}, parents))


def marked(mark: str) -> list[str]:
    """Identities of all processes that were started with `mark` (NAME=value) in their environment, and of all below."""
    parents = dict(_parents())
    bearers = {number for number in parents if number != os.getpid() and _bears(number, mark.encode())}
    return _named(number for number in parents if _is_below(number, bearers, parents))


def send(process: str, signal_number: int) -> bool:
    """Whether this very process was there to get the signal."""
    number = number_of(process)
    if number is None:
        return False
    try:
        descriptor = os.pidfd_open(number)
    except OSError:
        return False
    try:
        if identify(number) != process:
            return False
        signal.pidfd_send_signal(descriptor, signal_number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def resident_bytes(processes: Iterable[str], bound_bytes: int) -> int:
    """Memory that they hold together. Pages that several share count once when it matters: beyond the bound."""
    numbers = [number for number in map(number_of, processes) if number is not None]
    rough = sum(_resident(number) for number in numbers)
    return rough if rough <= bound_bytes else sum(_proportional(number) for number in numbers)


def reap(each: Callable[[int, int], object]) -> bool:
    """Take the exit statuses that are there: `each(number, status)`. False when this process has no child."""
    while True:
        try:
            number, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if number == 0:
            return True
        each(number, status)


def _parents() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                # The second field, a name, may hold blanks and brackets.
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                yield int(name), int(fields[1])


def _is_below(number: int, roots: set[int], parents: dict[int, int]) -> bool:
    """Whether it is one of `roots` or below one."""
    seen: set[int] = set()
    while number not in roots:
        if number not in parents or number in seen:
            return False
        seen.add(number)
        number = parents[number]
    return True


def _named(numbers: Iterable[int]) -> list[str]:
    return [process for process in map(identify, numbers) if process is not None]


def _bears(number: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _resident(number: int) -> int:
    try:
        return int(Path(f"/proc/{number}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _proportional(number: int) -> int:
    try:
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:"))
    except (OSError, IndexError, ValueError, StopIteration):
        return _resident(number)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_libc = ctypes.CDLL(None, use_errno=True)
