"""Rules, made and ended: `wire.rules.Rules` on the database. What comes of them, `hub.rule_rounds` does."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, Engine

from forebay.catalog.engine import reading, writing
from forebay.catalog.names import DigestRef, LatestRef, NumberRef, Ref, TagRef, parse_ref
from forebay.catalog.records import find_version
from forebay.catalog.retired import hold_refs
from forebay.clock import Clock
from forebay.errors import InputError
from forebay.hub import rule_rows, site_rows
from forebay.hub.rule_facts import parse_rule_ref
from forebay.runs.request import SITE
from forebay.sites.labels import parse_expression, parse_labels
from forebay.wire.access import Role
from forebay.wire.catalog import ref_of
from forebay.wire.rules import ALL_DATASETS, USED_LAST, NewRule, Rule

_LONGEST = 1000


class RuleStore:
    """Implements `wire.rules.Rules`. `poke` is told when there is something to do."""

    def __init__(self, engine: Engine, clock: Clock, poke: Callable[[], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._poke = poke

    def all(self) -> list[Rule]:
        with reading(self._engine) as connection:
            return rule_rows.every(connection, self._clock.now())

    def get(self, rule_id: str) -> Rule:
        with reading(self._engine) as connection:
            return rule_rows.find(connection, rule_id, self._clock.now())

    def add(self, new: NewRule) -> Rule:
        now = self._clock.now()
        _check(new, now)
        rule_id = uuid.uuid4().hex[-12:]
        with writing(self._engine) as connection:
            checked = _exact(connection, new)
            _check_labels(connection, new.at)
            rule_rows.insert(connection, rule_id, checked, now)
        self._poke()
        return self.get(rule_id)

    def remove(self, rule_id: str) -> Rule:
        with writing(self._engine) as connection:
            removed = rule_rows.find(connection, rule_id, self._clock.now())
            rule_rows.remove(connection, rule_id)
        self._poke()
        return removed


def _check(new: NewRule, now: float) -> None:
    if len(new.ref) > 200 or len(new.at) > _LONGEST or len(new.message) > _LONGEST:
        raise _bad("it is too long", "Shorten it.")
    if not math.isfinite(new.until) or new.until < 0 or 0 < new.until <= now:
        raise _bad("its time would be over already", "Name a moment to come.")
    if new.role not in ("", *Role):
        raise _bad(f"{new.role[:20]!r} is no role", f"Leave it out, or write one of {', '.join(Role)}.")


def _exact(connection: Connection, new: NewRule) -> NewRule:
    """With the reference as it is kept. What it names must be there now; of `*@daily` nothing need be."""
    if new.ref.partition("@")[0] == ALL_DATASETS:
        parse_rule_ref(new.ref if "@" in new.ref else f"{ALL_DATASETS}@")
        return new
    ref = parse_ref(new.ref)
    version = find_version(connection, ref)
    hold_refs(connection, [version.ref])
    if isinstance(ref, NumberRef | DigestRef) and new.newest:
        raise _bad(f"{version.ref} is one version and always will be", f"For every new version: {version.dataset}")
    if isinstance(ref, DigestRef):
        ref = NumberRef(dataset=version.dataset, number=version.number, subset=version.subset)
    return replace(new, ref=_text(ref), newest=new.newest or isinstance(ref, LatestRef))


def _text(ref: Ref) -> str:
    subset = f"[{ref.subset}]" if ref.subset else ""
    match ref:
        case NumberRef():
            return ref_of(ref.dataset, ref.number, ref.subset)
        case TagRef():
            return f"{ref.dataset}@{ref.tag}{subset}"
        case _:
            return f"{ref.dataset}{subset}"


def _check_labels(connection: Connection, at: str) -> None:
    """InputError `bad-labels`, also for a label that no site has, where there are sites."""
    sites = site_rows.every(connection)
    known = {name for row in sites for name in parse_labels(row["labels"])}
    parse_expression(at, {*known, SITE, USED_LAST} if sites else ())


def _bad(what: str, todo: str) -> InputError:
    return InputError("bad-rule", f"This can be no rule: {what}.", todo=todo)
