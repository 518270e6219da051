"""Counts a fill's progress from many threads, and says when it has been cancelled."""

from __future__ import annotations

import threading
from dataclasses import replace

from forebay.wire.cache import Progress


class Meter:
    """A fill's counters. `cancel` keeps the first reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress = Progress()
        self._stopped = threading.Event()
        self.reason: BaseException | None = None

    @property
    def progress(self) -> Progress:
        return self._progress

    def begin(self, progress: Progress) -> None:
        with self._lock:
            self._progress = progress

    def moved(self, count_bytes: int, files: int = 0) -> None:
        with self._lock:
            now = self._progress
            self._progress = replace(
                now, moved_bytes=now.moved_bytes + count_bytes, moved_files=now.moved_files + files
            )

    def cancel(self, reason: BaseException) -> None:
        with self._lock:
            if self.reason is None:
                self.reason = reason
        self._stopped.set()

    def cancelled(self) -> bool:
        return self._stopped.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, or less when cancelled meanwhile; True when cancelled."""
        return self._stopped.wait(seconds)
