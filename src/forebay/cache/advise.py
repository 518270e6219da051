"""What volumes of other sizes would have done with the same uses: pure.

It replays the ledger with the score and the stale age that eviction goes by. Versions come and go as wholes here: what
they share is counted for each, so that a volume really does a little better than this says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forebay.cache.bandwidth import ASSUMED_BYTES_S
from forebay.cache.policy import DAY_SECONDS, Policy
from forebay.wire.cache import Use


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """On a volume of `limit_bytes`: of all `uses`, how many found their version there, and what the others moved."""

    limit_bytes: int
    uses: int
    hits: int
    refill_bytes: int
    refill_seconds: float

    @property
    def hit_rate(self) -> float:
        return self.hits / self.uses if self.uses else 0.0


def replay(
    uses: Sequence[Use],
    limit_bytes: int,
    policy: Policy,
    *,
    bandwidths: Mapping[str, float],
    stale_after_s: Mapping[str, float] | None = None,
) -> Replayed:
    """`uses` in the order of time; `bandwidths` by ref in bytes a second, `stale_after_s` by dataset (0: never)."""
    volume = _Volume(int(limit_bytes * policy.high_mark), policy, bandwidths, stale_after_s or {})
    hits, refill_bytes, refill_seconds = 0, 0, 0.0
    for use in uses:
        if volume.use(use):
            hits += 1
        else:
            refill_bytes += use.size_bytes
            refill_seconds += use.size_bytes / volume.bandwidth(use.ref)
    return Replayed(
        limit_bytes=limit_bytes,
        uses=len(uses),
        hits=hits,
        refill_bytes=refill_bytes,
        refill_seconds=refill_seconds,
    )


class _Volume:
    def __init__(
        self, room_bytes: int, policy: Policy, bandwidths: Mapping[str, float], stale_after_s: Mapping[str, float]
    ) -> None:
        self._room_bytes = room_bytes
        self._policy = policy
        self._bandwidths = bandwidths
        self._stale_after_s = stale_after_s
        self._held: dict[str, Use] = {}
        self._used_bytes = 0

    def bandwidth(self, ref: str) -> float:
        return self._bandwidths.get(ref) or ASSUMED_BYTES_S

    def use(self, use: Use) -> bool:
        """Whether it was there. It is afterwards, unless the whole volume would not hold it."""
        last = self._held.get(use.ref)
        hit = last is not None and use.at - last.at <= self._limit_s(use.ref)
        if last is not None:
            self._drop(use.ref)
        if use.size_bytes <= self._room_bytes:
            self._make_room(use)
            self._held[use.ref] = use
            self._used_bytes += use.size_bytes
        return hit

    def _make_room(self, use: Use) -> None:
        if self._used_bytes + use.size_bytes <= self._room_bytes:
            return
        for ref in sorted(self._held, key=lambda ref: self._worth(ref, use.at)):
            self._drop(ref)
            if self._used_bytes + use.size_bytes <= self._room_bytes:
                return

    def _worth(self, ref: str, now: float) -> float:
        """What is stale is worth nothing, else as `policy.score`."""
        idle_s, limit_s = now - self._held[ref].at, self._limit_s(ref)
        if idle_s > limit_s:
            return 0.0
        half_life_s = (limit_s if 0 < limit_s < math.inf else 28 * DAY_SECONDS) / 4
        worth: float = 2.0 ** -(max(0.0, idle_s) / half_life_s) / self.bandwidth(ref)
        return worth

    def _limit_s(self, ref: str) -> float:
        own_s = self._stale_after_s.get(ref.partition("@")[0])
        if own_s is not None:
            return own_s or math.inf
        return math.inf if self._policy.stale_after_s is None else self._policy.stale_after_s

    def _drop(self, ref: str) -> None:
        self._used_bytes -= self._held.pop(ref).size_bytes
