"""How many streams a fill keeps open, pure: what a round moved in, the number for the next round out.

And whether a file is worth cutting for one stream more.

Streams double while that brings bytes, then stay; now and then a few more or a few less are tried, and kept where they
pay: a far lake needs hundreds for its small objects, a near one is full with four and more only cost processor time.
Invariant: at least one stream, never more than the limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

FIRST_STREAMS = 4
# What an object costs beside its bytes, as bytes: the largest come first, and fewer bytes a second of smaller objects
# must not look like a slower lake.
OBJECT_BYTES = 64 << 10
_GAIN = 1.05
_EVEN = 0.98
_FALL = 0.7
_MORE, _LESS = 1.5, 0.75
_PATIENCE_ROUNDS = 4
_MOST_PATIENCE_ROUNDS = 64
_FAST_STREAM_BYTES_S = 100e6
_ROUNDS_TO_KNOW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundMeasured:
    """A round has ended: what came from the lake in it."""

    seconds: float
    moved_bytes: int
    moved_objects: int

    @property
    def rate(self) -> float:
        """Bytes a second, objects counted in."""
        return (self.moved_bytes + OBJECT_BYTES * self.moved_objects) / self.seconds if self.seconds > 0 else 0.0


class Phase(Enum):
    """Doubling; staying; trying some more; trying some less."""

    GROW = "grow"
    STAY = "stay"
    TRY_MORE = "try-more"
    TRY_LESS = "try-less"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """`streams` is what to run now. `kept` streams brought `kept_rate`; what is tried is compared with that.

    `doubted`: the number being tried did not pay in one round; one round says little, so it gets a second.
    """

    limit: int
    streams: int
    phase: Phase = Phase.GROW
    kept: int = 0
    kept_rate: float = 0.0
    tried_rate: float = 0.0
    doubted: bool = False
    stayed: int = 0
    patience: int = _PATIENCE_ROUNDS
    less_next: bool = False


def begin(limit: int) -> Pace:
    """The pace of a fill that has not asked the lake for anything."""
    return Pace(limit=limit, streams=min(limit, FIRST_STREAMS))


def step(pace: Pace, event: RoundMeasured) -> Pace:
    """The pace after a round. A round in which nothing came says nothing."""
    if event.rate <= 0:
        return pace
    match pace.phase:
        case Phase.STAY:
            return _stayed(pace, event.rate)
        case Phase.TRY_LESS:
            return _tried_less(pace, event.rate)
        case _:
            return _tried_more(pace, event.rate)


def may_cut(*, running: int, rounds: int, stream_bytes_s: float) -> bool:
    """Whether a stream that finds nothing to begin may take half of what another of the `running` still has to do.

    What is cut has to be read and hashed once more, which takes the processor that fast streams need: beyond the first
    few, only once `rounds` have shown that each brings little, in the best of them `stream_bytes_s`.
    """
    slow = rounds >= _ROUNDS_TO_KNOW and stream_bytes_s < _FAST_STREAM_BYTES_S
    return running > 0 and (running < FIRST_STREAMS or slow)


def _tried_more(pace: Pace, rate: float) -> Pace:
    """More streams are kept when they brought more, and then more still are tried."""
    best = max(rate, pace.tried_rate)
    if best >= pace.kept_rate * _GAIN:
        return _more(replace(pace, kept=pace.streams, kept_rate=best, patience=_PATIENCE_ROUNDS), 2.0, Phase.GROW)
    if not pace.doubted:
        return replace(pace, doubted=True, tried_rate=best)
    return _settle(pace, patience=pace.patience if pace.phase is Phase.GROW else 2 * pace.patience)


def _tried_less(pace: Pace, rate: float) -> Pace:
    """Fewer streams are kept when they brought as much."""
    best = max(rate, pace.tried_rate)
    if not pace.doubted:
        return replace(pace, doubted=True, tried_rate=best)
    if best >= pace.kept_rate * _EVEN:
        # The rate to keep stays the greater one, or many small steps down would each be allowed their loss.
        return _settle(replace(pace, kept=pace.streams), patience=pace.patience)
    return _settle(pace, patience=2 * pace.patience)


def _stayed(pace: Pace, rate: float) -> Pace:
    """The rate at rest is followed slowly; a fall says that the lake or the objects have changed: look anew."""
    if rate < pace.kept_rate * _FALL:
        if pace.doubted:
            return _more(replace(pace, kept_rate=max(rate, pace.tried_rate)), 2.0, Phase.GROW)
        return replace(pace, doubted=True, tried_rate=rate)
    kept_rate = pace.kept_rate + (rate - pace.kept_rate) / 4
    pace = replace(pace, kept_rate=kept_rate, stayed=pace.stayed + 1, doubted=False, tried_rate=0.0)
    if pace.stayed < pace.patience:
        return pace
    if pace.less_next and pace.kept > 1:
        fewer = max(1, int(pace.kept * _LESS))
        return replace(pace, streams=fewer, phase=Phase.TRY_LESS, less_next=False)
    return _more(replace(pace, less_next=True), _MORE, Phase.TRY_MORE)


def _more(pace: Pace, factor: float, phase: Phase) -> Pace:
    streams = min(pace.limit, max(pace.kept + 1, int(pace.kept * factor)))
    if streams == pace.kept:
        return _settle(pace, patience=pace.patience)
    return replace(pace, streams=streams, phase=phase, tried_rate=0.0, doubted=False)


def _settle(pace: Pace, *, patience: int) -> Pace:
    return replace(
        pace,
        streams=pace.kept,
        phase=Phase.STAY,
        tried_rate=0.0,
        doubted=False,
        stayed=0,
        patience=min(patience, _MOST_PATIENCE_ROUNDS),
    )
