"""What goes, chosen the plain way: everything is counted anew before each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forebay.cache.machine import HOLD_SECONDS, is_held
from forebay.cache.policy import Candidate, Policy, Rule, TeamQuota, score
from forebay.wire.cache import ReplicaState
from tests.unit.cache.contents import Contents, held_alone


@dataclass(slots=True, kw_only=True)
class PlainChoice:
    """`going` has what goes, in order, each with its rule and the bytes that come free with it."""

    candidates: Sequence[Candidate]
    holders: Mapping[str, Contents]
    policy: Policy
    now: float
    going: dict[str, tuple[Rule, int]]

    def choose(self, target_bytes: int, quotas: Sequence[tuple[TeamQuota, Mapping[str, Contents]]] = ()) -> None:
        everyone = self.holders
        rules = {item.replica.ref: self.rule(item) for item in self.candidates}
        due = [item for item in self._by_score() if rules[item.replica.ref] in _DUE]
        for item in sorted(due, key=lambda item: not self._frees(everyone, item)):
            self._take(item, rules[item.replica.ref])
        kept = [item for item in self.candidates if rules[item.replica.ref] is Rule.KEPT]
        for quota, within in quotas:
            own = [item for item in kept if item.replica.team == quota.quota.team]
            over = max(held_alone(within, within) - quota.quota.limit_bytes, quota.missing_bytes)
            self._drain(within, own, over, Rule.QUOTA)
        self._drain(everyone, kept, target_bytes, Rule.SPACE)

    def _drain(self, within: Mapping[str, Contents], kept: Sequence[Candidate], target: int, rule: Rule) -> None:
        kept = [item for item in kept if item.replica.ref not in self.going]
        asleep = [item for item in kept if not self._frees(within, item)]
        together: list[Candidate] | None = None
        while held_alone(within, self.going) < target:
            here = [item for item in kept if item.replica.ref not in self.going]
            ready = [item for item in here if self._frees(within, item)]
            if ready:
                # Of one worth, those go first that held nothing alone in the beginning.
                chosen = min(ready, key=lambda item: (self._score(item), item not in asleep))
            else:
                together = self._together(within, here) if together is None else together
                together = [item for item in together if item.replica.ref not in self.going]
                if not together:
                    return
                chosen = together[0]
            self._take(chosen, rule)

    def _together(self, within: Mapping[str, Contents], here: Sequence[Candidate]) -> list[Candidate]:
        """Those of them that hold something which nobody else who is left holds, the least worth first."""
        mine = {item.replica.ref for item in here}
        others = {name for ref, item in within.items() if ref not in self.going and ref not in mine for name in item}
        return [item for item in self._by_score() if item in here and within[item.replica.ref].keys() - others]

    def _take(self, item: Candidate, rule: Rule) -> None:
        self.going[item.replica.ref] = rule, self._frees(self.holders, item)

    def _frees(self, within: Mapping[str, Contents], item: Candidate) -> int:
        """With all of those that have gone."""
        return held_alone(within, [*self.going, item.replica.ref]) - held_alone(within, self.going)

    def _by_score(self) -> list[Candidate]:
        return sorted(self.candidates, key=self._score)

    def _score(self, item: Candidate) -> float:
        return score(item, self.policy, self.now)

    def rule(self, item: Candidate) -> Rule:
        """What holds for one, whatever the others do."""
        replica = item.replica
        held_until = replica.since + HOLD_SECONDS
        if replica.state is ReplicaState.EVICTING and not is_held(held_until, self.now, HOLD_SECONDS):
            return Rule.INTERRUPTED
        if replica.state not in (ReplicaState.READY, ReplicaState.DAMAGED):
            return Rule.BUSY
        if replica.leases:
            return Rule.IN_USE
        if replica.pinned_by:
            return Rule.PINNED
        if replica.state is ReplicaState.DAMAGED:
            return Rule.DAMAGED
        if replica.release_at and self.now >= replica.release_at:
            return Rule.RETIRED
        if abs(self.now - replica.since) < self.policy.grace_s:
            return Rule.GRACE
        stale_after_s = self.policy.stale_after_s if replica.stale_after_s is None else replica.stale_after_s or None
        stale = stale_after_s is not None and self.now - replica.last_used_at > stale_after_s
        return Rule.STALE if stale else Rule.KEPT


_DUE = (Rule.RETIRED, Rule.STALE, Rule.DAMAGED, Rule.INTERRUPTED)
