"""Every role x action x ownership against a table written by hand, and what must hold for all of them."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.hub.access.rules import (
    AGENT_MAY,
    BRINGS_BYTES,
    HIDDEN,
    LEAST_ROLE,
    NEEDS,
    OF_ALL,
    Action,
    Agent,
    Data,
    Job,
    OnRun,
    Person,
    Place,
    Principal,
    Right,
    Subject,
    Whole,
    decide,
    decide_as_agent,
    decide_on_run,
    sees_all,
)
from forebay.wire.access import DatasetPolicy, Role

OPEN_POLICY = DatasetPolicy(dataset="clicks")
TEAM_POLICY = DatasetPolicy(dataset="clicks", read=("readers",), write=("writers",), run=("runners",))

# Ownership: who asks, of what. `None` of a cell below: hidden, as if it were not there.
ROLES = {"v": Role.VIEWER, "s": Role.SCIENTIST, "e": Role.ENGINEER, "a": Role.ADMIN}
OWNERSHIP: dict[str, tuple[frozenset[str], str, DatasetPolicy]] = {
    "open": (frozenset(), "somebody", OPEN_POLICY),
    "owner": (frozenset(), "me", TEAM_POLICY),
    "reader": (frozenset({"readers"}), "somebody", TEAM_POLICY),
    "writer": (frozenset({"writers"}), "somebody", TEAM_POLICY),
    "runner": (frozenset({"runners"}), "somebody", TEAM_POLICY),
    "outsider": (frozenset({"others"}), "somebody", TEAM_POLICY),
}

# Which roles may, by ownership: v, s, e and a; "." for one that may not.
MATRIX: dict[Action, dict[str, str]] = {
    Action.READ: dict.fromkeys(("open", "owner", "reader", "writer", "runner"), "vsea") | {"outsider": "...a"},
    Action.OPEN: dict.fromkeys(("open", "owner", "reader", "writer", "runner"), ".sea") | {"outsider": "...a"},
    Action.WARM: dict.fromkeys(("open", "owner", "reader", "writer", "runner"), ".sea") | {"outsider": "...a"},
    Action.PIN: dict.fromkeys(("open", "owner", "reader", "writer", "runner"), ".sea") | {"outsider": "...a"},
    Action.KEEP: {"open": ".sea", "owner": ".sea", "writer": ".sea", "outsider": "...a"}
    | dict.fromkeys(("reader", "runner"), "..ea"),
    Action.RUN: {"open": ".sea", "owner": ".sea", "runner": ".sea"}
    | dict.fromkeys(("reader", "writer", "outsider"), "...a"),
    Action.WRITE: {"open": ".sea", "owner": ".sea", "writer": ".sea"}
    | dict.fromkeys(("reader", "runner", "outsider"), "...a"),
    Action.TAG: {"open": ".sea", "owner": ".sea", "writer": ".sea"}
    | dict.fromkeys(("reader", "runner", "outsider"), "...a"),
    Action.EVICT: dict.fromkeys(("open", "owner", "reader", "writer", "runner"), "..ea") | {"outsider": "...a"},
    Action.TEND: dict.fromkeys(("open", "owner", "reader", "writer", "runner"), "..ea") | {"outsider": "...a"},
    Action.REMOVE: {"open": "..ea", "owner": "..ea", "writer": "..ea"}
    | dict.fromkeys(("reader", "runner", "outsider"), "...a"),
    Action.GOVERN: {"owner": ".sea"} | dict.fromkeys(("open", "reader", "writer", "runner", "outsider"), "...a"),
    Action.MANAGE: dict.fromkeys(OWNERSHIP, "...a"),
    Action.AUDIT: dict.fromkeys(OWNERSHIP, "...a"),
}

CELLS = list(itertools.product(ROLES, Action, OWNERSHIP))


@pytest.mark.parametrize(("role", "action", "ownership"), CELLS, ids=map("-".join, CELLS))
def test_every_role_action_and_ownership(role: str, action: Action, ownership: str) -> None:
    teams, owner, policy = OWNERSHIP[ownership]
    person = Person(user="me", role=ROLES[role], teams=teams)
    verdict = decide(person, action, Data(name="clicks", owner=owner, policy=policy))
    assert verdict.allowed == (role in MATRIX[action][ownership])
    assert verdict.visible == (ownership != "outsider" or role == "a")
    assert bool(verdict.reason) != verdict.allowed
    if not verdict.visible:
        assert verdict == HIDDEN


@pytest.mark.parametrize(
    ("action", "site", "nowhere"),
    [
        (Action.READ, "vsea", "vsea"),
        (Action.WARM, "..ea", ".sea"),
        (Action.EVICT, "..ea", ".sea"),
        (Action.TEND, "..ea", ".sea"),
        (Action.GOVERN, "...a", "...a"),
    ],
)
def test_a_site_s_volume_is_its_agent_s_and_an_engineer_s(action: Action, site: str, nowhere: str) -> None:
    for letter, role in ROLES.items():
        person = Person(user="me", role=role)
        assert decide(person, action, Place(site="dgx")).allowed == (letter in site)
        assert decide(person, action, Place(site="")).allowed == (letter in nowhere)
        if action is not Action.GOVERN:
            data = Data(name="clicks", owner="", policy=OPEN_POLICY)
            assert decide(person, action, replace(data, at=Place(site="dgx"))).allowed == (letter in site)
            assert decide(person, action, replace(data, at=Place(site=""))).allowed == (letter in nowhere)


@pytest.mark.parametrize("action", Action)
def test_an_agent_does_its_own_work_at_its_own_site_alone(action: Action) -> None:
    agent = Agent(site="dgx", user="ada")
    here, there = Place(site="dgx"), Place(site="aks")
    data = Data(name="clicks", owner="ada", policy=TEAM_POLICY)
    assert decide(agent, action, here).allowed == (action in AGENT_MAY)
    assert decide(agent, action, data).allowed == (action in AGENT_MAY)
    assert decide(agent, action, replace(data, at=here)).allowed == (action in AGENT_MAY)
    for place in (there, Place(site="")):
        looks = action is Action.READ and not place.site
        assert decide(agent, action, place).allowed == looks
        assert decide(agent, action, replace(data, at=place)).allowed == looks
    assert decide(agent, action, Whole()).allowed == (action is Action.WARM)


@pytest.mark.parametrize("action", sorted(BRINGS_BYTES))
def test_bytes_are_only_where_the_policy_says(action: Action) -> None:
    policy = replace(OPEN_POLICY, sites=("dgx", "aks"))
    admin = Person(user="root", role=Role.ADMIN)
    for site, allowed in {"dgx": True, "aks": True, "gcp": False, "": False}.items():
        at = Data(name="clicks", owner="", policy=policy, at=Place(site=site))
        assert decide(admin, action, at).allowed is allowed, "not even an admin brings them elsewhere"
        assert decide(admin, Action.EVICT, at).allowed, "from there they may go"
    assert decide(admin, action, Data(name="clicks", owner="", policy=policy)).allowed


def test_an_agent_sees_what_may_be_at_its_site_or_is_there() -> None:
    agent = Agent(site="dgx", user="ada")
    data = Data(name="clicks", owner="", policy=replace(OPEN_POLICY, sites=("aks",)))
    assert decide(agent, Action.READ, data) == HIDDEN
    here = replace(data, here=True, at=Place(site="dgx"))
    assert decide(agent, Action.READ, here).allowed
    assert decide(agent, Action.EVICT, here).allowed, "what may not be there any more can go"
    assert not decide(agent, Action.WARM, here).allowed


def test_a_token_for_some_datasets_knows_no_others() -> None:
    admin = Person(user="root", role=Role.ADMIN, only=frozenset({"clicks"}))
    mine, other = (Data(name=name, owner="root", policy=OPEN_POLICY) for name in ("clicks", "views"))
    assert not sees_all(admin)
    of_all = {*OF_ALL, Action.GOVERN, Action.KEEP}
    for action in Action:
        assert decide(admin, action, other) == HIDDEN
        assert decide(admin, action, mine).allowed == (action not in OF_ALL)
        assert decide(admin, action, Whole()).allowed == (action not in of_all)
        assert decide(admin, action, Place(site="")).allowed == (action not in of_all)


def test_nobody_owns_what_has_no_owner() -> None:
    person = Person(user="", role=Role.ENGINEER)
    assert decide(person, Action.READ, Data(name="clicks", owner="", policy=TEAM_POLICY)) == HIDDEN


def test_the_page_has_the_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "access.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w*) *\|", page, re.MULTILINE)
    of_the_hub = (Action.MANAGE, Action.AUDIT)
    assert rows == [
        (action.value, LEAST_ROLE[action].value, "" if action in of_the_hub else NEEDS.get(action, Right.READ).value)
        for action in Action
    ]


# A run of somebody else's team "runners" on `clicks`, by who asks; as above, v, s, e and a.
RUN_MATRIX: dict[OnRun, dict[str, str]] = {
    OnRun.SEE: dict.fromkeys(("reader", "writer", "runner"), "vsea") | {"outsider": "...a"},
    OnRun.REVIEW: {"reader": "..ea", "writer": "..ea", "runner": "vsea", "outsider": "...a"},
    OnRun.INSPECT: {"reader": "..ea", "writer": "..ea", "runner": ".sea", "outsider": "...a"},
    OnRun.STEER: {"reader": "..ea", "writer": "..ea", "runner": "..ea", "outsider": "...a"},
}
CLICKS = Data(name="clicks", owner="somebody", policy=TEAM_POLICY)
JOB = Job(submitter="somebody", team="runners", sites=frozenset({"dgx"}), reads=(CLICKS,), makes=())


@pytest.mark.parametrize("want", OnRun)
@pytest.mark.parametrize("asker", ["reader", "writer", "runner", "outsider"])
@pytest.mark.parametrize("role", ROLES)
def test_a_run_is_who_knows_its_data_s_to_see_and_its_team_s_to_read(role: str, asker: str, want: OnRun) -> None:
    person = Person(user="me", role=ROLES[role], teams=OWNERSHIP[asker][0])
    verdict = decide_on_run(person, want, JOB)
    assert verdict.allowed == (role in RUN_MATRIX[want][asker])
    assert verdict.visible == (role in RUN_MATRIX[OnRun.SEE][asker])
    assert bool(verdict.reason) != verdict.allowed


@pytest.mark.parametrize("want", OnRun)
def test_one_s_own_run_stays_one_s_own(want: OnRun) -> None:
    me = Person(user="somebody", role=Role.VIEWER)
    assert decide_on_run(me, want, JOB).allowed, "also when a right was taken away since"
    assert decide_on_run(replace(me, only=frozenset({"clicks"})), want, JOB).allowed
    assert decide_on_run(replace(me, only=frozenset({"views"})), want, JOB) == HIDDEN
    assert decide_on_run(Person(user="", role=Role.VIEWER), want, replace(JOB, submitter="")) == HIDDEN


def test_a_run_that_makes_something_hidden_is_hidden() -> None:
    makes = Data(name="secret", owner="somebody", policy=TEAM_POLICY)
    engineer = Person(user="me", role=Role.ENGINEER)
    job = replace(JOB, reads=(), makes=(makes,))
    assert decide_on_run(engineer, OnRun.SEE, job) == HIDDEN
    assert decide_on_run(engineer, OnRun.SEE, replace(job, makes=())).allowed


def test_an_agent_knows_the_runs_of_its_site_and_steers_none() -> None:
    for want in OnRun:
        assert decide_on_run(Agent(site="dgx", user="ada"), want, JOB).allowed == (want is OnRun.SEE)
        assert decide_on_run(Agent(site="aks", user="somebody"), want, JOB) == HIDDEN


@pytest.mark.parametrize("role", Role)
def test_nobody_but_its_agent_speaks_for_a_site(role: Role) -> None:
    assert decide_as_agent(Agent(site="dgx", user="ada"), "dgx").allowed
    for other in (Agent(site="aks", user="ada"), Person(user="ada", role=role)):
        verdict = decide_as_agent(other, "dgx")
        assert not verdict.allowed
        assert verdict.visible
        assert verdict.reason


NAMES = ("a", "b", "c")
SETS = st.frozensets(st.sampled_from(NAMES))
POLICIES = st.builds(
    lambda read, write, run, sites: DatasetPolicy(
        dataset="a", read=tuple(read), write=tuple(write), run=tuple(run), sites=tuple(sites)
    ),
    SETS,
    SETS,
    SETS,
    SETS,
)
PLACES = st.builds(Place, site=st.sampled_from(("", *NAMES)))
DATA = st.builds(
    Data,
    name=st.sampled_from(NAMES),
    owner=st.sampled_from(("", "ada", "ben")),
    policy=POLICIES,
    at=st.none() | PLACES,
    here=st.booleans(),
)
SUBJECTS: st.SearchStrategy[Subject] = DATA | PLACES | st.just(Whole())
PERSONS = st.builds(Person, user=st.sampled_from(("ada", "cleo")), role=st.sampled_from(Role), teams=SETS, only=SETS)
PRINCIPALS: st.SearchStrategy[Principal] = PERSONS | st.builds(Agent, site=st.sampled_from(NAMES), user=st.just("ada"))
ACTIONS = st.sampled_from(Action)


@given(person=PERSONS, action=ACTIONS, subject=SUBJECTS, role=st.sampled_from(Role), teams=SETS, drop=st.booleans())
def test_more_rights_never_see_or_do_less(
    person: Person, action: Action, subject: Subject, role: Role, teams: frozenset[str], drop: bool
) -> None:
    higher = role if role.covers(person.role) else person.role
    wider = frozenset() if drop or not person.only else person.only | teams
    more = replace(person, role=higher, teams=person.teams | teams, only=wider)
    before, after = decide(person, action, subject), decide(more, action, subject)
    assert after.visible >= before.visible
    assert after.allowed >= before.allowed


WANTS = st.sampled_from(OnRun)
JOBS = st.builds(
    Job,
    submitter=st.sampled_from(("ada", "ben")),
    team=st.sampled_from(("", *NAMES)),
    sites=SETS,
    reads=st.lists(DATA, max_size=2).map(tuple),
    makes=st.lists(DATA, max_size=2).map(tuple),
)


@given(
    person=PERSONS, want=st.sampled_from(OnRun), job=JOBS, role=st.sampled_from(Role), teams=SETS, drop=st.booleans()
)
def test_more_rights_never_see_or_do_less_with_a_run(
    person: Person, want: OnRun, job: Job, role: Role, teams: frozenset[str], drop: bool
) -> None:
    higher = role if role.covers(person.role) else person.role
    wider = frozenset() if drop or not person.only else person.only | teams
    more = replace(person, role=higher, teams=person.teams | teams, only=wider)
    before, after = decide_on_run(person, want, job), decide_on_run(more, want, job)
    assert after.visible >= before.visible
    assert after.allowed >= before.allowed


@given(principal=PRINCIPALS, want=WANTS, job=JOBS)
def test_PRIVATE_a_run_on_hidden_data_is_hidden_from_all_but_its_submitter(
    principal: Principal, want: OnRun, job: Job
) -> None:
    hidden = any(not decide(principal, Action.READ, data).visible for data in (*job.reads, *job.makes))
    if isinstance(principal, Person) and principal.user != job.submitter and hidden:
        assert decide_on_run(principal, want, job) == HIDDEN
    if decide_on_run(principal, want, job).allowed:
        assert decide_on_run(principal, OnRun.SEE, job).allowed


@given(principal=PRINCIPALS, action=ACTIONS, data=DATA)
def test_PRIVATE_what_may_not_be_read_may_not_be_used_and_says_nothing(
    principal: Principal, action: Action, data: Data
) -> None:
    readable = decide(principal, Action.READ, replace(data, at=None))
    verdict = decide(principal, action, data)
    if not readable.visible:
        assert verdict == HIDDEN
    if verdict.allowed:
        assert readable.allowed
    if sees_all(principal):
        assert verdict.visible


@given(principal=PRINCIPALS, action=ACTIONS, data=DATA)
def test_residency_holds_for_everybody(principal: Principal, action: Action, data: Data) -> None:
    if data.at is not None and data.policy.sites and data.at.site not in data.policy.sites and action in BRINGS_BYTES:
        assert not decide(principal, action, data).allowed


@given(st.sampled_from(Role), st.sampled_from(Role))
def test_roles_stand_in_one_order(one: Role, other: Role) -> None:
    order = ["viewer", "scientist", "engineer", "admin"]
    assert one.covers(other) == (order.index(one) >= order.index(other))
