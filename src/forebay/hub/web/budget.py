"""How much rendering for watchers may cost: a share of a core over time, for all of them together. Pure.

What is not used is saved up to a bound, so that after a quiet time many can be told of a change at once. Renderings
that are due only since time has passed, or bytes have moved, leave most of what is saved for changes.
"""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.04
"""Of a core."""

SAVED_S = 3.0
"""CPU seconds that are saved at most."""

FOR_CHANGES_S = 2.0
"""So much of it is left by what only grew old or moved."""

RESTS = 1.0
"""After each rendering so many times its cost is waited also where there is something saved: others want the core."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """`left_s` are CPU seconds; times are of a clock that nobody sets."""

    at: float
    left_s: float = 0.0

    def wait_s(self, now: float, *, for_change: bool) -> float:
        """Until another rendering may begin; 0: now."""
        self._earn(now)
        least_s = 0.0 if for_change else FOR_CHANGES_S
        return max(0.0, (least_s - self.left_s) / SHARE)

    def spend(self, now: float, cost_s: float) -> None:
        """A rendering has cost so much; the next one waits until that is earned again."""
        self._earn(now)
        self.left_s -= cost_s

    def _earn(self, now: float) -> None:
        self.left_s = min(SAVED_S, self.left_s + SHARE * max(0.0, now - self.at))
        self.at = max(self.at, now)
