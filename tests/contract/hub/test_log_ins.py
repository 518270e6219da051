"""Log-ins under way and who came in by one, on both databases. With a provider: tests/integration/hub/test_log_in.py"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading
from forebay.errors import NotAllowedError
from forebay.hub.access.claims import Entrant
from forebay.hub.access.log_ins import BEGUN_SECONDS, Begun, LogIns
from forebay.hub.access.oidc import Proof
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.wire.access import Role

BEGUN = Begun(proof=Proof(nonce="n", verifier="v"), next="/")
FROM = Request(source="10.0.0.7", request_id="r-1")
ADA = Entrant(
    issuer="https://login",
    subject="u-1",
    user="ada",
    role=Role.SCIENTIST,
    teams=frozenset({"ads"}),
    teams_by_group=frozenset({"ads", "maps"}),
)


@pytest.fixture
def log_ins(embedded: LocalHub, clock: FakeClock) -> LogIns:
    return LogIns(embedded.engine, clock)


@pytest.fixture
def access(embedded: LocalHub, clock: FakeClock) -> AccessStore:
    return AccessStore(embedded.engine, clock)


def test_of_many_who_come_back_with_one_state_one_takes_it(log_ins: LogIns) -> None:
    log_ins.begin("state", "browser", BEGUN)
    ready = threading.Barrier(6)

    def take(_: int) -> Begun | None:
        ready.wait()
        try:
            return log_ins.take("state", "browser")
        except NotAllowedError:
            return None

    with ThreadPoolExecutor(6) as pool:
        assert [found for found in pool.map(take, range(6)) if found is not None] == [BEGUN]


def test_a_wrong_browser_ends_a_log_in_and_an_old_one_goes(
    log_ins: LogIns, embedded: LocalHub, clock: FakeClock
) -> None:
    log_ins.begin("state", "browser", BEGUN)
    for browser in ("another", "browser"):
        with pytest.raises(NotAllowedError):
            log_ins.take("state", browser)
    log_ins.begin("old", "browser", BEGUN)
    clock.pass_by(BEGUN_SECONDS + 1)
    log_ins.begin("new", "browser", BEGUN)
    with reading(embedded.engine) as connection:
        rows = connection.execute(sa.select(t.log_in)).all()
    assert len(rows) == 1
    assert "browser" not in str(rows)


def test_a_session_is_a_token_and_its_user_keeps_to_the_groups(log_ins: LogIns, access: AccessStore) -> None:
    access.join_team("friends", [])
    first = log_ins.enter(ADA, 100.0, FROM, adopt=False)
    access.join_team("friends", ["ada"])
    speaks = access.principal_of(first.secret)
    assert isinstance(speaks, Person)
    assert (speaks.user, speaks.role, set(speaks.teams)) == ("ada", Role.SCIENTIST, {"ads", "friends"})
    moved = replace(ADA, role=Role.VIEWER, teams=frozenset({"maps"}))
    log_ins.enter(moved, 100.0, FROM, adopt=False)
    lowered = access.principal_of(first.secret)
    assert isinstance(lowered, Person)
    assert (lowered.role, set(lowered.teams)) == (Role.VIEWER, {"maps", "friends"}), "in the older session, too"


def test_the_last_admin_stays_one(log_ins: LogIns, access: AccessStore) -> None:
    log_ins.enter(replace(ADA, role=Role.ADMIN), 100.0, FROM, adopt=False)
    made = log_ins.enter(ADA, 100.0, FROM, adopt=False)
    assert made.token.role is Role.ADMIN
    access.add_user("root", Role.ADMIN)
    assert log_ins.enter(ADA, 100.0, FROM, adopt=False).token.role is Role.SCIENTIST


def test_of_two_identities_of_one_name_one_is_let_in(log_ins: LogIns, access: AccessStore) -> None:
    ready = threading.Barrier(2)

    def enter(subject: str) -> bool:
        ready.wait()
        try:
            log_ins.enter(replace(ADA, subject=subject), 100.0, FROM, adopt=True)
        except NotAllowedError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(enter, ("u-1", "u-2"))) == [False, True]
    assert [item.name for item in access.users()] == ["ada"]


def test_sessions_that_ended_long_ago_are_forgotten(log_ins: LogIns, access: AccessStore, clock: FakeClock) -> None:
    old = log_ins.enter(ADA, 100.0, FROM, adopt=False)
    clock.pass_by(31 * 86400.0)
    new = log_ins.enter(ADA, 100.0, FROM, adopt=False)
    assert [item.token_id for item in access.tokens()] == [new.token.token_id]
    assert old.token.token_id != new.token.token_id
