"""Rules: versions, or whatever a tag names, that are kept at the sites which match an expression, until a date.

Values only. A rule speaks of a *place*: one dataset at one site. There it wants one version at a time, and keeps the
one before until that is ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

ALL_DATASETS = "*"
"""`*@daily` speaks of every dataset that has the tag."""

USED_LAST = "used-last"
"""The label that a site has where a dataset's version before the wanted one was last used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """`ref` is `criteo@v3`, `criteo@prod`, `criteo` (always the newest version) or `*@daily` (of every dataset with
    that tag). With `newest` the tag only says of which datasets, and the newest version of each is kept.

    `at` is an expression on labels ("" for every site), `until` a moment (0: for ever). `owner` and `role` are whose it
    is and what they may at most: a guarded hub puts in who asks. Without a `role` it is the hub's own.
    """

    ref: str
    newest: bool = False
    at: str = ""
    until: float = 0.0
    message: str = ""
    owner: str = ""
    role: str = ""


class PlaceState(StrEnum):
    """`satisfied`: the version is ready there, and kept. `waiting` for its fill to begin, or to be tried again."""

    SATISFIED = "satisfied"
    FILLING = "filling"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePlace:
    """How a rule stands with one dataset at one site. `ref` is what it wants there now ("" where that is nothing).

    `since` it has wanted that version there, or has had it. `keeps` are older ones that it keeps until then.
    """

    site: str
    dataset: str
    ref: str
    state: PlaceState
    reason: str
    since: float
    attempts: int = 0
    next_try_at: float = 0.0
    last_error: str = ""
    unblock: str = ""
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule with how it stands at its places. `ended` once its time is over: it keeps nothing any more."""

    rule_id: str
    ref: str
    newest: bool
    at: str
    until: float
    message: str
    owner: str
    made_at: float
    ended: bool
    places: tuple[RulePlace, ...] = ()

    @property
    def dataset(self) -> str:
        """The dataset's name, or `*`."""
        return self.ref.partition("@")[0].partition("[")[0]


class Rules(Protocol):
    """What is kept where, and until when."""

    def all(self) -> list[Rule]:
        """All rules, the oldest first."""

    def get(self, rule_id: str) -> Rule:
        """One rule; NotFoundError `rule-not-found`."""

    def add(self, new: NewRule) -> Rule:
        """Keep something from now on.

        InputError `bad-rule`, `bad-ref`, `bad-labels`; NotFoundError for a dataset, version or tag that is not there.
        """

    def remove(self, rule_id: str) -> Rule:
        """The rule keeps nothing any more; what it was. NotFoundError `rule-not-found`."""
