"""Rounds over rules: nothing is let go too soon, and nothing holds up others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.errors import InputError
from forebay.sites.labels import parse_expression
from forebay.sites.rules import (
    AskFill,
    Facts,
    Found,
    Hold,
    Keeping,
    Round,
    Spot,
    Wanted,
    begun_by,
    go_round,
    placeless,
    told,
)
from forebay.sites.tasks import LONGEST_BACKOFF_S
from forebay.wire.cache import ReplicaState
from forebay.wire.rules import PlaceState, Rule, RulePlace
from forebay.wire.sites import SiteState, Task, TaskKind, TaskState

NOW = 1_800_000_000.0
SITES = ("dgx", "aks")
RULES = ("r1", "r2", "r3")
VERSIONS = ("clicks@v1", "clicks@v2", "clicks@v3")

DGX = Spot(site="dgx", volume_id="volume-of-dgx", labels={"gpu": "8", "site": "dgx"})
AKS = Spot(site="aks", volume_id="volume-of-aks", labels={"gpu": "1", "site": "aks"})
READY = Found(state=ReplicaState.READY, reason="moved 3 GiB")


def keeping(rule_id: str = "r1", at: str = "gpu>=4", ref: str = "clicks@v1", **more: Any) -> Keeping:
    wanted = Wanted(dataset="clicks", ref=ref, **more)
    return Keeping(rule_id=rule_id, expression=parse_expression(at), wanted=(wanted,))


def facts(*rules: Keeping, **more: object) -> Facts:
    return replace(Facts(now=NOW, rules=rules, spots=(DGX, AKS)), **more)  # type: ignore[arg-type]


def hold(ref: str, rule_id: str = "r1", site: str = "dgx") -> Hold:
    return Hold(rule_id=rule_id, volume_id=f"volume-of-{site}", dataset="clicks", ref=ref)


def fill_task(state: TaskState, ref: str = "clicks@v1", **more: object) -> Task:
    facts = {"token": 1, "reason": "it says so", "since": NOW, "asked_by": "rule r1", "unblock": "it ends", **more}
    return Task(task_id=f"t-{ref}", site="dgx", kind=TaskKind.FILL, ref=ref, state=state, **facts)  # type: ignore[arg-type]


def place_of(done: Round, rule_id: str = "r1", site: str = "dgx") -> RulePlace:
    return done.places[rule_id, site, "clicks"]


def test_what_is_wanted_is_held_and_asked_for_at_the_sites_that_match() -> None:
    done = go_round(facts(keeping()))
    assert done.fills == (AskFill(site="dgx", ref="clicks@v1", rule_id="r1"),)
    assert done.held == {hold("clicks@v1")}
    assert list(done.places) == [("r1", "dgx", "clicks")]
    assert place_of(done).since == NOW


def test_two_rules_that_want_the_same_ask_once_and_both_hold() -> None:
    done = go_round(facts(keeping("r1"), keeping("r2", at="")))
    assert [(item.site, item.rule_id) for item in done.fills] == [("dgx", "r1"), ("aks", "r2")]
    assert done.held == {hold("clicks@v1"), hold("clicks@v1", "r2"), hold("clicks@v1", "r2", "aks")}


def test_the_old_version_stays_until_the_new_one_is_ready() -> None:
    found = {("dgx", "clicks@v1"): READY, ("dgx", "clicks@v2"): Found(state=ReplicaState.FILLING)}
    moved = facts(keeping(ref="clicks@v2"), found=found, holds=frozenset({hold("clicks@v1"), hold("clicks@v2")}))
    done = go_round(moved)
    assert done.released == frozenset()
    assert place_of(done).keeps == ("clicks@v1",)
    done = go_round(replace(moved, found={**found, ("dgx", "clicks@v2"): READY}))
    assert done.released == {hold("clicks@v1")}
    assert place_of(done).state is PlaceState.SATISFIED


def test_what_never_came_is_not_kept_when_something_newer_is_wanted() -> None:
    superseded = fill_task(TaskState.UNDER_WAY, "clicks@v2")
    found = {("dgx", "clicks@v1"): READY, ("dgx", "clicks@v2"): Found(state=ReplicaState.FILLING, task=superseded)}
    holds = frozenset({hold("clicks@v1"), hold("clicks@v2")})
    done = go_round(facts(keeping(ref="clicks@v3"), found=found, holds=holds, tasks=(superseded,)))
    assert done.released == {hold("clicks@v2")}
    assert done.unwanted == (superseded,)
    assert place_of(done).keeps == ("clicks@v1",)


def test_a_rule_that_ended_or_left_a_site_lets_go_at_once() -> None:
    found, holds = {("dgx", "clicks@v1"): READY}, frozenset({hold("clicks@v1")})
    assert go_round(facts(found=found, holds=holds)).released == holds
    assert go_round(facts(keeping(at="gpu>=16"), found=found, holds=holds)).released == holds


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            {"barred": "its owner ana may not keep clicks any more", "unblock": "she may"},
            "its owner ana may not keep clicks any more",
        ),
        ({"sites": frozenset({"aks"})}, "clicks may never be at dgx"),
    ],
)
def test_what_may_not_be_kept_is_let_go_at_once(more: dict[str, Any], reason: str) -> None:
    found, holds = {("dgx", "clicks@v1"): READY}, frozenset({hold("clicks@v1")})
    done = go_round(facts(keeping(**more), found=found, holds=holds))
    assert (done.fills, done.released) == ((), holds)
    place = place_of(done)
    assert (place.ref, place.state, place.reason) == ("", PlaceState.WAITING, reason)
    assert place.unblock


def test_where_nothing_is_named_any_more_what_is_there_stays() -> None:
    found, holds = {("dgx", "clicks@v1"): READY}, frozenset({hold("clicks@v1")})
    done = go_round(facts(keeping(ref="", reason="no tag", unblock="it is set"), found=found, holds=holds))
    assert (done.fills, done.released) == ((), frozenset())
    assert place_of(done) == RulePlace(
        site="dgx",
        dataset="clicks",
        ref="",
        state=PlaceState.WAITING,
        reason="no tag",
        since=NOW,
        unblock="it is set",
        keeps=("clicks@v1",),
    )


@pytest.mark.parametrize(
    ("found", "spot", "reason"),
    [
        (Found(), replace(DGX, state=SiteState.DOWN, reason="its agent is silent"), "dgx is down: its agent is silent"),
        (Found(state=ReplicaState.EVICTING, reason="stale"), DGX, "it is being evicted there: stale"),
        (Found(failed=fill_task(TaskState.FAILED)), DGX, "it can't be filled: it says so"),
    ],
)
def test_what_can_not_be_filled_now_waits_and_is_held_all_the_same(found: Found, spot: Spot, reason: str) -> None:
    done = go_round(facts(keeping(), spots=(spot,), found={("dgx", "clicks@v1"): found}))
    assert done.fills == ()
    assert (place_of(done).state, place_of(done).reason) == (PlaceState.WAITING, reason)
    assert done.held == {hold("clicks@v1")}


def test_a_fill_that_failed_for_good_is_tried_again_after_the_longest_wait() -> None:
    found = {("dgx", "clicks@v1"): Found(failed=fill_task(TaskState.FAILED, last_error="no such bucket"))}
    done = go_round(facts(keeping(), found=found))
    assert place_of(done).next_try_at == NOW + LONGEST_BACKOFF_S
    assert place_of(done).last_error == "no such bucket"
    assert go_round(facts(keeping(), found=found, now=NOW + LONGEST_BACKOFF_S)).fills


def test_a_place_tells_what_its_fill_tells() -> None:
    waits = fill_task(TaskState.WAITING, attempts=3, next_try_at=NOW + 40, last_error="no room", unblock="room")
    done = go_round(facts(keeping(), found={("dgx", "clicks@v1"): Found(task=waits)}, tasks=(waits,)))
    place = place_of(done)
    assert (place.state, place.attempts, place.next_try_at) == (PlaceState.WAITING, 3, NOW + 40)
    assert (place.last_error, place.unblock) == ("no room", "room")
    assert (done.fills, done.unwanted) == ((), ())


def test_since_does_not_move_while_a_fill_comes_and_goes() -> None:
    before = go_round(facts(keeping())).places
    failing = Found(task=fill_task(TaskState.WAITING, last_error="no room"))
    later = facts(keeping(), now=NOW + 60, places=before, found={("dgx", "clicks@v1"): failing})
    done = go_round(later)
    assert place_of(done).since == NOW
    done = go_round(replace(later, now=NOW + 90, places=done.places, found={("dgx", "clicks@v1"): READY}))
    assert place_of(done).since == NOW + 90


def test_used_last_is_a_label_by_dataset() -> None:
    done = go_round(facts(keeping(at="used-last", used_last=frozenset({"aks"})), keeping("r2", at="!used-last")))
    assert {(key[0], key[1]) for key in done.places} == {("r1", "aks"), ("r2", "dgx"), ("r2", "aks")}


def test_a_round_after_which_nothing_happened_writes_nothing() -> None:
    seen = facts(keeping(), found={("dgx", "clicks@v1"): READY})
    done = go_round(seen)
    assert done.changes(seen)
    again = replace(seen, now=NOW + 5, holds=done.held, places=done.places)
    assert not go_round(again).changes(again)


def test_a_rule_in_a_few_words() -> None:
    assert told("clicks@prod", newest=False, at="gpu>=4", owner="ana") == "clicks@prod at gpu>=4, by ana"
    assert told("*@daily", newest=True, at="", owner="ana") == "the newest of *@daily at every site, by ana"


# Many rounds in a world where tags move, sites come and go, fills end or fail, and replicas are lost.


@dataclass
class World:
    """A hub, two sites and rules that follow tags: what a round wants is done, or is not, as chance will have it."""

    tags: dict[str, str] = field(default_factory=lambda: dict.fromkeys(RULES, "clicks@v1"))
    states: dict[tuple[str, str], ReplicaState] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    barred: set[str] = field(default_factory=set)
    holds: frozenset[Hold] = frozenset()
    filling: set[tuple[str, str]] = field(default_factory=set)

    def facts(self) -> Facts:
        rules = [keeping(rule, at="", ref=self.tags[rule]) for rule in RULES if rule not in self.ended]
        rules = [_barred(rule) if rule.rule_id in self.barred else rule for rule in rules]
        spots = [replace(item, state=SiteState.DOWN if item.site in self.down else SiteState.UP) for item in (DGX, AKS)]
        found = {key: Found(state=state) for key, state in self.states.items()}
        for key in self.filling:
            task = replace(fill_task(TaskState.UNDER_WAY, key[1]), site=key[0])
            found[key] = replace(found.get(key, Found()), task=task)
        return Facts(now=NOW, rules=tuple(rules), spots=tuple(spots), found=found, holds=self.holds)

    def round(self) -> None:
        seen = self.facts()
        done = go_round(seen)
        self.check(seen, done)
        self.holds = (self.holds | done.held) - done.released
        self.filling |= {(item.site, item.ref) for item in done.fills}
        again = go_round(replace(seen, holds=self.holds, places=done.places))
        assert not again.held, "once is enough"
        assert not again.released, "once is enough"

    def check(self, seen: Facts, done: Round) -> None:
        for item in done.released:
            rule = next((rule for rule in seen.rules if rule.rule_id == item.rule_id), None)
            site = item.volume_id.removeprefix("volume-of-")
            if rule is None or rule.wanted[0].barred:
                continue
            was_ready = self.states.get((site, item.ref)) is ReplicaState.READY
            new_is_ready = self.states.get((site, rule.wanted[0].ref)) is ReplicaState.READY
            assert new_is_ready or not was_ready, "OLD-UNTIL-NEW: let go before the new one was ready there"
        for rule in seen.rules:
            self._check_not_held_up(rule, seen, done)

    def _check_not_held_up(self, rule: Keeping, seen: Facts, done: Round) -> None:
        """Each place has what it would have without the other rules."""
        alone = go_round(
            replace(seen, rules=(rule,), holds=frozenset(h for h in seen.holds if h.rule_id == rule.rule_id))
        )
        asked = {(item.site, item.ref) for item in done.fills}
        assert {(item.site, item.ref) for item in alone.fills} <= asked
        mine = {key: place for key, place in done.places.items() if key[0] == rule.rule_id}
        assert mine == alone.places
        assert {item for item in done.released if item.rule_id == rule.rule_id} == alone.released
        for place in mine.values():
            assert place.reason
            assert place.unblock or place.state is PlaceState.SATISFIED


def _barred(rule: Keeping) -> Keeping:
    return replace(rule, wanted=(replace(rule.wanted[0], barred="no right", unblock="a right"),))


keys = st.tuples(st.sampled_from(SITES), st.sampled_from(VERSIONS))
happenings = st.one_of(
    st.tuples(st.just("tag"), st.tuples(st.sampled_from(RULES), st.sampled_from(VERSIONS))),
    st.tuples(st.just("down"), st.sampled_from(SITES)),
    st.tuples(st.just("up"), st.sampled_from(SITES)),
    st.tuples(st.just("fill"), keys),
    st.tuples(st.just("fail"), keys),
    st.tuples(st.just("lose"), keys),
    st.tuples(st.just("bar"), st.sampled_from(RULES)),
    st.tuples(st.just("allow"), st.sampled_from(RULES)),
    st.tuples(st.just("end"), st.sampled_from(RULES)),
    st.tuples(st.just("round"), st.none()),
    st.tuples(st.just("round"), st.none()),
)


@settings(max_examples=600)
@given(story=st.lists(happenings, max_size=30))
def test_OLD_UNTIL_NEW_whatever_happens(story: list[tuple[str, object]]) -> None:
    world = World()
    for what, of in story:
        match what, of:
            case "tag", (str() as rule, str() as ref):
                world.tags[rule] = ref
            case "down", str() as site:
                world.down.add(site)
            case "up", str() as site:
                world.down.discard(site)
            case "fill", (str() as site, str() as ref) if (site, ref) in world.filling:
                world.filling.discard((site, ref))
                world.states[site, ref] = ReplicaState.READY
            case "fail", (str() as site, str() as ref):
                world.filling.discard((site, ref))
            case "lose", (str() as site, str() as ref):
                world.states[site, ref] = ReplicaState.DAMAGED
            case "bar", str() as rule:
                world.barred.add(rule)
            case "allow", str() as rule:
                world.barred.discard(rule)
            case "end", str() as rule:
                world.ended.add(rule)
            case "round", None:
                world.round()
            case _:
                pass
    world.round()


@given(story=st.lists(st.tuples(st.sampled_from(RULES), st.sampled_from(VERSIONS)), max_size=8))
def test_when_all_is_well_every_rule_is_satisfied_and_keeps_nothing_else(story: list[tuple[str, str]]) -> None:
    world = World()
    for rule, ref in story:
        world.tags[rule] = ref
        world.round()
    for _ in range(2):
        world.round()
        world.states |= dict.fromkeys(world.filling, ReplicaState.READY)
        world.filling.clear()
    world.round()
    assert {(item.rule_id, item.ref) for item in world.holds} == set(world.tags.items())
    done = go_round(world.facts())
    assert {place.state for place in done.places.values()} == {PlaceState.SATISFIED}


def _rule(rule_id: str = "4f9c0a1b2d3e", **more: object) -> Rule:
    facts: dict[str, Any] = {"ref": "clicks@prod", "newest": False, "at": "gpu>=4", "until": 0.0, "message": ""}
    facts |= {"owner": "ana", "made_at": NOW, "ended": False, **more}
    return Rule(rule_id=rule_id, **facts)


@pytest.mark.parametrize(
    ("rule", "sites", "reason", "unblock"),
    [
        (_rule(), {}, "there is no site", "forebay agent"),
        (_rule(), {"aks": AKS.labels}, "no site matches: aks has gpu=1, asked for gpu>=4", "labels"),
        (_rule(ended=True), {"dgx": DGX.labels}, "its time is over", "made anew"),
        (_rule(ref="*@daily"), {"dgx": DGX.labels}, "no dataset has the tag 'daily'", "gets the tag"),
        (_rule(at="used-last"), {"dgx": DGX.labels}, "no site that matches has used it last", "used"),
        (_rule(), {"dgx": DGX.labels}, "nobody has looked at it yet", "next pass"),
    ],
)
def test_a_rule_without_a_place_says_why(
    rule: Rule, sites: dict[str, dict[str, str]], reason: str, unblock: str
) -> None:
    told, helps = placeless(rule, sites)
    assert told == reason
    assert unblock in helps


def test_of_many_sites_that_do_not_match_a_few_are_named() -> None:
    told, _ = placeless(_rule(), {f"s{number}": {"gpu": "1"} for number in range(9)})
    assert told.count("asked for") == 3
    assert told.endswith("; 6 more do not either")


def test_the_beginning_of_a_rules_id_will_do_where_it_is_the_only_one() -> None:
    rules = [_rule("4f9c0a"), _rule("4f9d11"), _rule("4f9")]
    assert begun_by(rules, "4f9c") is rules[0]
    assert begun_by(rules, "4f9") is rules[2], "its whole id"
    assert begun_by(rules, "77") is None
    assert begun_by(rules, "") is None
    with pytest.raises(InputError) as caught:
        begun_by(rules, "4f")
    assert caught.value.kind == "ambiguous-rule"
