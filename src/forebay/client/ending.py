"""Tells what works in the background that the program ends, before Python waits for its pools' threads.

An `atexit` function would come too late: by then Python has waited for a whole fill.
"""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - it must have registered first
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_told: dict[int, tuple[int, Callable[[], object]]] = {}


@contextmanager
def before_exit(tell: Callable[[], object]) -> Iterator[None]:
    """Call `tell` if the program ends within the block; not in a forked child, where the work does not go on."""
    key = id(tell)
    _told[key] = os.getpid(), tell
    try:
        yield
    finally:
        del _told[key]


def _tell_all() -> None:
    for pid, tell in list(_told.values()):
        if pid == os.getpid():
            tell()


# concurrent.futures itself registers there to wait for its threads, and what came later is called earlier. Where
# Python no longer has it, such a program ends when its fill does.
_register = getattr(threading, "_register_atexit", atexit.register)
_register(_tell_all)
