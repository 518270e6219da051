"""Retention for one principal: to see it is to read the dataset, to retire and to bring back is to remove.

Why a version stays names nothing of other datasets, so plans need no cutting: that it stays can't be hidden
(docs/retention.md).
"""

from __future__ import annotations

from collections.abc import Callable

from forebay.hub.access.gate import Gate
from forebay.hub.access.rules import Action
from forebay.wire.catalog import Version, ref_of
from forebay.wire.retention import Retention, RetentionPlan, RetentionPolicy

Shown = Callable[[list[Version]], list[Version]]


class GuardedRetention:
    """Implements `wire.retention.Retention`. `shown` takes hidden parents out of versions."""

    def __init__(self, retention: Retention, shown: Shown, gate: Gate) -> None:
        self._retention = retention
        self._shown = shown
        self._gate = gate

    def policy(self, dataset: str) -> RetentionPolicy:
        self._gate.on_dataset("retention.policy", Action.READ, dataset)
        return self._retention.policy(dataset)

    def set_policy(self, policy: RetentionPolicy, by: str = "") -> RetentionPolicy:
        told = f"keep last {policy.keep_last}, days {policy.keep_days}"
        self._gate.on_dataset("retention.set_policy", Action.REMOVE, policy.dataset, detail=told)
        return self._retention.set_policy(policy, self._gate.principal.name)

    def plan(self, dataset: str, proposed: RetentionPolicy | None = None) -> RetentionPlan:
        self._gate.on_dataset("retention.plan", Action.READ, dataset)
        return self._retention.plan(dataset, proposed)

    def apply(self, dataset: str, by: str = "") -> RetentionPlan:
        self._gate.on_dataset("retention.apply", Action.REMOVE, dataset)
        return self._retention.apply(dataset, self._gate.principal.name)

    def retire(self, dataset: str, number: int, reason: str, by: str = "") -> Version:
        ref = ref_of(dataset, number)
        self._gate.on_dataset("retention.retire", Action.REMOVE, dataset, ref=ref, detail=reason)
        return self._shown([self._retention.retire(dataset, number, reason, self._gate.principal.name)])[0]

    def restore(self, dataset: str, number: int, by: str = "") -> Version:
        self._gate.on_dataset("retention.restore", Action.REMOVE, dataset, ref=ref_of(dataset, number))
        return self._shown([self._retention.restore(dataset, number, self._gate.principal.name)])[0]
