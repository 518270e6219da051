"""Rules for one principal: made in their own name, shown to who may know of the dataset, ended by who made them.

An engineer may end others' as well. Of a rule on all datasets each sees how it stands with those that they may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forebay.errors import NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.jobs import OTHERS_FIRST, dataset_of, hidden_names, without
from forebay.hub.access.rules import (
    ALLOWED,
    HIDDEN,
    UNKNOWN,
    Action,
    Agent,
    Data,
    Person,
    Subject,
    Verdict,
    Whole,
    decide,
)
from forebay.hub.access.trail import Deed
from forebay.hub.rule_rows import no_rule
from forebay.wire.rules import ALL_DATASETS, NewRule, Rule, RulePlace, Rules


class GuardedRules:
    """Implements `wire.rules.Rules`."""

    def __init__(self, rules: Rules, gate: Gate) -> None:
        self._rules = rules
        self._gate = gate

    def all(self) -> list[Rule]:
        return self._shown(self._rules.all())

    def get(self, rule_id: str) -> Rule:
        return self._require("rules.get", Action.READ, rule_id)

    def add(self, new: NewRule) -> Rule:
        who = self._gate.principal
        dataset, told = dataset_of(new.ref), f"at {new.at or 'every site'} {new.message}".rstrip()
        if dataset == ALL_DATASETS:
            self._gate.on_whole("rules.add", Action.KEEP, detail=f"{new.ref} {told}")
        else:
            name = dataset.partition("[")[0]
            self._gate.on_dataset("rules.add", Action.KEEP, name, ref=new.ref, detail=told)
        role = who.role.value if isinstance(who, Person) else ""
        return self._told([self._rules.add(replace(new, owner=who.name, role=role))])[0]

    def remove(self, rule_id: str) -> Rule:
        rule = self._require("rules.remove", Action.EVICT, rule_id)
        return self._told([replace(self._rules.remove(rule.rule_id), places=rule.places)])[0]

    def _require(self, call: str, action: Action, rule_id: str) -> Rule:
        """The rule, where this one may do that with it; NotFoundError `rule-not-found` where it is hidden."""
        try:
            rule = self._rules.get(rule_id)
        except NotFoundError:
            self._gate.refuse(_deed(action, call, rule_id), UNKNOWN, lambda: no_rule(rule_id))
        deed = _deed(action, call, rule_id, rule)
        subject = self._subject(rule)
        if not self._shown([rule]) or subject is None:
            self._gate.refuse(deed, HIDDEN, lambda: no_rule(rule_id))
        verdict = self._verdict(action, rule, subject)
        if not verdict.allowed:
            self._gate.refuse(deed, verdict, lambda: no_rule(rule_id))
        if action is not Action.READ:
            self._gate.record(deed)
        return self._shown([rule])[0]

    def _verdict(self, action: Action, rule: Rule, subject: Subject) -> Verdict:
        """What one may see, one may look at; and one's own, end."""
        who = self._gate.principal
        if action is Action.READ:
            return ALLOWED
        if isinstance(who, Agent):
            return Verdict(allowed=False, reason="a site's agent may not end a rule")
        if rule.owner == who.name:
            return decide(who, Action.KEEP if isinstance(subject, Whole) else Action.READ, subject)
        return decide(who, action, subject)

    def _subject(self, rule: Rule) -> Data | Whole | None:
        if rule.dataset == ALL_DATASETS:
            return Whole()
        return self._gate.access.subjects.data(rule.dataset, self._gate.principal)

    def _shown(self, rules: Sequence[Rule]) -> list[Rule]:
        """Without those on hidden datasets; of the others without what is hidden."""
        if self._gate.sees_all:
            return list(rules)
        visible = self._gate.visible_past()
        return self._told([item for item in rules if item.dataset in (ALL_DATASETS, *visible)])

    def _told(self, rules: Sequence[Rule]) -> list[Rule]:
        if self._gate.sees_all:
            return list(rules)
        visible = self._gate.visible_past()
        hidden = hidden_names(self._gate, (text for rule in rules for item in rule.places for text in _texts(item)))
        return [
            replace(
                rule,
                places=tuple(
                    _without(item, hidden) for item in rule.places if item.dataset in visible and self._is_near(item)
                ),
            )
            for rule in rules
        ]

    def _is_near(self, place: RulePlace) -> bool:
        """An agent sees its own site alone."""
        who = self._gate.principal
        return not isinstance(who, Agent) or place.site == who.site


def _without(place: RulePlace, hidden: set[str]) -> RulePlace:
    return replace(
        place,
        reason=without(place.reason, hidden, OTHERS_FIRST),
        last_error=without(place.last_error, hidden),
        unblock=without(place.unblock, hidden),
    )


def _texts(place: RulePlace) -> tuple[str, ...]:
    return place.reason, place.last_error, place.unblock


def _deed(action: Action, call: str, rule_id: str, rule: Rule | None = None) -> Deed:
    if rule is None:
        return Deed(action=action.value, call=call, detail=f"rule {rule_id}")
    dataset = "" if rule.dataset == ALL_DATASETS else rule.dataset
    return Deed(
        action=action.value,
        call=call,
        dataset=dataset,
        ref=rule.ref if dataset else "",
        detail=f"rule {rule_id} of {rule.owner}: {rule.ref} at {rule.at or 'every site'}",
    )
