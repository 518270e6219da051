"""Which replicas go, and why, pure. DESIGN section 4, "Evict"; every decision carries its reason in one line.

IN-USE: nothing leased or pinned is ever chosen. A team over its quota loses its own replicas, nobody else's. That the
lake still has the bytes is seen to when one goes (evict). What nobody looks at is not put into words.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from heapq import heappop, heappush
from typing import Protocol, overload

from humanize import naturalsize

from forebay.cache.bandwidth import ASSUMED_BYTES_S, seconds_for
from forebay.cache.machine import HOLD_SECONDS, is_held
from forebay.wire.cache import Quota, Replica, ReplicaState

DAY_SECONDS = 86400.0
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`stale_after_s` None keeps idle replicas for ever; the marks are fractions of the volume's limit."""

    stale_after_s: float | None = 7 * DAY_SECONDS
    grace_s: float = 600.0
    high_mark: float = 0.9
    low_mark: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A replica; `alone_bytes` only it holds, and they would come again at `bandwidth_bytes_s` (0: not known)."""

    replica: Replica
    alone_bytes: int
    bandwidth_bytes_s: float = 0.0

    @property
    def refill_seconds(self) -> float:
        return seconds_for(self.alone_bytes, self.bandwidth_bytes_s)


class Sharing(Protocol):
    """Who shares contents with whom, by ref (`cache.shares`)."""

    def release(self, name: str) -> Mapping[str, int]:
        """One goes; the bytes that others hold alone from now on."""

    def reclaimable(self, names: Iterable[str]) -> Collection[str]:
        """Those that bring something free when all of them go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamQuota:
    """A quota, what the team holds, and what each of its replicas holds alone within the team.

    `missing_bytes` is what a fill of the team's that waits still lacks.
    """

    quota: Quota
    held_bytes: int
    alone_bytes: Mapping[str, int]
    sharing: Sharing
    missing_bytes: int = 0


class Rule(StrEnum):
    """Why a replica goes or stays."""

    STALE = "stale"
    SPACE = "space"
    QUOTA = "quota"
    ASKED = "asked"
    DAMAGED = "damaged"
    INTERRUPTED = "interrupted"
    KEPT = "kept"
    IN_USE = "in-use"
    PINNED = "pinned"
    GRACE = "grace"
    BUSY = "busy"


_GOING = frozenset((Rule.STALE, Rule.DAMAGED, Rule.INTERRUPTED, Rule.SPACE, Rule.QUOTA, Rule.ASKED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One replica's fate. `score` is the worth of keeping it (higher stays longer).

    `frees_bytes` comes free when it goes after those that are to go before it; so what goes adds up. `refill_cost` is
    the money that bringing them back would take, None where no price is known; no decision rests on it.
    """

    candidate: Candidate
    evict: bool
    rule: Rule
    reason: str
    score: float
    frees_bytes: int
    refill_cost: float | None = None

    @property
    def refill_seconds(self) -> float:
        """To bring back what comes free."""
        return seconds_for(self.frees_bytes, self.candidate.bandwidth_bytes_s)


class Decisions(Sequence[Decision]):
    """Every replica's fate: first what goes, in that order, then what stays, the least worth first.

    A decision is made out when somebody looks at it.
    """

    def __init__(self, choice: _Choice) -> None:
        self._choice = choice
        self._going = choice.going
        self._order: list[int] | None = None

    def __len__(self) -> int:
        return len(self._choice.candidates)

    @overload
    def __getitem__(self, at: int) -> Decision: ...
    @overload
    def __getitem__(self, at: slice) -> list[Decision]: ...
    def __getitem__(self, at: int | slice) -> Decision | list[Decision]:
        if self._order is None:
            self._order = self._choice.order()
        if isinstance(at, slice):
            return [self._choice.decision(index) for index in self._order[at]]
        return self._choice.decision(self._order[at])

    @property
    def going(self) -> list[Decision]:
        """What goes."""
        return [self._choice.decision(index) for index in self._going]

    @property
    def freed_bytes(self) -> int:
        """What comes free when all of that has gone."""
        return self._choice.volume.freed_bytes

    def team_freed_bytes(self, team: str) -> int:
        """What comes free within a team's quota."""
        return self._choice.teams[team].freed_bytes

    def of(self, ref: str) -> Decision | None:
        """What is decided on one replica; None when it is not here."""
        candidates = self._choice.candidates
        found = (index for index, item in enumerate(candidates) if item.replica.ref == ref)
        return next((self._choice.decision(index) for index in found), None)


def decide(
    candidates: Sequence[Candidate],
    policy: Policy,
    *,
    used_bytes: int,
    limit_bytes: int,
    missing_bytes: int,
    now: float,
    hold_seconds: float = HOLD_SECONDS,
    quotas: Sequence[TeamQuota] = (),
    sharing: Sharing | None = None,
) -> Decisions:
    """Decide on every replica.

    What is due goes first, then what a team has to give up for its quota, then the least worth until `missing_bytes`
    (what a fill that waits still lacks) have come free, or from the high to the low mark. `sharing` and those of the
    quotas are used up.
    """
    judged = _judge(candidates, policy, now, hold_seconds)
    choice = _Choice(candidates, judged, policy, now, sharing, quotas)
    choice.take_due()
    for quota in quotas:
        choice.take_for_quota(quota)
    choice.take_for_space(_target(policy, used_bytes, limit_bytes, missing_bytes))
    return Decisions(choice)


def score(candidate: Candidate, policy: Policy, now: float) -> float:
    """Probability of reuse x seconds to refill a MiB of it. The probability halves every quarter stale age."""
    return _judge((candidate,), policy, now, HOLD_SECONDS).scores[0]


@dataclass(slots=True, kw_only=True)
class _Judged:
    """By index, what holds for each whatever the others do; and who is due, and who may go."""

    rules: list[Rule]
    scores: list[float]
    due: list[int]
    kept: list[int]


def _judge(candidates: Sequence[Candidate], policy: Policy, now: float, hold_seconds: float) -> _Judged:
    """One pass over many: nothing is looked up twice."""
    ready, grace_s = ReplicaState.READY, policy.grace_s
    site_s = math.inf if policy.stale_after_s is None else policy.stale_after_s
    site_half_life_s = _half_life(policy.stale_after_s)
    in_use, pinned, grace, stale, kept = Rule.IN_USE, Rule.PINNED, Rule.GRACE, Rule.STALE, Rule.KEPT
    rules: list[Rule] = []
    scores: list[float] = []
    due_at: list[int] = []
    kept_at: list[int] = []
    for index, candidate in enumerate(candidates):
        replica = candidate.replica
        own_s = replica.stale_after_s
        idle_s = now - replica.last_used_at
        reuse = 1.0
        if idle_s > 0:
            reuse = 0.5 ** (idle_s / (site_half_life_s if own_s is None else _half_life(own_s)))
        scores.append(reuse * MIB / (candidate.bandwidth_bytes_s or ASSUMED_BYTES_S))
        if replica.state is not ready:
            rule = _rule_of_odd(replica, now, hold_seconds)
            rules.append(rule)
            if rule is Rule.DAMAGED or rule is Rule.INTERRUPTED:
                due_at.append(index)
        elif replica.leases:
            rules.append(in_use)
        elif replica.pinned_by:
            rules.append(pinned)
        elif now - replica.since < grace_s:
            rules.append(grace)
        else:
            limit_s = site_s if own_s is None else own_s or math.inf
            if idle_s > limit_s:
                rules.append(stale)
                due_at.append(index)
            else:
                rules.append(kept)
                kept_at.append(index)
    return _Judged(rules=rules, scores=scores, due=due_at, kept=kept_at)


def _rule_of_odd(replica: Replica, now: float, hold_seconds: float) -> Rule:
    """Of one that is not ready."""
    if replica.state is ReplicaState.EVICTING and not is_held(replica.since + hold_seconds, now, hold_seconds):
        return Rule.INTERRUPTED
    if replica.state is not ReplicaState.DAMAGED:
        return Rule.BUSY
    if replica.leases:
        return Rule.IN_USE
    return Rule.PINNED if replica.pinned_by else Rule.DAMAGED


@dataclass(slots=True, kw_only=True)
class _Pool:
    """What comes free as replicas go one after another: what two of them share does when the second one goes."""

    alone_bytes: list[int]
    sharing: Sharing | None
    at: Callable[[str], int]
    freed_bytes: int = 0
    woken: list[int] = field(default_factory=list)

    def release(self, index: int, replica: Replica) -> None:
        """One goes: what it holds alone now comes free, and nothing changes that number any more."""
        self.freed_bytes += self.alone_bytes[index]
        if self.sharing is None:
            return
        for name, more_bytes in self.sharing.release(replica.ref).items():
            other = self.at(name)
            if not self.alone_bytes[other]:
                self.woken.append(other)
            self.alone_bytes[other] += more_bytes


class _Choice:
    """The work of one `decide`: rules change as replicas are taken."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        judged: _Judged,
        policy: Policy,
        now: float,
        sharing: Sharing | None,
        quotas: Sequence[TeamQuota],
    ) -> None:
        self.candidates = candidates
        self.going: list[int] = []
        self._rules = judged.rules
        self._scores = judged.scores
        self._judged = judged
        self._policy = policy
        self._now = now
        self._index: dict[str, int] = {}
        self.volume = _Pool(alone_bytes=[item.alone_bytes for item in candidates], sharing=sharing, at=self._at)
        self._quotas = {item.quota.team: item for item in quotas}
        self.teams = {team: self._team_pool(item) for team, item in self._quotas.items()}

    def take_due(self) -> None:
        for index in self._by_worth(self._judged.due):
            self._take(index, self._rules[index])

    def take_for_quota(self, item: TeamQuota) -> None:
        over_bytes = max(item.held_bytes - item.quota.limit_bytes, item.missing_bytes)
        pool = self.teams[item.quota.team]
        if pool.freed_bytes < over_bytes:
            own = [at for at in self._judged.kept if self.candidates[at].replica.team == item.quota.team]
            self._drain(pool, own, over_bytes, Rule.QUOTA)

    def take_for_space(self, target_bytes: int) -> None:
        if self.volume.freed_bytes < target_bytes:
            self._drain(self.volume, self._judged.kept, target_bytes, Rule.SPACE)

    def order(self) -> list[int]:
        gone = set(self.going)
        staying = [index for index in range(len(self.candidates)) if index not in gone]
        return self.going + self._by_worth(staying)

    def decision(self, index: int) -> Decision:
        candidate, rule = self.candidates[index], self._rules[index]
        return Decision(
            candidate=candidate,
            evict=rule in _GOING,
            rule=rule,
            reason=self._reason(candidate, rule, index),
            score=self._scores[index],
            frees_bytes=self.volume.alone_bytes[index],
        )

    def _drain(self, pool: _Pool, kept: Sequence[int], target_bytes: int, rule: Rule) -> None:
        """Take the least worth until so much has come free from the pool; what frees nothing by itself comes last."""
        rules, scores, kept_rule = self._rules, self._scores, Rule.KEPT
        line = deque(sorted((index for index in kept if pool.alone_bytes[index]), key=scores.__getitem__))
        late: list[tuple[float, int]] = []
        sharers: list[int] | None = None
        pool.woken.clear()
        while pool.freed_bytes < target_bytes:
            if late and not (line and scores[line[0]] < late[0][0]):
                index = heappop(late)[1]
            elif line:
                index = line.popleft()
            else:
                sharers = self._sharers(pool, kept) if sharers is None else sharers
                if not sharers:
                    return
                index = sharers.pop()
            if rules[index] is kept_rule:
                self._take(index, rule)
            while pool.woken:
                woken = pool.woken.pop()
                heappush(late, (scores[woken], woken))

    def _sharers(self, pool: _Pool, kept: Sequence[int]) -> list[int]:
        """What frees something only together with others that may go; the least worth last."""
        if pool.sharing is None:
            return []
        left = {self.candidates[index].replica.ref: index for index in kept if self._rules[index] is Rule.KEPT}
        found = [left[ref] for ref in pool.sharing.reclaimable(left)]
        return sorted(found, key=lambda index: (-self._scores[index], -index))

    def _take(self, index: int, rule: Rule) -> None:
        replica = self.candidates[index].replica
        self._rules[index] = rule
        self.volume.release(index, replica)
        self.going.append(index)
        if self.teams and replica.team in self.teams:
            self.teams[replica.team].release(index, replica)

    def _team_pool(self, item: TeamQuota) -> _Pool:
        alone_bytes = [
            item.alone_bytes.get(other.replica.ref, 0) if other.replica.team == item.quota.team else 0
            for other in self.candidates
        ]
        return _Pool(alone_bytes=alone_bytes, sharing=item.sharing, at=self._at)

    def _at(self, ref: str) -> int:
        if not self._index:
            self._index = {item.replica.ref: index for index, item in enumerate(self.candidates)}
        return self._index[ref]

    def _by_worth(self, indexes: Sequence[int]) -> list[int]:
        """The least worth first; what frees nothing by itself comes last."""
        alone_bytes = self.volume.alone_bytes
        by_score = sorted(indexes, key=self._scores.__getitem__)
        return [index for index in by_score if alone_bytes[index]] + [at for at in by_score if not alone_bytes[at]]

    def _reason(self, candidate: Candidate, rule: Rule, index: int) -> str:
        if rule is Rule.SPACE:
            return f"its bytes are needed, and it is worth the least (score {self._scores[index]:.3g})"
        if rule is Rule.QUOTA:
            return _over_quota(self._quotas[candidate.replica.team], self._scores[index])
        return _reason(candidate.replica, rule, self._policy, self._now)


def _reason(replica: Replica, rule: Rule, policy: Policy, now: float) -> str:
    """In words, for what depends on no other replica."""
    match rule:
        case Rule.INTERRUPTED:
            return f"its eviction was interrupted: {replica.reason}"
        case Rule.DAMAGED:
            return f"damaged: {replica.reason}"
        case Rule.BUSY:
            return f"it is {replica.state}: {replica.reason}"
        case Rule.IN_USE:
            return f"it is in use: {replica.leases} {'lease' if replica.leases == 1 else 'leases'}"
        case Rule.PINNED:
            until = "" if replica.pin_until == 0 else f" for another {_days(replica.pin_until - now)}"
            return f"pinned by {replica.pinned_by}{until}: {replica.pin_reason or 'no reason given'}"
        case Rule.GRACE:
            return f"it came {_days(now - replica.since)} ago (grace {_days(policy.grace_s)})"
        case _:
            return _idle_reason(replica, rule, policy, now)


def _idle_reason(replica: Replica, rule: Rule, policy: Policy, now: float) -> str:
    idle_s = now - replica.last_used_at
    own = replica.stale_after_s is not None
    stale_after_s = (replica.stale_after_s or None) if own else policy.stale_after_s
    whose = f" (set for {replica.dataset})" if own else ""
    if stale_after_s is None:
        return f"idle for {_days(idle_s)}; stale age is off{whose}, it goes only when its space is needed"
    if rule is Rule.STALE:
        return f"idle for {_days(idle_s)}, longer than {_days(stale_after_s)}{whose}"
    return f"idle for {_days(idle_s)}; goes in {_days(stale_after_s - idle_s)}{whose} if nobody uses it"


def _over_quota(item: TeamQuota, worth: float) -> str:
    quota = item.quota
    wants = f", a fill lacks {naturalsize(item.missing_bytes, binary=True)}" if item.missing_bytes else ""
    held = f"{naturalsize(item.held_bytes, binary=True)} of its {naturalsize(quota.limit_bytes, binary=True)}"
    return f"the team {quota.team} holds {held}{wants}, and this is worth the least to it (score {worth:.3g})"


def _half_life(stale_after_s: float | None) -> float:
    return (stale_after_s or 28 * DAY_SECONDS) / 4


def _target(policy: Policy, used_bytes: int, limit_bytes: int, missing_bytes: int) -> int:
    over = used_bytes - int(policy.low_mark * limit_bytes) if used_bytes > policy.high_mark * limit_bytes else 0
    return max(over, missing_bytes)


def _days(seconds: float) -> str:
    if seconds < 60:
        return f"{max(0.0, seconds):.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 2 * DAY_SECONDS else f"{seconds / DAY_SECONDS:.0f} days"
