"""Counts what comes from one source: bytes, and the time in which anything was asked of it.

Many threads count at once; a request is told when it has ended, whatever came of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from forebay.clock import Clock
from forebay.wire.links import TransferReport


@dataclass(slots=True)
class Request:
    """One request, while it is under way."""

    began: float
    first_at: float = 0.0
    moved_bytes: int = 0


class Tally:
    """What one source gave."""

    def __init__(self, source: str, clock: Clock) -> None:
        self.source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._active = 0
        self._since = 0.0
        self._busy_s = self._summed_s = self._waited_s = 0.0
        self._requests = 0
        self.moved_bytes = 0

    @property
    def streams(self) -> int:
        """How many requests are under way now."""
        return self._active

    def begin(self) -> Request:
        now = self._clock.monotonic()
        with self._lock:
            if self._active == 0:
                self._since = now
            self._active += 1
        return Request(began=now)

    def came(self, request: Request, count_bytes: int) -> None:
        """Some bytes came; called for every chunk."""
        if not request.moved_bytes:
            request.first_at = self._clock.monotonic()
        request.moved_bytes += count_bytes

    def end(self, request: Request) -> None:
        now = self._clock.monotonic()
        with self._lock:
            self._active -= 1
            self._summed_s += now - request.began
            if self._active == 0:
                self._busy_s += now - self._since
            if request.moved_bytes:
                self._requests += 1
                self._waited_s += request.first_at - request.began
                self.moved_bytes += request.moved_bytes

    def report(self, dataset: str, concurrency: float) -> TransferReport | None:
        """All of it, once no request is under way; None when nothing came."""
        with self._lock:
            if not self.moved_bytes or self._busy_s <= 0:
                return None
            return TransferReport(
                source=self.source,
                dataset=dataset,
                moved_bytes=self.moved_bytes,
                seconds=self._busy_s,
                requests=self._requests,
                streams=max(1, round(self._summed_s / self._busy_s)),
                first_byte_s=self._waited_s / self._requests,
                concurrency=concurrency,
            )
