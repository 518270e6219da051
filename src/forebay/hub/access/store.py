"""Users, teams, tokens, policies and the audit on the database: implements `wire.access.Access`, unguarded.

Who may call it is decided before: by `Guarded.access`, or by having the database at hand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, ride, writing
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import NotFoundError
from forebay.hub.access import people, policies, tokens, trail
from forebay.hub.access.rules import Person, Principal
from forebay.hub.access.subjects import Subjects
from forebay.wire.access import (
    AuditPage,
    AuditQuery,
    DatasetPolicy,
    MadeToken,
    Me,
    NewToken,
    Outcome,
    Role,
    Team,
    Token,
    User,
)
from forebay.wire.links import LinkRecord


class AccessStore:
    """Implements `wire.access.Access`; `subjects` is what the guard asks about datasets, fills and leases."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self.subjects = Subjects(engine)

    def me(self) -> Me:
        return Me(user="", role=Role.ADMIN)

    def users(self) -> list[User]:
        with reading(self._engine) as connection:
            return people.list_users(connection)

    def add_user(self, name: str, role: Role) -> User:
        with writing(self._engine) as connection:
            return people.add_user(connection, name, role, self._clock.now())

    def set_role(self, name: str, role: Role) -> User:
        with writing(self._engine) as connection:
            return people.set_role(connection, name, role)

    def remove_user(self, name: str) -> None:
        with writing(self._engine) as connection:
            people.remove_user(connection, name, self._clock.now())

    def teams(self) -> list[Team]:
        with reading(self._engine) as connection:
            return people.list_teams(connection)

    def join_team(self, team: str, users: Sequence[str]) -> Team:
        with writing(self._engine) as connection:
            return people.join_team(connection, team, users)

    def leave_team(self, team: str, users: Sequence[str]) -> Team:
        with writing(self._engine) as connection:
            return people.leave_team(connection, team, users)

    def remove_team(self, team: str) -> None:
        with writing(self._engine) as connection:
            people.remove_team(connection, team)

    def tokens(self, user: str = "") -> list[Token]:
        with reading(self._engine) as connection:
            if not user:
                return tokens.list_tokens(connection)
            return tokens.list_tokens(connection, t.token.c.user_id == people.user_id(connection, user))

    def token(self, token_id: str) -> Token:
        """One token; NotFoundError `token-not-found`."""
        with reading(self._engine) as connection:
            return tokens.one(connection, token_id)

    def make_token(self, new: NewToken) -> MadeToken:
        with writing(self._engine) as connection:
            return tokens.make(connection, new, self._clock.now())

    def revoke_token(self, token_id: str) -> Token:
        with writing(self._engine) as connection:
            return tokens.revoke(connection, token_id, self._clock.now())

    def policy(self, dataset: str) -> DatasetPolicy:
        with reading(self._engine) as connection:
            return policies.policy(connection, dataset)

    def set_policy(self, policy: DatasetPolicy) -> DatasetPolicy:
        with writing(self._engine) as connection:
            return policies.set_policy(connection, policy, self._clock.now())

    def audit(self, query: AuditQuery) -> AuditPage:
        with reading(self._engine) as connection:
            return trail.read(connection, query)

    def links(self, datasets: Collection[str]) -> list[LinkRecord]:
        """The links as these datasets' fills saw them."""
        return self.subjects.links(datasets, self._clock.now())

    def write_audit(self, line: trail.Line) -> None:
        """Add a line to the audit: before what it tells of is done, or with that in one transaction."""
        now = self._clock.now()
        ride(self._engine, lambda connection: trail.write(connection, line, now))

    def principal_of(self, token: str | None, request: trail.Request | None = None) -> Principal:
        """Whom a token's secret speaks for; NotAllowedError `not-signed-in`, the same whatever is wrong with it.

        Who still uses a token that has ended is in the audit, though not with every single request.
        """
        now = self._clock.now()
        with reading(self._engine) as connection:
            found = tokens.look_up(connection, token, now)
        if found is not None and found.stale:
            with writing(self._engine) as connection:
                tokens.note_use(connection, found.principal.token_id, now)
                if found.ended:
                    trail.write(connection, _still_used(found, request or trail.Request()), now)
        if found is None or found.ended:
            raise tokens.not_signed_in()
        return found.principal

    def principals_of(self, asking: Mapping[str, trail.Request]) -> dict[str, Principal]:
        """Whom secrets speak for, by these, in one question: those that hold. Within `joining` what is to be noted of
        their use is written at the end.
        """
        now = self._clock.now()
        with reading(self._engine) as connection:
            found = tokens.look_up_all(connection, asking, now)
        stale = {secret: one for secret, one in found.items() if one.stale}

        def note(connection: Connection) -> None:
            for secret, one in stale.items():
                tokens.note_use(connection, one.principal.token_id, now)
                if one.ended:
                    trail.write(connection, _still_used(one, asking[secret]), now)

        if stale:
            ride(self._engine, note)
        return {secret: one.principal for secret, one in found.items() if not one.ended}

    def person(self, user: str) -> Person | None:
        """What a user may do at most, by now; None for one that is no more."""
        with reading(self._engine) as connection:
            try:
                found = people.one_user(connection, user)
            except NotFoundError:
                return None
        return Person(user=found.name, role=found.role, teams=frozenset(found.teams))

    def bootstrap(self, name: str = "admin", secret: str = "") -> MadeToken | None:
        """The first admin with a token, once in the life of a hub; None for all that come later or lose the race.

        With a `secret` that is the token's. InputError `bad-token`.
        """
        now = self._clock.now()
        with reading(self._engine) as connection:
            if connection.execute(sa.select(t.first_admin.c.made_at)).first() is not None:
                return None
        with writing(self._engine) as connection:
            if not insert_if_absent(connection, t.first_admin, {"first_admin_id": 1, "made_at": now}):
                return None
            admins = people.list_users(connection, t.hub_user.c.role == Role.ADMIN.value)
            admin = admins[0] if admins else people.add_user(connection, name, Role.ADMIN, now)
            return tokens.make(
                connection, NewToken(user=admin.name, role=Role.ADMIN, note="the first token"), now, secret
            )


def _still_used(found: tokens.Found, request: trail.Request) -> trail.Line:
    return trail.Line(
        user=found.principal.name,
        token_id=found.principal.token_id,
        deed=trail.Deed(action="sign-in", call="access.principal_of"),
        request=request,
        outcome=Outcome.REFUSED,
        reason=found.ended,
    )
