"""What rules have filled, kept and let go, pure: facts in, a round out. Words: `wire.rules`; states: docs/rules.md.

Invariants: what a rule keeps at a place is not let go before the version that it wants there now is ready there, unless
the rule has ended or may not keep it, or it is retired; and what one rule, dataset or site lacks holds up no other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from forebay.errors import InputError
from forebay.sites.labels import Expression, parse_expression, unmet
from forebay.sites.tasks import LONGEST_BACKOFF_S, RULES
from forebay.wire.cache import ReplicaState
from forebay.wire.rules import ALL_DATASETS, USED_LAST, PlaceState, Rule, RulePlace
from forebay.wire.sites import SiteState, Task, TaskState

_TOLD_SITES = 3

Key = tuple[str, str, str]
"""A rule, a site and a dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a rule wants of one dataset now: `ref`, or nothing, and then `reason` says why, and `unblock` until when.

    `barred` says why it may keep nothing of it at all. `sites` are those where its bytes may be (None: anywhere),
    `used_last` those that last used the version before.
    """

    dataset: str
    ref: str = ""
    reason: str = ""
    unblock: str = ""
    barred: str = ""
    sites: frozenset[str] | None = None
    used_last: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """A rule that has not ended."""

    rule_id: str
    expression: Expression
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A site, as rules see it."""

    site: str
    volume_id: str
    labels: Mapping[str, str]
    state: SiteState = SiteState.UP
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How a version is at a site. `task` is its fill that is wanted, `failed` the last one that could not work."""

    state: ReplicaState = ReplicaState.ABSENT
    reason: str = ""
    retired: bool = False
    task: Task | None = None
    failed: Task | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A rule keeps a version on a volume, from before it is there."""

    rule_id: str
    volume_id: str
    dataset: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that decides. `found` is by site and ref; `tasks` are the fills that only rules want."""

    now: float
    rules: tuple[Keeping, ...]
    spots: tuple[Spot, ...]
    found: Mapping[tuple[str, str], Found] = field(default_factory=dict)
    holds: frozenset[Hold] = frozenset()
    places: Mapping[Key, RulePlace] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskFill:
    """Have a version brought to a site."""

    site: str
    ref: str
    rule_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What comes of a round. `unwanted` are fills that no rule wants any more."""

    fills: tuple[AskFill, ...]
    held: frozenset[Hold]
    released: frozenset[Hold]
    unwanted: tuple[Task, ...]
    places: Mapping[Key, RulePlace]

    def changes(self, facts: Facts) -> bool:
        """Whether anything is to be written."""
        return bool(self.fills or self.held or self.released or self.unwanted) or dict(facts.places) != self.places


def told(ref: str, *, newest: bool, at: str, owner: str) -> str:
    """What a rule is, in a few words."""
    what = f"the newest of {ref}" if newest else ref
    return f"{what} at {at or 'every site'}, by {owner}"


def begun_by(rules: Iterable[Rule], rule_id: str) -> Rule | None:
    """The rule of an id, or of a unique beginning of one; InputError `ambiguous-rule`."""
    found = [rule for rule in rules if rule_id and rule.rule_id.startswith(rule_id)]
    found = [rule for rule in found if rule.rule_id == rule_id] or found
    if len(found) > 1:
        told = f"Several rules have an id that begins with {rule_id}."
        raise InputError("ambiguous-rule", told, todo="Give more of it.")
    return found[0] if found else None


def placeless(rule: Rule, sites: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Why a rule has no place, and what would give it one. `sites` are those there are, with all their labels."""
    if rule.ended:
        return "its time is over", "it is made anew: forebay rule add"
    if not sites:
        return "there is no site", "an agent attaches: forebay agent --site NAME"
    plain = tuple(item for item in parse_expression(rule.at) if item.key != USED_LAST)
    short = [(name, unmet(plain, labels)) for name, labels in sorted(sites.items())]
    if all(missing for _, missing in short):
        has = [f"{name} {missing[0].shortfall(sites[name])}" for name, missing in short[:_TOLD_SITES]]
        has += [f"{len(short) - _TOLD_SITES} more do not either"] if len(short) > _TOLD_SITES else []
        return f"no site matches: {'; '.join(has)}", "a site gets such labels: forebay agent --labels"
    if rule.ref.startswith(f"{ALL_DATASETS}@"):
        return f"no dataset has the tag {rule.ref.partition('@')[2]!r}", "a dataset gets the tag"
    if len(plain) < len(parse_expression(rule.at)):
        return "no site that matches has used it last", "it is used at a site that matches"
    return "nobody has looked at it yet", "the hub's next pass"


def go_round(facts: Facts) -> Round:
    """One round over all rules."""
    work = _Work(facts)
    for rule in facts.rules:
        for wanted in rule.wanted:
            for spot in _matching(facts.spots, rule.expression, wanted):
                work.look(rule.rule_id, wanted, spot)
    return work.done()


def _matching(spots: Collection[Spot], expression: Expression, wanted: Wanted) -> Iterator[Spot]:
    """The sites that a rule speaks of, for one dataset."""
    for spot in spots:
        used = {USED_LAST: "true"} if spot.site in wanted.used_last else {}
        if not unmet(expression, {**spot.labels, **used}):
            yield spot


class _Work:
    """One round: what stays held, what is to be filled, how each place stands."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._held_before: dict[tuple[str, str, str], list[Hold]] = {}
        for hold in sorted(facts.holds, key=lambda item: item.ref):
            self._held_before.setdefault((hold.rule_id, hold.volume_id, hold.dataset), []).append(hold)
        self._stays: set[Hold] = set()
        self._wanted: set[tuple[str, str]] = set()
        self._fills: dict[tuple[str, str], AskFill] = {}
        self._places: dict[Key, RulePlace] = {}

    def look(self, rule_id: str, wanted: Wanted, spot: Spot) -> None:
        """At one place."""
        key = rule_id, spot.site, wanted.dataset
        place = _nowhere(wanted, spot)
        if place is not None:
            self._places[key] = self._since(key, place)
            return
        keeps = self._keep(rule_id, wanted, spot)
        self._places[key] = self._since(key, replace(self._stand(rule_id, wanted, spot), keeps=keeps))

    def done(self) -> Round:
        facts, stays = self._facts, frozenset(self._stays)
        unwanted = [task for task in facts.tasks if (task.site, task.ref) not in self._wanted]
        return Round(
            fills=tuple(self._fills.values()),
            held=stays - facts.holds,
            released=facts.holds - stays,
            unwanted=tuple(task for task in unwanted if task.asked_by.startswith(RULES)),
            places=self._places,
        )

    def _keep(self, rule_id: str, wanted: Wanted, spot: Spot) -> tuple[str, ...]:
        """Hold what is wanted; and what was, as long as that is not there. The refs of the latter."""
        if wanted.ref:
            hold = Hold(rule_id=rule_id, volume_id=spot.volume_id, dataset=wanted.dataset, ref=wanted.ref)
            self._stays.add(hold)
            self._wanted.add((spot.site, wanted.ref))
            if self._found(spot, wanted.ref).state is ReplicaState.READY:
                return ()
        before = self._held_before.get((rule_id, spot.volume_id, wanted.dataset), ())
        older = [item for item in before if item.ref != wanted.ref]
        found = {item: self._found(spot, item.ref) for item in older}
        kept = [item for item in older if found[item].state is ReplicaState.READY and not found[item].retired]
        self._stays.update(kept)
        return tuple(item.ref for item in kept)

    def _stand(self, rule_id: str, wanted: Wanted, spot: Spot) -> RulePlace:
        found = self._found(spot, wanted.ref)
        task = found.task
        if not wanted.ref:
            return _place(wanted, spot, PlaceState.WAITING, wanted.reason, unblock=wanted.unblock)
        if found.state is ReplicaState.READY:
            return _place(wanted, spot, PlaceState.SATISFIED, found.reason or "it is ready there")
        if task is not None:
            return _filling(wanted, spot, task)
        blocked = _blocked(wanted, spot, found, self._facts.now)
        if blocked is not None:
            return blocked
        self._fills.setdefault((spot.site, wanted.ref), AskFill(site=spot.site, ref=wanted.ref, rule_id=rule_id))
        return _place(wanted, spot, PlaceState.FILLING, "its fill has been asked for", unblock="its fill ends")

    def _found(self, spot: Spot, ref: str) -> Found:
        return self._facts.found.get((spot.site, ref), _ABSENT)

    def _since(self, key: Key, place: RulePlace) -> RulePlace:
        """Trouble that comes and goes while a version is wanted is the same trouble."""
        before = self._facts.places.get(key)
        satisfied = place.state is PlaceState.SATISFIED
        same = before is not None and before.ref == place.ref and (before.state is PlaceState.SATISFIED) == satisfied
        return replace(place, since=before.since if before is not None and same else self._facts.now)


_ABSENT = Found()


def _nowhere(wanted: Wanted, spot: Spot) -> RulePlace | None:
    """Where the rule may keep nothing, that."""
    if wanted.barred:
        return _place(replace(wanted, ref=""), spot, PlaceState.WAITING, wanted.barred, unblock=wanted.unblock)
    if wanted.sites is not None and spot.site not in wanted.sites:
        reason = f"{wanted.dataset} may never be at {spot.site}"
        unblock = "who governs it adds the site to its policy"
        return _place(replace(wanted, ref=""), spot, PlaceState.WAITING, reason, unblock=unblock)
    return None


def _blocked(wanted: Wanted, spot: Spot, found: Found, now: float) -> RulePlace | None:
    """Why no fill can be asked for now."""
    if spot.state is not SiteState.UP:
        reason = f"{spot.site} is {spot.state}: {spot.reason}"
        return _place(wanted, spot, PlaceState.WAITING, reason, unblock=f"{spot.site} is up again")
    if found.state is ReplicaState.EVICTING:
        reason = f"it is being evicted there: {found.reason}"
        return _place(wanted, spot, PlaceState.WAITING, reason, unblock="that ends; then it is filled again")
    failed = found.failed
    if failed is not None and now < failed.since + LONGEST_BACKOFF_S:
        place = _place(wanted, spot, PlaceState.WAITING, f"it can't be filled: {failed.reason}", unblock=failed.unblock)
        next_try_at = failed.since + LONGEST_BACKOFF_S
        return replace(
            place, attempts=failed.attempts, last_error=failed.last_error or failed.reason, next_try_at=next_try_at
        )
    return None


def _filling(wanted: Wanted, spot: Spot, task: Task) -> RulePlace:
    """As the fill says."""
    waits = task.state is TaskState.WAITING
    place = _place(wanted, spot, PlaceState.WAITING if waits else PlaceState.FILLING, task.reason, unblock=task.unblock)
    return replace(place, attempts=task.attempts, next_try_at=task.next_try_at, last_error=task.last_error)


def _place(wanted: Wanted, spot: Spot, state: PlaceState, reason: str, *, unblock: str = "") -> RulePlace:
    return RulePlace(
        site=spot.site, dataset=wanted.dataset, ref=wanted.ref, state=state, reason=reason, since=0.0, unblock=unblock
    )
