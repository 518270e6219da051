"""How much rendering for watchers may cost: a share of a core over time, for all of them together. Pure.

What is not used is saved up to a bound, so that after a quiet time many can be told of a change at once. Renderings
that are due only since time has passed leave most of what is saved for changes; those since bytes have moved, which
they do all the time, leave a part of what is earned.
"""

from __future__ import annotations

from dataclasses import dataclass

from forebay.hub.web.turns import Due

SHARE = 0.04
"""Of a core."""

MOVES_SHARE = 0.03
"""So much of it at most is for what moved."""

SAVED_S = 3.0
"""CPU seconds that are saved at most."""

FOR_CHANGES_S = 2.0
"""So much of it is left by what only grew old."""

RESTS = 1.0
"""After each rendering so many times its cost is waited also where there is something saved: others want the core."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """`left_s` are CPU seconds; `moves_at` is when what moved may cost something again. Times are of a clock that
    nobody sets.
    """

    at: float
    left_s: float = 0.0
    moves_at: float = 0.0

    def wait_s(self, now: float, why: Due) -> float:
        """Until another rendering may begin; 0: now."""
        self._earn(now)
        least_s = FOR_CHANGES_S if why is Due.LONG_AGO else 0.0
        moves_s = self.moves_at - now if why is Due.MOVED else 0.0
        return max(0.0, moves_s, (least_s - self.left_s) / SHARE)

    def spend(self, now: float, cost_s: float, why: Due) -> None:
        """A rendering has cost so much; the next one waits until that is earned again."""
        self._earn(now)
        self.left_s -= cost_s
        if why is Due.MOVED:
            self.moves_at = max(now, self.moves_at) + cost_s / MOVES_SHARE

    def _earn(self, now: float) -> None:
        self.left_s = min(SAVED_S, self.left_s + SHARE * max(0.0, now - self.at))
        self.at = max(self.at, now)
