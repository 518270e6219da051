"""Users, teams, tokens, policies and the audit, on both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import joining, open_engine, reading, writing
from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError, NotFoundError
from forebay.hub.access.rules import Agent, Person
from forebay.hub.access.secret import hash_of
from forebay.hub.access.store import AccessStore
from forebay.hub.access.tokens import LAST_USED_SECONDS
from forebay.hub.access.trail import Deed, Line, Request
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedHubs
from forebay.wire.access import Access, AuditQuery, DatasetPolicy, MadeToken, Me, NewToken, Outcome, Role, Team, Token
from forebay.wire.catalog import DEFAULT_GROUP, Version
from tests.contract.hub.conftest import VOLUME, new_version
from tests.contract.hub.test_fills import DONE, claim


@pytest.fixture
def hub(embedded: LocalHub) -> LocalHub:
    """Datasets and replicas are made where the hub is; `access` has both faces."""
    return embedded


@pytest.fixture
def store(hub: LocalHub, clock: FakeClock) -> AccessStore:
    """What the hub alone does: it signs callers in, and writes the audit."""
    return AccessStore(hub.engine, clock)


@pytest.fixture(params=["embedded", "remote"])
def access(
    request: pytest.FixtureRequest,
    hub: LocalHub,
    store: AccessStore,
    served_hubs: ServedHubs,
    clock: FakeClock,
    tmp_path: Path,
) -> Iterator[Access]:
    if request.param == "embedded":
        yield store
        return
    with served_hubs.client_of(hub, clock, tmp_path / "client") as remote:
        yield remote.access


@pytest.fixture
def ada(access: Access) -> str:
    return access.add_user("ada", Role.ENGINEER).name


def test_users_come_change_and_go(access: Access) -> None:
    assert access.users() == []
    access.add_user("root", Role.ADMIN)
    added = access.add_user("ada@example.org", Role.SCIENTIST)
    assert [(item.name, item.role) for item in access.users()] == [
        ("ada@example.org", Role.SCIENTIST),
        ("root", Role.ADMIN),
    ]
    with pytest.raises(ConflictError) as twice:
        access.add_user("root", Role.VIEWER)
    assert twice.value.kind == "user-exists"
    assert access.set_role(added.name, Role.ENGINEER).role is Role.ENGINEER
    access.remove_user(added.name)
    assert [item.name for item in access.users()] == ["root"]
    with pytest.raises(NotFoundError) as gone:
        access.set_role("rot", Role.VIEWER)
    assert (gone.value.kind, gone.value.todo) == ("user-not-found", "Did you mean root?")
    for bad in ("", "Ada", "agent:dgx", "a b", "x" * 101):
        with pytest.raises(InputError):
            access.add_user(bad, Role.VIEWER)


def test_a_hub_keeps_its_last_admin(access: Access) -> None:
    access.add_user("root", Role.ADMIN)
    access.add_user("ada", Role.VIEWER)
    for act in (lambda: access.remove_user("root"), lambda: access.set_role("root", Role.ENGINEER)):
        with pytest.raises(ConflictError) as refused:
            act()
        assert refused.value.kind == "last-admin"
    access.set_role("ada", Role.ADMIN)
    access.remove_user("root")


def test_of_two_admins_who_step_down_at_once_one_stays(access: Access) -> None:
    for name in ("a", "b"):
        access.add_user(name, Role.ADMIN)
    ready = threading.Barrier(2)

    def step_down(name: str) -> bool:
        ready.wait()
        try:
            access.set_role(name, Role.VIEWER)
        except ForebayError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(step_down, ("a", "b"))) == [False, True]


def test_teams_have_members(access: Access, ada: str, version: Version) -> None:
    access.add_user("ben", Role.SCIENTIST)
    assert access.join_team("ads", [ada, "ben", ada]) == Team(name="ads", members=("ada", "ben"))
    assert access.join_team("maps", []) == Team(name="maps", members=())
    assert access.users()[0].teams == ("ads",)
    assert access.leave_team("ads", ["ben"]).members == ("ada",)
    with pytest.raises(NotFoundError) as caught:
        access.leave_team("ads", ["ben"])
    assert caught.value.kind == "not-a-member"
    with pytest.raises(NotFoundError):
        access.join_team("ads", ["nobody"])
    with pytest.raises(InputError):
        access.join_team("Not A Name", [])
    access.set_policy(DatasetPolicy(dataset="clicks", run=("ads",)))
    with pytest.raises(ConflictError) as held:
        access.remove_team("ads")
    assert held.value.kind == "team-in-use"
    access.set_policy(DatasetPolicy(dataset="clicks"))
    access.remove_team("ads")
    assert access.teams() == [Team(name="maps", members=())]
    access.join_team("maps", [ada])
    access.add_user("root", Role.ADMIN)
    access.remove_user(ada)
    assert access.teams() == [Team(name="maps", members=())]
    assert access.add_user(ada, Role.VIEWER).teams == (), "who comes back is in no team"


def test_a_hub_without_a_guard_is_its_owner_s(access: Access) -> None:
    assert access.me() == Me(user="", role=Role.ADMIN)


def test_a_secret_is_known_by_its_hash_alone(access: Access, hub: LocalHub, ada: str) -> None:
    made = access.make_token(NewToken(user=ada, role=Role.SCIENTIST, note="for the notebook"))
    assert re.fullmatch(r"fbt_[0-9A-Za-z_-]{43}", made.secret)
    assert made.secret not in repr(made)
    with reading(hub.engine) as connection:
        (row,) = connection.execute(sa.select(t.token)).mappings().all()
    assert row["sha256"] == hash_of(made.secret)
    assert made.secret not in str(dict(row))
    assert access.tokens() == access.tokens(ada) == [made.token]
    with pytest.raises(NotFoundError):
        access.tokens("nobody")


def test_a_token_speaks_for_its_user(access: Access, store: AccessStore, ada: str) -> None:
    access.join_team("ads", [ada])
    made = access.make_token(NewToken(user=ada, role=Role.SCIENTIST))
    speaks = store.principal_of(made.secret)
    assert speaks == Person(user="ada", role=Role.SCIENTIST, teams=frozenset({"ads"}), token_id=made.token.token_id)
    access.set_role(ada, Role.VIEWER)
    lowered = store.principal_of(made.secret)
    assert isinstance(lowered, Person)
    assert lowered.role is Role.VIEWER, "never more than its user"


def test_a_token_can_be_for_some_datasets_or_for_the_agent_of_a_site(
    access: Access, store: AccessStore, ada: str, version: Version
) -> None:
    some = store.principal_of(access.make_token(_new(ada, datasets=("clicks",), role=Role.VIEWER)).secret)
    assert isinstance(some, Person)
    assert some.only == {"clicks"}
    agent = access.make_token(_new(ada, site="dgx"))
    assert store.principal_of(agent.secret) == Agent(site="dgx", user="ada", token_id=agent.token.token_id)
    for bad in (
        _new(ada, role=Role.ADMIN),
        _new(ada, expires_at=1.0),
        _new(ada, site="dgx", datasets=("clicks",)),
        _new(ada, site="Not A Site"),
    ):
        with pytest.raises(InputError):
            access.make_token(bad)
    for unknown in (_new("nobody"), _new(ada, datasets=("views",))):
        with pytest.raises(NotFoundError):
            access.make_token(unknown)


def test_whatever_is_wrong_with_a_token_looks_the_same(
    access: Access, store: AccessStore, ada: str, clock: FakeClock
) -> None:
    access.add_user("root", Role.ADMIN)
    expired, revoked, orphaned = (
        access.make_token(_new(user, expires_at=clock.now() + 10)) for user in (ada, ada, "root")
    )
    access.add_user("boss", Role.ADMIN)
    access.revoke_token(revoked.token.token_id)
    assert isinstance(store.principal_of(orphaned.secret), Person)
    access.remove_user("root")
    clock.pass_by(10)
    answers = set()
    for secret in (expired.secret, revoked.secret, orphaned.secret, "fbt_" + "x" * 43, "fbt_", "", "x", "é" * 47, None):
        with pytest.raises(NotAllowedError) as refused:
            store.principal_of(secret)
        answers.add((refused.value.kind, refused.value.message, refused.value.todo))
    assert len(answers) == 1
    assert answers.pop()[0] == "not-signed-in"


def test_who_still_uses_a_token_that_has_ended_is_in_the_audit(
    access: Access, store: AccessStore, ada: str, clock: FakeClock
) -> None:
    made = access.make_token(_new(ada))
    store.principal_of(made.secret)
    access.revoke_token(made.token.token_id)
    clock.pass_by(LAST_USED_SECONDS)
    for _ in range(3):
        with pytest.raises(NotAllowedError):
            store.principal_of(made.secret, Request(source="10.0.0.7"))
    (line,) = access.audit(AuditQuery()).records
    assert (line.user, line.token_id, line.source) == ("ada", made.token.token_id, "10.0.0.7")
    assert (line.action, line.outcome, line.reason) == ("sign-in", Outcome.REFUSED, "it was revoked")


def test_of_many_at_once_each_is_known_as_alone_and_noted(
    access: Access, store: AccessStore, ada: str, clock: FakeClock
) -> None:
    access.join_team("ads", [ada])
    access.join_team("maps", [ada])
    holds, revoked, agent = (access.make_token(new) for new in (_new(ada), _new(ada), _new(ada, site="dgx")))
    access.revoke_token(revoked.token.token_id)
    clock.pass_by(LAST_USED_SECONDS)
    secrets = (holds.secret, revoked.secret, agent.secret, "fbt_" + "x" * 43, "x")
    with joining():
        found = store.principals_of({secret: Request(source=f"10.0.0.{n}") for n, secret in enumerate(secrets)})
    assert found == {secret: store.principal_of(secret) for secret in (holds.secret, agent.secret)}
    assert _token(store, holds).last_used_at == _token(store, revoked).last_used_at == clock.now()
    (line,) = access.audit(AuditQuery()).records
    assert (line.token_id, line.source, line.reason) == (revoked.token.token_id, "10.0.0.1", "it was revoked")
    assert store.principals_of({}) == {}


def test_revoking_is_for_ever_and_idempotent(access: Access, store: AccessStore, ada: str, clock: FakeClock) -> None:
    made = access.make_token(_new(ada))
    first = access.revoke_token(made.token.token_id)
    clock.pass_by(5)
    assert access.revoke_token(made.token.token_id) == first
    access.add_user("root", Role.ADMIN)
    other = access.make_token(_new(ada))
    access.remove_user(ada)
    access.add_user(ada, Role.ENGINEER)
    with pytest.raises(NotAllowedError):
        store.principal_of(other.secret)
    with pytest.raises(NotFoundError):
        access.revoke_token("0" * 12)


def test_the_last_use_is_coarse(access: Access, store: AccessStore, ada: str, clock: FakeClock) -> None:
    made = access.make_token(_new(ada))
    store.principal_of(made.secret)
    first = clock.now()
    clock.pass_by(LAST_USED_SECONDS - 1)
    store.principal_of(made.secret)
    assert _token(store, made).last_used_at == first
    clock.pass_by(1)
    store.principal_of(made.secret)
    assert _token(store, made).last_used_at == clock.now()


def test_the_first_admin_is_made_once_among_many_starts(hub: LocalHub, database_url: str, clock: FakeClock) -> None:
    engines = [open_engine(database_url, busy_seconds=20) for _ in range(4)]
    ready = threading.Barrier(4)

    def start(engine: sa.Engine) -> MadeToken | None:
        ready.wait()
        return AccessStore(engine, clock).bootstrap()

    with ThreadPoolExecutor(4) as pool:
        (made,) = [item for item in pool.map(start, engines) if item is not None]
    for engine in engines:
        engine.dispose()
    store = AccessStore(hub.engine, clock)
    speaks = store.principal_of(made.secret)
    assert isinstance(speaks, Person)
    assert (speaks.user, speaks.role) == ("admin", Role.ADMIN)
    store.add_user("root", Role.ADMIN)
    store.remove_user("admin")
    assert store.bootstrap() is None, "once in the life of a hub"


def test_the_first_token_is_an_admin_s_who_is_there(access: Access, store: AccessStore) -> None:
    access.add_user("root", Role.ADMIN)
    made = store.bootstrap()
    assert made is not None
    assert made.token.user == "root"
    assert [item.name for item in access.users()] == ["root"]


def test_policies_are_set_and_read(access: Access, version: Version, clock: FakeClock) -> None:
    access.join_team("ads", [])
    access.join_team("maps", [])
    assert access.policy("clicks") == DatasetPolicy(dataset="clicks")
    wanted = DatasetPolicy(dataset="clicks", read=("maps", "ads", "ads"), write=("ads",), sites=("dgx",), set_by="ada")
    assert access.set_policy(wanted) == replace(wanted, read=("ads", "maps"), set_at=clock.now())
    assert access.policy("clicks").read == ("ads", "maps")
    with pytest.raises(NotFoundError) as caught:
        access.set_policy(replace(wanted, run=("map",)))
    assert (caught.value.kind, caught.value.todo) == ("team-not-found", "Did you mean maps?")
    with pytest.raises(NotFoundError):
        access.set_policy(replace(wanted, dataset="nobody"))
    with pytest.raises(InputError):
        access.set_policy(replace(wanted, sites=("a b",)))


def test_PRIVATE_what_not_everybody_reads_has_an_access_group_of_its_own(access: Access, hub: LocalHub) -> None:
    access.join_team("ads", [])
    groups = set()
    for name in ("one", "two"):
        new_version(hub, name)
        assert hub.catalog.dataset(name).group == DEFAULT_GROUP
        access.set_policy(DatasetPolicy(dataset=name, read=("ads",)))
        groups.add(hub.catalog.resolve(name).group)
        assert name not in hub.catalog.resolve(name).group, "folders on the volume must not tell names"
    assert len(groups) == 2
    assert DEFAULT_GROUP not in groups
    access.set_policy(DatasetPolicy(dataset="one", read=("ads",), write=("ads",)))
    assert hub.catalog.resolve("one").group in groups
    access.set_policy(DatasetPolicy(dataset="one", run=("ads",)))
    assert hub.catalog.resolve("one").group == DEFAULT_GROUP, "who may run says nothing of who may read"


def test_an_access_group_does_not_change_under_a_replica(access: Access, hub: LocalHub, version: Version) -> None:
    access.join_team("ads", [])
    granted = claim(hub, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    restricted = DatasetPolicy(dataset="clicks", read=("ads",))
    with pytest.raises(ConflictError) as held:
        access.set_policy(restricted)
    assert held.value.kind == "has-replicas"
    assert access.policy("clicks") == DatasetPolicy(dataset="clicks"), "nothing was set"
    access.set_policy(DatasetPolicy(dataset="clicks", run=("ads",), sites=("dgx",)))
    grant = hub.replicas.begin_evict(VOLUME, version, "asked")
    hub.replicas.finish_evict(VOLUME, version, grant.token, 10)
    access.set_policy(restricted)
    assert hub.catalog.resolve("clicks").group != DEFAULT_GROUP


def test_PRIVATE_a_policy_outlives_the_removal_of_its_dataset(access: Access, hub: LocalHub) -> None:
    new_version(hub, "clicks")
    access.join_team("ads", [])
    access.set_policy(DatasetPolicy(dataset="clicks", read=("ads",)))
    group = hub.catalog.dataset("clicks").group
    hub.catalog.remove_dataset("clicks")
    again = new_version(hub, "clicks")
    assert (again.group, access.policy("clicks").read) == (group, ("ads",))


def test_the_audit_is_read_in_pages_newest_first(access: Access, store: AccessStore, clock: FakeClock) -> None:
    for number in range(7):
        outcome = Outcome.REFUSED if number % 3 == 0 else Outcome.ALLOWED
        deed = Deed(action="read", call="catalog.resolve", dataset=f"d{number % 2}", ref=f"d{number % 2}@v{number}")
        store.write_audit(_line("ada" if number < 5 else "ben", deed, outcome))
        clock.pass_by(1)
    page = access.audit(AuditQuery(limit=3))
    assert [item.ref for item in page.records] == ["d0@v6", "d1@v5", "d0@v4"]
    rest = access.audit(AuditQuery(limit=4, before=page.next_before))
    assert [item.ref for item in rest.records] == ["d1@v3", "d0@v2", "d1@v1", "d0@v0"]
    assert rest.next_before == 0
    first = rest.records[-1]
    assert (first.user, first.source, first.request_id) == ("ada", "10.0.0.7", "r-1")
    assert (first.token_id, first.outcome, first.reason) == ("t", Outcome.REFUSED, "hidden")
    assert len(access.audit(AuditQuery(user="ben")).records) == 2
    assert len(access.audit(AuditQuery(dataset="d1")).records) == 3
    assert len(access.audit(AuditQuery(outcome=Outcome.REFUSED)).records) == 3
    assert len(access.audit(AuditQuery(since=page.records[0].at)).records) == 1
    assert len(access.audit(AuditQuery(until=page.records[0].at)).records) == 6
    assert len(access.audit(AuditQuery(action="read", limit=100)).records) == 7
    assert access.audit(AuditQuery(action="warm")).records == ()


def test_the_audit_only_grows(access: Access, store: AccessStore, hub: LocalHub) -> None:
    store.write_audit(_line("ada", Deed(action="read", call="catalog.resolve"), Outcome.ALLOWED))
    before = access.audit(AuditQuery())
    statements = ["UPDATE audit SET user_name = 'eve'", "DELETE FROM audit"]
    if hub.engine.dialect.name == "postgresql":
        statements.append("TRUNCATE audit")
    for statement in statements:
        with pytest.raises(ForebayError, match="append-only"), writing(hub.engine) as connection:
            connection.execute(sa.text(statement))
    assert access.audit(AuditQuery()) == before


def test_the_audit_takes_any_text(access: Access, store: AccessStore) -> None:
    deed = Deed(action="read", call="catalog.resolve", dataset="x" * 300, ref="\0\ud800" * 200, detail="\n" * 2000)
    store.write_audit(_line("é" * 300, deed, Outcome.REFUSED))
    (record,) = access.audit(AuditQuery()).records
    assert len(record.dataset) == 128


def _new(user: str, **more: object) -> NewToken:
    return replace(NewToken(user=user, role=Role.SCIENTIST), **more)  # type: ignore[arg-type]


def _token(store: AccessStore, made: MadeToken) -> Token:
    return store.token(made.token.token_id)


def _line(user: str, deed: Deed, outcome: Outcome) -> Line:
    request = Request(source="10.0.0.7", request_id="r-1")
    reason = "hidden" if outcome is Outcome.REFUSED else ""
    return Line(user=user, token_id="t", deed=deed, request=request, outcome=outcome, reason=reason)
