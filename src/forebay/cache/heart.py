"""Heartbeats: renews a fill or a lease in the background until it is stopped or lost.

An unreachable hub does not stop the work: the next beat tries again, and a holder that has been replaced is told so
(`fenced`, `lease-lost`), which is the only end it does not choose itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from forebay.errors import ConflictError, ForebayError
from forebay.log import get_logger

_log = get_logger("heart")


class Heart:
    """Calls `beat` every `seconds` in a thread of its own; `lost` gets the ConflictError that ended it."""

    def __init__(
        self, name: str, seconds: float, beat: Callable[[], object], lost: Callable[[ConflictError], object]
    ) -> None:
        self._seconds = seconds
        self._beat = beat
        self._lost = lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"forebay-{name}", daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the beats; returns when none is under way."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._beat()
            except ConflictError as error:
                self._lost(error)
                return
            except ForebayError as error:
                _log.warning("heartbeat-failed", thread=self._thread.name, kind=error.kind)
