"""What everybody may do with their own tokens and datasets, and nobody else with those; on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.errors import NotAllowedError, NotFoundError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.guarded_access import GuardedAccess
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.wire.access import AuditQuery, DatasetPolicy, MadeToken, Me, NewToken, Role
from forebay.wire.catalog import NewVersion, Version
from tests.contract.hub.conftest import new_version

MINE = NewToken(user="ada", role=Role.SCIENTIST)


class Door:
    """Signs in with a secret, as an HTTP face does."""

    def __init__(self, hub: LocalHub, clock: FakeClock) -> None:
        self.hub = hub
        self.access = AccessStore(hub.engine, clock)
        for name, role in {"ada": Role.SCIENTIST, "ben": Role.SCIENTIST, "root": Role.ADMIN}.items():
            self.access.add_user(name, role)

    def make(self, new: NewToken) -> MadeToken:
        return self.access.make_token(new)

    def sign_in(self, made: MadeToken) -> GuardedAccess:
        principal = self.access.principal_of(made.secret)
        return Guarded(self.hub, self.access, principal, Request(source="10.0.0.7", request_id="r-9")).access


@pytest.fixture
def hub(embedded: LocalHub) -> LocalHub:
    """Whose token that is, the hub itself finds out."""
    return embedded


@pytest.fixture
def door(hub: LocalHub, clock: FakeClock) -> Door:
    return Door(hub, clock)


def test_one_makes_sees_and_ends_one_s_own_tokens(door: Door) -> None:
    first = door.make(MINE)
    ada = door.sign_in(first)
    made = ada.make_token(replace(MINE, role=Role.VIEWER))
    others = door.make(NewToken(user="ben", role=Role.VIEWER))
    assert {item.token_id for item in ada.tokens()} == {first.token.token_id, made.token.token_id}
    assert ada.tokens("ada") == ada.tokens()
    assert ada.revoke_token(made.token.token_id).revoked_at
    answers = []
    for token_id in (others.token.token_id, "0" * 12):
        with pytest.raises(NotFoundError) as refused:
            ada.revoke_token(token_id)
        answers.append(refused.value.message.replace(token_id, ""))
    assert answers[0] == answers[1], "whose token it is, nobody is told"
    with pytest.raises(NotAllowedError):
        ada.tokens("ben")
    assert len(door.sign_in(door.make(NewToken(user="root", role=Role.ADMIN))).tokens()) == 4


@pytest.mark.parametrize(
    "more",
    [
        replace(MINE, role=Role.ENGINEER),
        replace(MINE, user="ben"),
        replace(MINE, site="dgx", role=Role.VIEWER),
        replace(MINE, user="root", role=Role.VIEWER),
    ],
    ids=["a higher role", "for another one", "an agent's", "for an admin"],
)
def test_a_token_begets_no_more_than_itself(door: Door, more: NewToken) -> None:
    with pytest.raises(NotAllowedError):
        door.sign_in(door.make(MINE)).make_token(more)


def test_a_token_for_some_datasets_begets_none_for_others(door: Door, version: Version) -> None:
    new_version(door.hub, "views")
    new_version(door.hub, "maps")
    some = door.sign_in(door.make(replace(MINE, datasets=("clicks", "views"))))
    assert some.make_token(replace(MINE, datasets=("clicks",))).token.datasets == ("clicks",)
    with pytest.raises(NotAllowedError):
        some.make_token(MINE)
    with pytest.raises(NotFoundError):
        some.make_token(replace(MINE, datasets=("clicks", "maps")))


def test_a_token_begets_none_that_outlives_it(door: Door, clock: FakeClock) -> None:
    until = clock.now() + 100
    short = door.sign_in(door.make(replace(MINE, expires_at=until)))
    assert short.make_token(replace(MINE, expires_at=until)).token.expires_at == until
    for longer in (until + 1, 0.0):
        with pytest.raises(NotAllowedError):
            short.make_token(replace(MINE, expires_at=longer))


def test_everybody_is_told_who_they_are(door: Door, version: Version, clock: FakeClock) -> None:
    door.access.join_team("ads", ["ada"])
    until = clock.now() + 100
    made = door.make(replace(MINE, datasets=("clicks",), expires_at=until))
    assert door.sign_in(made).me() == Me(
        user="ada",
        role=Role.SCIENTIST,
        teams=("ads",),
        datasets=("clicks",),
        token_id=made.token.token_id,
        expires_at=until,
    )
    agent = door.make(NewToken(user="root", role=Role.VIEWER, site="dgx", expires_at=until))
    told = door.sign_in(agent).me()
    assert told == Me(user="agent:dgx", role=None, site="dgx", token_id=agent.token.token_id, expires_at=until)


def test_an_owner_says_who_may_use_a_dataset(door: Door, version: Version) -> None:
    door.access.join_team("ads", [])
    ada, ben = (door.sign_in(door.make(replace(MINE, user=name))) for name in ("ada", "ben"))
    principal = Person(user="ada", role=Role.SCIENTIST)
    new = NewVersion(
        dataset="mine", manifest_digest=version.manifest_digest, origin="registered", lake_url="s3://lake/x"
    )
    Guarded(door.hub, door.access, principal).catalog.add_version(new)
    policy = DatasetPolicy(dataset="mine", read=("ads",), set_by="somebody else")
    with pytest.raises(NotAllowedError, match="only its owner or an admin may govern it"):
        ben.set_policy(policy)
    assert ada.set_policy(policy).set_by == "ada"
    assert ada.policy("mine").read == ("ads",), "the owner is not shut out"
    with pytest.raises(NotFoundError):
        ben.policy("mine")


def test_the_audit_says_who_from_where_and_with_which_token(door: Door) -> None:
    made = door.make(MINE)
    with pytest.raises(NotAllowedError):
        door.sign_in(made).add_user("eve", Role.ADMIN)
    (line,) = door.access.audit(AuditQuery()).records
    assert (line.user, line.token_id, line.source, line.request_id) == ("ada", made.token.token_id, "10.0.0.7", "r-9")
    assert (line.action, line.call, line.detail) == ("manage", "access.add_user", "user eve, admin")
    assert line.reason == "that needs the role admin, this is a scientist"
