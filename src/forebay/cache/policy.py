"""Which replicas go, and why, pure. DESIGN section 4, "Evict"; every decision carries its reason in one line.

IN-USE: nothing leased or pinned is ever chosen. That the lake still has the bytes is seen to when one goes (evict).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from forebay.cache.machine import HOLD_SECONDS
from forebay.wire.cache import Replica, ReplicaState

DAY_SECONDS = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`stale_after_s` None keeps idle replicas for ever; the marks are fractions of the volume's limit."""

    stale_after_s: float | None = 7 * DAY_SECONDS
    grace_s: float = 600.0
    high_mark: float = 0.9
    low_mark: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A replica, and what only it holds: `alone_bytes` would come free, `refill_seconds` would bring them back.

    `refill_cost` is the money that would take, None where no price is known; no decision rests on it.
    """

    replica: Replica
    alone_bytes: int
    refill_seconds: float
    refill_cost: float | None = None


class Rule(StrEnum):
    """Why a replica goes or stays."""

    STALE = "stale"
    SPACE = "space"
    DAMAGED = "damaged"
    INTERRUPTED = "interrupted"
    KEPT = "kept"
    IN_USE = "in-use"
    PINNED = "pinned"
    GRACE = "grace"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One replica's fate. `score` is the worth of keeping it (higher stays longer)."""

    candidate: Candidate
    evict: bool
    rule: Rule
    reason: str
    score: float


def decide(
    candidates: Sequence[Candidate],
    policy: Policy,
    *,
    used_bytes: int,
    limit_bytes: int,
    missing_bytes: int,
    now: float,
    hold_seconds: float = HOLD_SECONDS,
) -> list[Decision]:
    """Decide on every replica: first what goes, the least worth first, then what stays.

    `missing_bytes` is what a fill that waits still lacks. Space is freed for it, and from the high to the low mark.
    """
    target_bytes = _target(policy, used_bytes, limit_bytes, missing_bytes)
    going: list[Decision] = []
    staying: list[Decision] = []
    freed_bytes = 0
    for candidate in sorted(candidates, key=lambda item: _order(item, policy, now)):
        worth = score(candidate, policy, now)
        protected = _protected(candidate.replica, policy, now, hold_seconds)
        rule, reason = protected or _due(candidate.replica, policy, now)
        if rule is Rule.KEPT and freed_bytes < target_bytes:
            rule, reason = Rule.SPACE, f"its bytes are needed, and it is worth the least (score {worth:.3g})"
        evict = rule in (Rule.STALE, Rule.SPACE, Rule.DAMAGED, Rule.INTERRUPTED)
        freed_bytes += candidate.alone_bytes if evict else 0
        decision = Decision(candidate=candidate, evict=evict, rule=rule, reason=reason, score=worth)
        (going if evict else staying).append(decision)
    return going + staying


def score(candidate: Candidate, policy: Policy, now: float) -> float:
    """Probability of reuse x seconds to refill / MiB it alone holds. The probability halves every quarter stale age."""
    idle_s = max(0.0, now - candidate.replica.last_used_at)
    half_life_s = (policy.stale_after_s or 28 * DAY_SECONDS) / 4
    reuse: float = 2.0 ** -(idle_s / half_life_s)
    return reuse * candidate.refill_seconds / (max(candidate.alone_bytes, 1) / 2**20)


def _order(candidate: Candidate, policy: Policy, now: float) -> tuple[bool, bool, float, str]:
    """What goes anyway comes first, so that no more than needed follows; what frees nothing by itself comes last."""
    due = _due(candidate.replica, policy, now)[0] is not Rule.KEPT
    return not due, candidate.alone_bytes == 0, score(candidate, policy, now), candidate.replica.ref


def _protected(replica: Replica, policy: Policy, now: float, hold_seconds: float) -> tuple[Rule, str] | None:
    if replica.state is ReplicaState.EVICTING and now - replica.since >= hold_seconds:
        return None
    if replica.state not in (ReplicaState.READY, ReplicaState.DAMAGED):
        return Rule.BUSY, f"it is {replica.state}: {replica.reason}"
    if replica.leases:
        return Rule.IN_USE, f"it is in use by {replica.leases}"
    if replica.pinned_by:
        until = "" if replica.pin_until == 0 else f" for another {_days(replica.pin_until - now)}"
        return Rule.PINNED, f"pinned by {replica.pinned_by}{until}: {replica.pin_reason or 'no reason given'}"
    if replica.state is ReplicaState.READY and now - replica.since < policy.grace_s:
        return Rule.GRACE, f"it came {_days(now - replica.since)} ago (grace {_days(policy.grace_s)})"
    return None


def _due(replica: Replica, policy: Policy, now: float) -> tuple[Rule, str]:
    idle_s = now - replica.last_used_at
    if replica.state is ReplicaState.EVICTING:
        return Rule.INTERRUPTED, f"its eviction was interrupted: {replica.reason}"
    if replica.state is ReplicaState.DAMAGED:
        return Rule.DAMAGED, f"damaged: {replica.reason}"
    if policy.stale_after_s is None:
        return Rule.KEPT, f"idle for {_days(idle_s)}; stale age is off, it goes only when its space is needed"
    if idle_s > policy.stale_after_s:
        return Rule.STALE, f"idle for {_days(idle_s)}, longer than {_days(policy.stale_after_s)}"
    return Rule.KEPT, f"idle for {_days(idle_s)}; goes in {_days(policy.stale_after_s - idle_s)} if nobody uses it"


def _target(policy: Policy, used_bytes: int, limit_bytes: int, missing_bytes: int) -> int:
    over = used_bytes - int(policy.low_mark * limit_bytes) if used_bytes > policy.high_mark * limit_bytes else 0
    return max(over, missing_bytes)


def _days(seconds: float) -> str:
    if seconds < 60:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * DAY_SECONDS else f"{seconds / DAY_SECONDS:.0f} days"
