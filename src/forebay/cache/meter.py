"""Counts a fill's progress from many threads, and says when it has been cancelled."""

from __future__ import annotations

import threading
from dataclasses import replace

from forebay.wire.cache import Progress


class Meter:
    """A fill's counters. `cancel` keeps the first reason. `waiting_for` says whose fill brings what is left, if any.

    With `local`, moved bytes come from this machine: they count as present, and `local_bytes` says how many they were.
    """

    def __init__(self, *, local: bool = False) -> None:
        self._lock = threading.Lock()
        self._before = Progress()
        self._moved_bytes = self._moved_files = self._peer_bytes = self._again_bytes = 0
        self._stopped = threading.Event()
        self.reason: BaseException | None = None
        self.waiting_for = ""
        self._local = local

    @property
    def progress(self) -> Progress:
        before = self._before
        if self._local:
            return replace(
                before,
                present_bytes=before.present_bytes + self._moved_bytes,
                present_files=before.present_files + self._moved_files,
            )
        return replace(
            before,
            moved_bytes=before.moved_bytes + self._moved_bytes,
            peer_bytes=before.peer_bytes + self._peer_bytes,
            moved_files=before.moved_files + self._moved_files,
            again_bytes=before.again_bytes + self._again_bytes,
        )

    @property
    def local_bytes(self) -> int:
        return self._moved_bytes if self._local else 0

    def begin(self, progress: Progress) -> None:
        with self._lock:
            self._before = progress
            self._moved_bytes = self._moved_files = self._peer_bytes = 0

    def moved(self, count_bytes: int, files: int = 0) -> None:
        """Count what came; called for every chunk, so it makes no object."""
        with self._lock:
            self._moved_bytes += count_bytes
            self._moved_files += files

    def again(self, count_bytes: int) -> None:
        """Count what came although it had come before."""
        with self._lock:
            self._again_bytes += count_bytes

    def came_from_peer(self, count_bytes: int) -> None:
        """So many of the moved bytes are another site's."""
        with self._lock:
            self._peer_bytes += count_bytes

    def came(self, files: int, count_bytes: int) -> None:
        """Files that were missing are on the volume now, and did not come from the lake by this fill."""
        with self._lock:
            now = self._before
            self._before = replace(
                now, present_bytes=now.present_bytes + count_bytes, present_files=now.present_files + files
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
