"""Which replicas go, and why, pure. DESIGN section 4, "Evict"; every decision carries its reason in one line.

IN-USE: nothing leased or pinned is ever chosen. A team over its quota loses its own replicas, nobody else's. That the
lake still has the bytes is seen to when one goes (evict). What nobody looks at is not put into words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import heappop, heappush
from typing import overload

from humanize import naturalsize

from forebay.cache.bandwidth import ASSUMED_BYTES_S, seconds_for
from forebay.cache.machine import HOLD_SECONDS, is_held
from forebay.cache.ranked import Ranked
from forebay.cache.trial import Trial
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Many of them, column by column: what each holds alone, and frees, is in the trial. `decide` uses that up.

    `lost` are the refs of damaged ones of which nothing is on the volume.
    """

    replicas: Sequence[Replica]
    bandwidths_bytes_s: Sequence[float]
    trial: Trial
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamQuota:
    """A quota, what the team holds, and the trial of all replicas within the team: those of others hold nothing.

    `missing_bytes` is what a fill of the team's that waits still lacks.
    """

    quota: Quota
    held_bytes: int
    trial: Trial
    missing_bytes: int = 0


class Rule(StrEnum):
    """Why a replica goes or stays."""

    RETIRED = "retired"
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
    LOST = "lost"
    BUSY = "busy"


_GOING = frozenset((Rule.RETIRED, Rule.STALE, Rule.DAMAGED, Rule.INTERRUPTED, Rule.SPACE, Rule.QUOTA, Rule.ASKED))


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
        return len(self._choice.replicas)

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
        found = (index for index, replica in enumerate(self._choice.replicas) if replica.ref == ref)
        return next((self._choice.decision(index) for index in found), None)


def decide(
    candidates: Candidates,
    policy: Policy,
    *,
    used_bytes: int,
    limit_bytes: int,
    missing_bytes: int,
    now: float,
    hold_seconds: float = HOLD_SECONDS,
    quotas: Sequence[TeamQuota] = (),
) -> Decisions:
    """Decide on every replica.

    What is due goes first, then what a team has to give up for its quota, then the least worth until `missing_bytes`
    (what a fill that waits still lacks) have come free, or from the high to the low mark. The trials of the candidates
    and the quotas are used up.
    """
    judged = _judge(candidates.replicas, candidates.bandwidths_bytes_s, policy, now, hold_seconds, candidates.lost)
    choice = _Choice(candidates, judged, policy, now, quotas)
    choice.take_due()
    for quota in quotas:
        choice.take_for_quota(quota)
    choice.take_for_space(_target(policy, used_bytes, limit_bytes, missing_bytes))
    return Decisions(choice)


def score(candidate: Candidate, policy: Policy, now: float) -> float:
    """Probability of reuse x seconds to refill a MiB of it. The probability halves every quarter stale age."""
    return _judge((candidate.replica,), (candidate.bandwidth_bytes_s,), policy, now, HOLD_SECONDS).scores[0]


@dataclass(slots=True, kw_only=True)
class _Judged:
    """By index, what holds for each whatever the others do; and who is due, and who may go."""

    rules: list[Rule]
    scores: list[float]
    due: list[int]
    kept: list[int]


def _judge(
    replicas: Sequence[Replica],
    bandwidths_bytes_s: Sequence[float],
    policy: Policy,
    now: float,
    hold_seconds: float,
    lost: frozenset[str] = frozenset(),
) -> _Judged:
    """One pass over many: nothing is looked up twice."""
    ready, grace_s = ReplicaState.READY, policy.grace_s
    site_s = math.inf if policy.stale_after_s is None else policy.stale_after_s
    site_half_life_s = _half_life(policy.stale_after_s)
    rules = [Rule.KEPT] * len(replicas)
    in_use, pinned, grace, stale = Rule.IN_USE, Rule.PINNED, Rule.GRACE, Rule.STALE
    scores: list[float] = []
    due_at: list[int] = []
    kept_at: list[int] = []
    for index, replica, bytes_s in zip(range(len(replicas)), replicas, bandwidths_bytes_s, strict=True):
        own_s = replica.stale_after_s
        idle_s = now - replica.last_used_at
        reuse = 1.0
        if idle_s > 0:
            reuse = 0.5 ** (idle_s / (site_half_life_s if own_s is None else _half_life(own_s)))
        scores.append(reuse * MIB / (bytes_s or ASSUMED_BYTES_S))
        if replica.state is not ready:
            is_stale = idle_s > (site_s if own_s is None else own_s or math.inf)
            is_released = replica.release_at and now >= replica.release_at
            stays_noted = replica.ref in lost and not is_stale and not is_released
            rule = rules[index] = _rule_of_odd(replica, now, hold_seconds, stays_noted=stays_noted)
            if rule is Rule.DAMAGED or rule is Rule.INTERRUPTED:
                due_at.append(index)
        elif replica.leases:
            rules[index] = in_use
        elif replica.pinned_by:
            rules[index] = pinned
        elif replica.release_at and now >= replica.release_at:
            rules[index] = Rule.RETIRED
            due_at.append(index)
        elif is_new(replica.since, now, grace_s):
            rules[index] = grace
        elif idle_s > (site_s if own_s is None else own_s or math.inf):
            rules[index] = stale
            due_at.append(index)
        else:
            kept_at.append(index)
    return _Judged(rules=rules, scores=scores, due=due_at, kept=kept_at)


def is_new(since: float, now: float, grace_s: float) -> bool:
    """Whether what came then is in its grace; where the clock was set back by more than that, it is not."""
    return abs(now - since) < grace_s


def _rule_of_odd(replica: Replica, now: float, hold_seconds: float, *, stays_noted: bool) -> Rule:
    """Of one that is not ready. One that is lost takes no room: it stays noted, for whoever wants it again."""
    if replica.state is ReplicaState.EVICTING and not is_held(replica.since + hold_seconds, now, hold_seconds):
        return Rule.INTERRUPTED
    if replica.state is not ReplicaState.DAMAGED:
        return Rule.BUSY
    if replica.leases:
        return Rule.IN_USE
    if replica.pinned_by:
        return Rule.PINNED
    return Rule.LOST if stays_noted else Rule.DAMAGED


class _Choice:
    """The work of one `decide`: rules change as replicas are taken."""

    def __init__(
        self, candidates: Candidates, judged: _Judged, policy: Policy, now: float, quotas: Sequence[TeamQuota]
    ) -> None:
        self.replicas = candidates.replicas
        self.going: list[int] = []
        self.volume = candidates.trial
        self.teams = {item.quota.team: item.trial for item in quotas}
        self._bandwidths_bytes_s = candidates.bandwidths_bytes_s
        # As it was before anything went: a trial changes what others hold alone.
        self._alone_bytes = candidates.trial.alone_bytes[:]
        self._rules = judged.rules
        self._scores = judged.scores
        self._due = judged.due
        self._kept = judged.kept
        self._policy = policy
        self._now = now
        self._quotas = {item.quota.team: item for item in quotas}

    def take_due(self) -> None:
        self._take(self._by_worth(self._due), self.volume)

    def take_for_quota(self, item: TeamQuota) -> None:
        over_bytes = max(item.held_bytes - item.quota.limit_bytes, item.missing_bytes)
        if item.trial.freed_bytes < over_bytes:
            own = [at for at in self._kept if self.replicas[at].team == item.quota.team]
            self._drain(item.trial, own, over_bytes, Rule.QUOTA)
            self._kept = [at for at in self._kept if self._rules[at] is Rule.KEPT]

    def take_for_space(self, target_bytes: int) -> None:
        if self.volume.freed_bytes < target_bytes:
            self._drain(self.volume, self._kept, target_bytes, Rule.SPACE)

    def order(self) -> list[int]:
        gone = set(self.going)
        staying = [index for index in range(len(self.replicas)) if index not in gone]
        return self.going + self._by_worth(staying)

    def decision(self, index: int) -> Decision:
        replica, rule = self.replicas[index], self._rules[index]
        return Decision(
            candidate=Candidate(
                replica=replica,
                alone_bytes=self._alone_bytes[index],
                bandwidth_bytes_s=self._bandwidths_bytes_s[index],
            ),
            evict=rule in _GOING,
            rule=rule,
            reason=self._reason(replica, rule, index),
            score=self._scores[index],
            frees_bytes=self.volume.alone_bytes[index],
        )

    def _drain(self, trial: Trial, kept: Sequence[int], target_bytes: int, rule: Rule) -> None:
        """Take the least worth until so much has come free in the trial; what frees nothing by itself comes last."""
        rules, scores, kept_rule = self._rules, self._scores, Rule.KEPT
        alone_bytes = trial.alone_bytes
        line = Ranked([index for index in kept if alone_bytes[index]], scores)
        late: list[tuple[float, int]] = []
        sharers: list[int] | None = None
        trial.woken.clear()
        while trial.freed_bytes < target_bytes:
            if run := line.run(late[0][0] if late else None):
                count = self._take(run, trial, target_bytes)
                line.gone(count)
            else:
                if late:
                    index = heappop(late)[1]
                else:
                    sharers = self._sharers(trial, kept) if sharers is None else sharers
                    if not sharers:
                        return
                    index = sharers.pop()
                run = [index] if rules[index] is kept_rule else []
                count = self._take(run, trial, target_bytes)
            for index in run[:count]:
                rules[index] = rule
            while trial.woken:
                woken = trial.woken.pop()
                heappush(late, (scores[woken], woken))

    def _sharers(self, trial: Trial, kept: Sequence[int]) -> list[int]:
        """What frees something only together with others that may go; the least worth last."""
        found = trial.reclaimable([index for index in kept if self._rules[index] is Rule.KEPT])
        return sorted(found, key=lambda index: (-self._scores[index], -index))

    def _take(self, indexes: Sequence[int], trial: Trial, until_bytes: int | None = None) -> int:
        """How many of them went: all, or as many as the trial needs."""
        count = trial.release(indexes, until_bytes)
        taken = indexes[:count]
        self.going += taken
        if trial is not self.volume:
            self.volume.release(taken)
        for team, other in self.teams.items():
            if other is not trial:
                other.release([index for index in taken if self.replicas[index].team == team])
        return count

    def _by_worth(self, indexes: Sequence[int]) -> list[int]:
        """The least worth first; what frees nothing by itself comes last."""
        alone_bytes = self.volume.alone_bytes
        by_score = sorted(indexes, key=self._scores.__getitem__)
        return [index for index in by_score if alone_bytes[index]] + [at for at in by_score if not alone_bytes[at]]

    def _reason(self, replica: Replica, rule: Rule, index: int) -> str:
        if rule is Rule.SPACE:
            return f"its bytes are needed, and it is worth the least (score {self._scores[index]:.3g})"
        if rule is Rule.QUOTA:
            return _over_quota(self._quotas[replica.team], self._scores[index])
        return _reason(replica, rule, self._policy, self._now)


def _reason(replica: Replica, rule: Rule, policy: Policy, now: float) -> str:
    """In words, for what depends on no other replica."""
    match rule:
        case Rule.INTERRUPTED:
            return f"its eviction was interrupted: {replica.reason}"
        case Rule.DAMAGED:
            return f"damaged: {replica.reason}"
        case Rule.LOST:
            return f"{replica.reason}; nothing of it is here that could go"
        case Rule.RETIRED:
            return f"its version is retired, and was to go {_days(now - replica.release_at)} ago"
        case Rule.BUSY:
            return f"it is {replica.state}: {replica.reason}"
        case Rule.IN_USE:
            return f"it is in use: {replica.leases} {'lease' if replica.leases == 1 else 'leases'}"
        case Rule.PINNED:
            until = "" if replica.pin_until == 0 else f" for another {_days(replica.pin_until - now)}"
            return f"pinned by {replica.pinned_by}{until}: {replica.pin_reason or 'no reason given'}"
        case Rule.GRACE:
            came = f"it came {_days(now - replica.since)} ago (grace {_days(policy.grace_s)})"
            return f"{came}; {_released(replica, now)}" if replica.release_at else came
        case _:
            return _idle_reason(replica, rule, policy, now)


def _idle_reason(replica: Replica, rule: Rule, policy: Policy, now: float) -> str:
    idle_s = now - replica.last_used_at
    own = replica.stale_after_s is not None
    stale_after_s = (replica.stale_after_s or None) if own else policy.stale_after_s
    whose = f" (set for {replica.dataset})" if own else ""
    if replica.release_at and rule is Rule.KEPT:
        return f"idle for {_days(idle_s)}; {_released(replica, now, stale_after_s)}"
    if stale_after_s is None:
        return f"idle for {_days(idle_s)}; stale age is off{whose}, it goes only when its space is needed"
    if rule is Rule.STALE:
        return f"idle for {_days(idle_s)}, longer than {_days(stale_after_s)}{whose}"
    return f"idle for {_days(idle_s)}; goes in {_days(stale_after_s - idle_s)}{whose} if nobody uses it"


def _released(replica: Replica, now: float, stale_after_s: float | None = None) -> str:
    """When one whose version is retired goes at the latest."""
    left_s = replica.release_at - now
    if stale_after_s is not None:
        left_s = min(left_s, stale_after_s - (now - replica.last_used_at))
    return f"its version is retired: it goes in {_days(left_s)}"


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
