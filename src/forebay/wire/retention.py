"""Retention: which old versions of a dataset go by themselves, and why each of the others stays.

A version that is *retired* is no longer opened, filled, tagged or run on, until it is restored. Its record, its
manifest, its lineage and its files in the lake stay; its replicas go from `release_at` on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from forebay.wire.catalog import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """What is kept: the newest `keep_last`, and what was made or used within `keep_days`. None and None keep all."""

    dataset: str
    keep_last: int | None = None
    keep_days: float | None = None
    set_by: str = ""
    set_at: float = 0.0

    @property
    def keeps_all(self) -> bool:
        return self.keep_last is None and self.keep_days is None


class Keep(StrEnum):
    """Why a version stays, or NOTHING where it is retired. The first ones hold whatever the policy says."""

    TAGGED = "tagged"
    IN_USE = "in-use"
    PINNED = "pinned"
    RULE = "rule"
    FILLING = "filling"
    RUN = "run"
    TASK = "task"
    LINEAGE = "lineage"
    ALL = "all"
    LAST = "last"
    YOUNG = "young"
    USED = "used"
    RESTORED = "restored"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionFate:
    """What becomes of one version that is not retired yet."""

    ref: str
    number: int
    keep: Keep
    reason: str
    size_bytes: int
    created_at: float

    @property
    def retires(self) -> bool:
        return self.keep is Keep.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPlan:
    """Every version of a dataset that is not retired yet, newest first, under a policy.

    `replica_bytes` is what the replicas of those that go hold on all volumes; what they share with others stays there.
    `waits` says why nothing goes without being asked for, "" where it does.
    """

    policy: RetentionPolicy
    fates: tuple[VersionFate, ...]
    replica_bytes: int = 0
    waits: str = ""

    @property
    def retiring(self) -> tuple[VersionFate, ...]:
        return tuple(fate for fate in self.fates if fate.retires)


class Retention(Protocol):
    """Old versions, retired by policy or by hand, and brought back."""

    def policy(self, dataset: str) -> RetentionPolicy:
        """What is set for a dataset: keep all, where nothing was set."""

    def set_policy(self, policy: RetentionPolicy, by: str = "") -> RetentionPolicy:
        """Declare what is kept from now on; retires nothing yet. InputError `bad-retention`."""

    def plan(self, dataset: str, proposed: RetentionPolicy | None = None) -> RetentionPlan:
        """What the policy, or one that is only proposed, means now; changes nothing."""

    def apply(self, dataset: str, by: str = "") -> RetentionPlan:
        """Retire now what the policy does not keep, however much that is; the plan that was carried out."""

    def retire(self, dataset: str, number: int, reason: str, by: str = "") -> Version:
        """Retire one version. ConflictError `version-held` while something uses or names it. Idempotent."""

    def restore(self, dataset: str, number: int, by: str = "") -> Version:
        """Take that back. Idempotent."""
