"""A holder's grip on its fill or eviction: renewed in the background, and asked for before anything irrevocable.

A process that was paused or cut off may have been replaced without knowing it. So whoever holds asks the hub again
whenever the last good renewal is older than the hold, before it goes on writing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from forebay.cache.heart import Heart
from forebay.cache.machine import Terms
from forebay.clock import Clock
from forebay.errors import ConflictError, ForebayError


class Grip:
    """`renew` asks the hub; `lost` gets the ConflictError of a holder that was replaced."""

    def __init__(
        self,
        name: str,
        renew: Callable[[], object],
        lost: Callable[[ConflictError], object],
        *,
        terms: Terms,
        clock: Clock,
    ) -> None:
        self._ask = renew
        self._lost = lost
        self._terms = terms
        self._clock = clock
        self._lock = threading.Lock()
        self._renewed_at = clock.monotonic()
        self._heart = Heart(name, terms.hold_beat_seconds, self.renew, lost)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heart.stop()

    def renew(self) -> None:
        """Ask now; ConflictError `fenced`, or why the hub could not be asked."""
        self._ask()
        self._renewed_at = self._clock.monotonic()

    def check(self) -> None:
        """Ask when the last answer is too old to go by; a hub that is away stops nobody, since it grants nothing."""
        if self._clock.monotonic() - self._renewed_at < self._terms.hold_seconds:
            return
        with self._lock:
            if self._clock.monotonic() - self._renewed_at < self._terms.hold_seconds:
                return
            try:
                self.renew()
            except ConflictError as error:
                self._lost(error)
                raise
            except ForebayError:
                # Asked again after as long a time, not at every step.
                self._renewed_at = self._clock.monotonic()
