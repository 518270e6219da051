"""How one version stands at one place, as the one word and the one fact that matter next. Pure: no database, no clock.

The same words on every page: what a replica's row, its fill, its leases, pins and tasks say together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from forebay.cache.policy import Policy
from forebay.wire.cache import ReplicaState
from forebay.wire.sites import TaskKind, TaskState

SOON_S = 86400.0
"""What goes within so long unless somebody uses it is shown as going."""


class Look(StrEnum):
    """`partial`: only subsets are there. `stale`: ready, and soon to go. `barred`: its bytes may not be there."""

    ABSENT = "absent"
    BARRED = "barred"
    QUEUED = "queued"
    FILLING = "filling"
    READY = "ready"
    PARTIAL = "partial"
    STALE = "stale"
    EVICTING = "evicting"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A fill's row. `total_bytes` 0: it is being planned. `is_held`: its holder was heard of within the hold."""

    done_bytes: int
    total_bytes: int
    moved_bytes: int
    rate_bytes_s: float
    started_at: float
    told_at: float
    is_held: bool
    by: str

    @property
    def share(self) -> float:
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes > 0 else 0.0

    @property
    def bytes_s(self) -> float:
        """As its holder's latest words have it; before there are two of them, all that came in the time so far."""
        if self.rate_bytes_s > 0 or self.told_at <= self.started_at:
            return self.rate_bytes_s
        return self.moved_bytes / (self.told_at - self.started_at)

    @property
    def left_s(self) -> float | None:
        """Until it is done at that rate; None where nothing comes."""
        if self.total_bytes <= 0 or self.bytes_s <= 0:
            return None
        return max(0, self.total_bytes - self.done_bytes) / self.bytes_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a site was asked to do with the version, and has not done yet."""

    task_id: str
    kind: TaskKind
    state: TaskState
    reason: str
    asked_by: str
    failures: int
    next_try_at: float
    last_error: str
    unblock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A version, or a subset of one, at a place, as the records have it; of what is not there most says nothing.

    `users` are who holds leases now. `pinned_by` is a person, or `rule ID`. `stale_after_s` is the dataset's own (0:
    never, None: as the place has it). `release_at` 0: its version is not retired.
    """

    ref: str
    subset: str
    selection: str
    size_bytes: int
    files: int
    volume_id: str
    state: ReplicaState = ReplicaState.ABSENT
    reason: str = ""
    since: float = 0.0
    last_used_at: float = 0.0
    verified_at: float = 0.0
    lake_confirmed_at: float = 0.0
    attempts: int = 0
    fill_bytes: int = 0
    fill_seconds: float = 0.0
    users: tuple[str, ...] = ()
    leases: int = 0
    pinned_by: str = ""
    pin_reason: str = ""
    pin_until: float = 0.0
    by_rule: bool = False
    stale_after_s: float | None = None
    release_at: float = 0.0
    fill: Filling | None = None
    errands: tuple[Errand, ...] = ()

    @property
    def is_there(self) -> bool:
        return self.state is not ReplicaState.ABSENT

    @property
    def counts(self) -> bool:
        """Whether it is there, or is asked for."""
        return self.is_there or bool(self.errands)

    def errand(self, kind: TaskKind) -> Errand | None:
        """What is asked for of that kind."""
        return next((item for item in self.errands if item.kind is kind), None)

    def leaves_at(self, policy: Policy) -> float | None:
        """When it goes if nobody uses it; None for never, or while somebody keeps or uses it."""
        if self.state is not ReplicaState.READY or self.leases or self.pinned_by:
            return None
        own_s = self.stale_after_s
        stale_after_s = policy.stale_after_s if own_s is None else (own_s or None)
        ends = [self.release_at] if self.release_at else []
        if stale_after_s is not None:
            ends.append(self.last_used_at + stale_after_s)
        return max(min(ends), self.since + policy.grace_s) if ends else None


def look_at(known: Known, policy: Policy, now: float) -> Look:
    """The one word for a version, or a subset, by itself."""
    match known.state:
        case ReplicaState.READY if known.errand(TaskKind.EVICT) is not None:
            return Look.EVICTING
        case ReplicaState.READY:
            leaves_at = known.leaves_at(policy)
            return Look.STALE if leaves_at is not None and leaves_at < now + SOON_S else Look.READY
        case ReplicaState.FILLING if known.fill is not None and known.fill.is_held:
            return Look.FILLING
        case ReplicaState.FILLING:
            return Look.QUEUED
        case ReplicaState.DAMAGED:
            return Look.DAMAGED
        case ReplicaState.EVICTING:
            return Look.EVICTING
    return Look.QUEUED if known.errand(TaskKind.FILL) is not None else Look.ABSENT


def look_over(whole: Known, subsets: tuple[Known, ...], policy: Policy, now: float) -> Look:
    """The same for a version together with its subsets: what is there in part is not absent."""
    own = look_at(whole, policy, now)
    if own is Look.ABSENT and any(item.is_there for item in subsets):
        return Look.PARTIAL
    return own


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A subset of a version at a place, and how it stands by itself. `more` others stand there as it does."""

    known: Known
    look: Look
    more: int = 0


def parts_of(whole: Known, subsets: tuple[Known, ...], policy: Policy, now: float) -> tuple[Part, ...]:
    """Of all subsets that stand alike at a place, the largest; what needs care first. Those that are merely ready are
    told only where the version itself is not there, which has their files anyhow.
    """
    alike: dict[tuple[int, bool, bool], list[Part]] = {}
    for item in subsets:
        look = look_at(item, policy, now)
        is_plain = look is Look.READY and not item.leases and not item.pinned_by
        if look is Look.ABSENT or (is_plain and whole.is_there):
            continue
        key = (_FIRST.index(look), not item.leases, not item.pinned_by)
        alike.setdefault(key, []).append(Part(known=item, look=look))
    found = []
    for _, those in sorted(alike.items()):
        largest = max(those, key=lambda part: part.known.size_bytes)
        found.append(Part(known=largest.known, look=largest.look, more=len(those) - 1))
    return tuple(found)


_FIRST: Final = (Look.DAMAGED, Look.FILLING, Look.QUEUED, Look.EVICTING, Look.STALE, Look.READY)
