"""Ctrl-C and SIGTERM: stop in good order, so that what arrived is kept; asked a second time, stop at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from forebay.cli.call import write
from forebay.cli.exits import USAGE

_PATIENCE_SECONDS = 1.0


@contextmanager
def stops_in_order() -> Iterator[None]:
    """Handle both signals while the block runs. A signal that was ignored (nohup, &) stays so."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, old in before.items():
        if old is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def when_told_to_stop(stop: Callable[[], object]) -> Iterator[None]:
    """Both signals call `stop` in place of breaking off; asked a second time, the program ends at once."""

    def tell(number: int, frame: FrameType | None) -> None:
        signal.signal(number, _leave)
        stop()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, old in before.items():
        if old is not signal.SIG_IGN:
            signal.signal(number, tell)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _stop(number: int, frame: FrameType | None) -> None:
    signal.signal(number, _leave)
    timer = threading.Timer(_PATIENCE_SECONDS, write, (sys.stderr, "Stopping; once more stops at once."))
    timer.daemon = True
    timer.start()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _leave(number: int, frame: FrameType | None) -> None:
    """Fills and leases that are left behind end by themselves, when they are not renewed."""
    os._exit(USAGE if number == signal.SIGINT else 128 + number)
