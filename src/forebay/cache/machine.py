"""The life of one replica, as a pure state machine: facts and an event in, new facts and a verdict out.

It decides who may fill, lease and evict. Invariants: one holder at a time (ONE-FILL), a token only grows and a report
with an older one is refused, nothing leased or pinned becomes `evicting` (IN-USE).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from forebay.wire.cache import ReplicaState

HOLD_SECONDS = 10.0
"""A fill or eviction whose holder has not renewed for so long may be taken over."""

LEASE_SECONDS = 120.0
"""A lease that was not renewed for so long has ended."""


_SKEW_HOLDS = 6
"""A hold that would last longer than so many holds was given before the clock went back: nobody waits for it."""


def is_held(held_until: float, now: float, hold_seconds: float) -> bool:
    """Whether a fill or eviction that was last renewed until then still has its holder."""
    return now < held_until <= now + hold_seconds * (1 + _SKEW_HOLDS)


_SKEW_LEASES = 1
"""A lease that would last longer than one given now by so many of them was given before the clock went back."""


def latest_lease_end(now: float, lease_seconds: float) -> float:
    """The latest that a lease can end by this clock. One that would end later counts as one given now."""
    return now + lease_seconds * (1 + _SKEW_LEASES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long a holder and a lease are believed without a word from them; they speak five and four times as often."""

    hold_seconds: float = HOLD_SECONDS
    lease_seconds: float = LEASE_SECONDS

    @property
    def hold_beat_seconds(self) -> float:
        return self.hold_seconds / 5

    @property
    def lease_beat_seconds(self) -> float:
        return self.lease_seconds / 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that decides. `held_until` is the deadline of the fill's or eviction's holder (Unix seconds)."""

    state: ReplicaState = ReplicaState.ABSENT
    token: int = 0
    held_until: float = 0.0
    live_leases: int = 0
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRequested:
    """Somebody wants it here and would fill it, and has seen that the holder with `dead_token` is dead (0: none)."""

    now: float
    hold_seconds: float
    next_token: int
    dead_token: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRenewed:
    """The filling holder gave a sign of life."""

    now: float
    hold_seconds: float
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFinished:
    """The files are in place and marked complete."""

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFailed:
    """`damaged`: files of an earlier, damaged replica are still on the volume."""

    token: int
    damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequested:
    """Somebody wants to use it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictRequested:
    """Somebody wants it gone."""

    now: float
    hold_seconds: float
    next_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictRenewed:
    """The evicting holder gave a sign of life."""

    now: float
    hold_seconds: float
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictFinished:
    """The files are gone."""

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictCancelled:
    """Nothing could be moved: the replica is what it was before."""

    token: int
    damaged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictAbandoned:
    """The holder can't go on half way: whoever comes next may, at once."""

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageFound:
    """`token` 0 speaks of whatever is there now; another one only of the replica that has it."""

    token: int = 0


Event = (
    FillRequested
    | FillRenewed
    | FillFinished
    | FillFailed
    | LeaseRequested
    | EvictRequested
    | EvictRenewed
    | EvictFinished
    | EvictCancelled
    | EvictAbandoned
    | DamageFound
)


class Verdict(Enum):
    """What the asker gets."""

    DONE = "done"
    READY = "ready"
    GRANTED = "granted"
    TAKEN_OVER = "taken-over"
    WAIT = "wait"
    FENCED = "fenced"
    NOT_READY = "not-ready"
    IN_USE = "in-use"
    PINNED = "pinned"


Step = tuple[Facts, Verdict]


def step(facts: Facts, event: Event) -> Step:
    """The one transition function. A refusal leaves the facts as they were."""
    match event:
        case FillRequested():
            return _request_fill(facts, event)
        case FillRenewed() | FillFinished() | FillFailed():
            return _if_held(facts, ReplicaState.FILLING, event.token, _after_fill(facts, event))
        case LeaseRequested():
            if facts.state is not ReplicaState.READY:
                return facts, Verdict.NOT_READY
            return replace(facts, live_leases=facts.live_leases + 1), Verdict.DONE
        case EvictRequested():
            return _request_evict(facts, event)
        case EvictRenewed() | EvictFinished() | EvictCancelled() | EvictAbandoned():
            return _if_held(facts, ReplicaState.EVICTING, event.token, _after_evict(facts, event))
        case DamageFound():
            if facts.state is not ReplicaState.READY or event.token not in (0, facts.token):
                return facts, Verdict.NOT_READY
            return _released(facts, ReplicaState.DAMAGED), Verdict.DONE


def _request_fill(facts: Facts, event: FillRequested) -> Step:
    """An eviction that was begun is ended first, also when its holder is gone: else both would move the same files."""
    if facts.state is ReplicaState.READY:
        return facts, Verdict.READY
    filling = facts.state is ReplicaState.FILLING
    held = filling and is_held(facts.held_until, event.now, event.hold_seconds) and facts.token != event.dead_token
    if facts.state is ReplicaState.EVICTING or held:
        return facts, Verdict.WAIT
    until = event.now + event.hold_seconds
    granted = replace(facts, state=ReplicaState.FILLING, token=event.next_token, held_until=until)
    return granted, Verdict.TAKEN_OVER if filling else Verdict.GRANTED


def _request_evict(facts: Facts, event: EvictRequested) -> Step:
    if facts.live_leases:
        return facts, Verdict.IN_USE
    if facts.pinned:
        return facts, Verdict.PINNED
    abandoned = facts.state is ReplicaState.EVICTING
    abandoned &= not is_held(facts.held_until, event.now, event.hold_seconds)
    if facts.state not in (ReplicaState.READY, ReplicaState.DAMAGED) and not abandoned:
        return facts, Verdict.NOT_READY
    held = replace(
        facts, state=ReplicaState.EVICTING, token=event.next_token, held_until=event.now + event.hold_seconds
    )
    return held, Verdict.GRANTED


def _after_fill(facts: Facts, event: FillRenewed | FillFinished | FillFailed) -> Facts:
    match event:
        case FillRenewed():
            return replace(facts, held_until=event.now + event.hold_seconds)
        case FillFinished():
            return _released(facts, ReplicaState.READY)
        case FillFailed():
            return _released(facts, ReplicaState.DAMAGED if event.damaged else ReplicaState.ABSENT)


def _after_evict(facts: Facts, event: EvictRenewed | EvictFinished | EvictCancelled | EvictAbandoned) -> Facts:
    match event:
        case EvictRenewed():
            return replace(facts, held_until=event.now + event.hold_seconds)
        case EvictFinished():
            return _released(facts, ReplicaState.ABSENT)
        case EvictCancelled():
            return _released(facts, ReplicaState.DAMAGED if event.damaged else ReplicaState.READY)
        case EvictAbandoned():
            return _released(facts, ReplicaState.EVICTING)


def _if_held(facts: Facts, state: ReplicaState, token: int, then: Facts) -> Step:
    """What the holder reports counts; what anybody else reports does not."""
    if facts.state is not state or token != facts.token:
        return facts, Verdict.FENCED
    return then, Verdict.DONE


def _released(facts: Facts, state: ReplicaState) -> Facts:
    return replace(facts, state=state, held_until=0.0)
