"""How many streams a fill keeps open, pure: what a round moved in, the number for the next round out.

And whether a file is worth cutting for one stream more, and how much of one a stream asks for at once.

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
LEAST_CUT_BYTES = 32 << 20
"""What is cut off must be worth another request and another connection."""

_GAIN = 1.05
_EVEN = 0.98
_FALL = 0.7
_MORE, _LESS = 1.5, 0.75
_PATIENCE_ROUNDS = 4
_MOST_PATIENCE_ROUNDS = 64
_FAST_STREAM_BYTES_S = 100e6
_ROUNDS_TO_KNOW = 5
_WAITS_AN_ASK = 30
_LONGEST_ASK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillSettings:
    """At most `streams` at a time come from the lake; the pace says how many of them."""

    streams: int = 64


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


def next_ask(most_bytes: int, *, moved_bytes: int, waited_s: float, seconds: float) -> int:
    """How much streams ask for at once, after an answer brought so much; so far it was `most_bytes`.

    `seconds` in all, of which `waited_s` for its first byte. What was asked for is nobody else's any more: bytes that
    are on their way need not be thrown away, and who is done early finds all the rest to take from. So an answer lasts
    long beside the wait for it, and no longer. A crumb says nothing of how fast a stream is.
    """
    if moved_bytes < LEAST_CUT_BYTES or seconds <= waited_s:
        return most_bytes
    lasting_s = min(_LONGEST_ASK_S, _WAITS_AN_ASK * waited_s)
    return max(LEAST_CUT_BYTES, int(min(moved_bytes / (seconds - waited_s) * lasting_s, 2 * most_bytes)))


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
