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
    now: float
    hold_seconds: float
    next_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRenewed:
    now: float
    hold_seconds: float
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFinished:
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFailed:
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequested:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictRequested:
    now: float
    hold_seconds: float
    next_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictFinished:
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageFound:
    pass


Event = (
    FillRequested
    | FillRenewed
    | FillFinished
    | FillFailed
    | LeaseRequested
    | EvictRequested
    | EvictFinished
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
        case FillRenewed():
            return _if_holder(facts, event.token, replace(facts, held_until=event.now + event.hold_seconds))
        case FillFinished():
            return _if_holder(facts, event.token, _released(facts, ReplicaState.READY))
        case FillFailed():
            return _if_holder(facts, event.token, _released(facts, ReplicaState.ABSENT))
        case LeaseRequested():
            if facts.state is not ReplicaState.READY:
                return facts, Verdict.NOT_READY
            return replace(facts, live_leases=facts.live_leases + 1), Verdict.DONE
        case EvictRequested():
            return _request_evict(facts, event)
        case EvictFinished():
            if facts.state is not ReplicaState.EVICTING or event.token != facts.token:
                return facts, Verdict.FENCED
            return _released(facts, ReplicaState.ABSENT), Verdict.DONE
        case DamageFound():
            if facts.state is not ReplicaState.READY:
                return facts, Verdict.NOT_READY
            return _released(facts, ReplicaState.DAMAGED), Verdict.DONE


def _request_fill(facts: Facts, event: FillRequested) -> Step:
    if facts.state is ReplicaState.READY:
        return facts, Verdict.READY
    busy = facts.state in (ReplicaState.FILLING, ReplicaState.EVICTING)
    if busy and facts.held_until > event.now:
        return facts, Verdict.WAIT
    taken_over = facts.state is ReplicaState.FILLING
    held = replace(facts, state=ReplicaState.FILLING, token=event.next_token, held_until=event.now + event.hold_seconds)
    return held, Verdict.TAKEN_OVER if taken_over else Verdict.GRANTED


def _request_evict(facts: Facts, event: EvictRequested) -> Step:
    if facts.live_leases:
        return facts, Verdict.IN_USE
    if facts.pinned:
        return facts, Verdict.PINNED
    abandoned = facts.state is ReplicaState.EVICTING and facts.held_until <= event.now
    if facts.state not in (ReplicaState.READY, ReplicaState.DAMAGED) and not abandoned:
        return facts, Verdict.NOT_READY
    held = replace(
        facts, state=ReplicaState.EVICTING, token=event.next_token, held_until=event.now + event.hold_seconds
    )
    return held, Verdict.GRANTED


def _if_holder(facts: Facts, token: int, then: Facts) -> Step:
    if facts.state is not ReplicaState.FILLING or token != facts.token:
        return facts, Verdict.FENCED
    return then, Verdict.DONE


def _released(facts: Facts, state: ReplicaState) -> Facts:
    return replace(facts, state=state, held_until=0.0)
