"""When to try again: exponential delays with full jitter, bounded in attempts and in total time.

`Backoff` is pure. `Patience` carries the sleep, chance and clock that a shell passes in.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from forebay.clock import Clock, SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """At most `attempts` tries within `total_s`; before try n + 1 a delay of up to `base_s` * 2 ** n, at most `cap_s`.

    The lake's own Retry-After does not get through obstore, so a lake that says "slow down" (429, 503) is given at
    least `throttled_s` instead.
    """

    attempts: int = 6
    base_s: float = 0.2
    cap_s: float = 20.0
    total_s: float = 180.0
    throttled_s: float = 1.0

    def delay_s(
        self, *, tries: int, elapsed_s: float, chance: float, throttled: bool, least_s: float = 0.0
    ) -> float | None:
        """Seconds to wait after `tries` failures in a row, or None to give up. `chance` is in [0, 1).

        `least_s` is what the other side asked for: those who were told the same come again one after the other.
        """
        if tries >= self.attempts:
            return None
        delay_s = chance * min(self.cap_s, self.base_s * 2.0**tries)
        if throttled:
            delay_s += self.throttled_s
        delay_s += least_s
        return delay_s if elapsed_s + delay_s <= self.total_s else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """A back-off with the means to carry it out. `sleep` may return early, when the caller is cancelled."""

    backoff: Backoff = Backoff()
    sleep: Callable[[float], object] = time.sleep
    chance: Callable[[], float] = random.random
    clock: Clock = field(default_factory=SystemClock)


class Attempts:
    """One undertaking's failures in a row, and the waits between them."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.failed = 0
        self._began_s = patience.clock.monotonic()

    def progressed(self) -> None:
        """Something came through: start counting again."""
        self.failed = 0
        self._began_s = self._patience.clock.monotonic()

    def wait(self, *, throttled: bool, least_s: float = 0.0) -> bool:
        """Count one failure and wait before the next try; False when it is time to give up."""
        self.failed += 1
        delay_s = self._patience.backoff.delay_s(
            tries=self.failed,
            elapsed_s=self._patience.clock.monotonic() - self._began_s,
            chance=self._patience.chance(),
            throttled=throttled,
            least_s=least_s,
        )
        if delay_s is None:
            return False
        self._patience.sleep(delay_s)
        return True
