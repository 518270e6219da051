"""Rules behind the guard: in whose name, on what, for how long, seen and ended by whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.errors import ConflictError
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.wire.access import AuditQuery, DatasetPolicy, Outcome, Role
from forebay.wire.rules import NewRule, PlaceState, RulePlace
from forebay.wire.sites import TaskKind
from tests.contract.hub.sited import Agent
from tests.contract.hub.test_guarded_runs import ADA, AKS, AMY, BEN, DGX, ED, ROOT, VERA, Team, kind_of, team_on

CLICKS, SECRET, ALL = (NewRule(ref=ref, owner="root", role="admin") for ref in ("clicks", "secret", "*@prod"))


@pytest.fixture
def team(embedded: LocalHub, clock: FakeClock) -> Team:
    """With the tag `prod` on both datasets."""
    made = team_on(embedded, clock)
    for dataset in ("clicks", "secret"):
        embedded.catalog.tag(dataset, "prod", 1, "root")
    return made


def places(team: Team, rule_id: str) -> list[RulePlace]:
    return list(team.hub.rules.get(rule_id).places)


def test_a_rule_is_whose_token_made_it_whatever_is_said(team: Team) -> None:
    assert team(ADA).rules.add(CLICKS).owner == "ada"
    (line,) = [item for item in team.access.audit(AuditQuery(user="ada")).records if item.call == "rules.add"]
    assert (line.action, line.dataset, line.outcome) == ("keep", "clicks", Outcome.ALLOWED)


def test_who_may_write_or_bring_it_to_sites_may_make_one(team: Team) -> None:
    team.access.set_policy(DatasetPolicy(dataset="clicks", write=("ads",)))
    assert kind_of(lambda: team(BEN).rules.add(CLICKS)) == "not-allowed"
    assert kind_of(lambda: team(VERA).rules.add(ALL)) == "not-allowed"
    assert kind_of(lambda: team(DGX).rules.add(CLICKS)) == "not-allowed"
    assert kind_of(lambda: team(BEN).rules.add(SECRET)) == "dataset-not-found"
    team.refused(*["rules.add"] * 4)
    assert [team(who).rules.add(CLICKS).owner for who in (ADA, ED)] == ["ada", "ed"]


def test_its_owner_and_engineers_end_it_and_who_may_not_see_it_does_not_find_it(team: Team) -> None:
    clicks, secret = team(AMY).rules.add(CLICKS), team(ADA).rules.add(SECRET)
    for who in (BEN, ED):
        assert kind_of(lambda who=who: team(who).rules.get(secret.rule_id)) == "rule-not-found"  # type: ignore[misc]
        assert kind_of(lambda who=who: team(who).rules.remove(secret.rule_id)) == "rule-not-found"  # type: ignore[misc]
        assert [rule.rule_id for rule in team(who).rules.all()] == [clicks.rule_id]
    assert kind_of(lambda: team(BEN).rules.remove(clicks.rule_id)) == "not-allowed"
    assert team(ED).rules.remove(clicks.rule_id).owner == "amy"
    assert team(ADA).rules.remove(secret.rule_id).places != ()
    assert team.hub.rules.all() == []


def test_a_rule_on_all_datasets_keeps_what_its_owner_may_and_shows_what_one_may_read(team: Team) -> None:
    of_ada, of_ben = team(ADA).rules.add(ALL).rule_id, team(BEN).rules.add(ALL).rule_id
    assert [item.dataset for item in places(team, of_ada)] == ["clicks", "secret"]
    assert [item.dataset for item in places(team, of_ben)] == ["clicks"]
    assert [item.dataset for item in team(AMY).rules.get(of_ada).places] == ["clicks", "secret"]
    assert [item.dataset for item in team(BEN).rules.get(of_ada).places] == ["clicks"]
    assert [item.ref for item in team(VERA).sites.tasks()] == ["clicks@v1"]


def test_a_rule_is_worth_no_more_than_the_token_that_made_it(team: Team) -> None:
    """An admin's token with the role of a scientist, who may not read `secret`."""
    low = replace(ROOT, role=Role.SCIENTIST)
    assert [item.dataset for item in team(low).rules.add(ALL).places] == ["clicks"]
    some = replace(ROOT, only=frozenset({"clicks"}))
    assert kind_of(lambda: team(some).rules.add(ALL)) == "not-allowed"
    assert team(some).rules.add(CLICKS).owner == "root"


@pytest.mark.parametrize("how", ["the right", "the role", "the user"])
def test_who_loses_the_right_keeps_nothing_from_then_on(team: Team, how: str) -> None:
    rule = team(ADA).rules.add(SECRET)
    team.dgx.fill(team.dgx.order(TaskKind.FILL))
    secret = team.hub.catalog.resolve("secret")
    with pytest.raises(ConflictError, match="is kept by rule"):
        team.hub.replicas.begin_evict(team.dgx.volume_id, secret, "why")
    match how:
        case "the right":
            team.access.leave_team("ads", ["ada"])
        case "the role":
            team.access.set_role("ada", Role.VIEWER)
        case _:
            team.access.remove_user("ada")
    team.hub.scheduler.tick()
    (place,) = places(team, rule.rule_id)
    assert (place.ref, place.state) == ("", PlaceState.WAITING)
    assert "ada" in place.reason
    team.hub.replicas.begin_evict(team.dgx.volume_id, secret, "why")


def test_an_agent_sees_how_rules_stand_at_its_own_site_alone(team: Team) -> None:
    Agent(hub=team.hub, site="aks").attach()
    rule = team(ADA).rules.add(CLICKS)
    assert [item.site for item in places(team, rule.rule_id)] == ["aks", "dgx"]
    assert [item.site for item in team(AKS).rules.get(rule.rule_id).places] == ["aks"]
    assert kind_of(lambda: team(AKS).rules.remove(rule.rule_id)) == "not-allowed"
