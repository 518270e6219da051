"""Users and teams. Every function works inside the caller's transaction.

A hub that has an admin never loses the last one. A user's row stays when it is removed: its name means nobody else.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.catalog.names import MAX_NAME, check_team_name, did_you_mean
from forebay.catalog.versions import insert_if_absent
from forebay.errors import ConflictError, InputError, NotFoundError
from forebay.wire.access import Role, Team, User

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]*", re.ASCII)
_IS_THERE = t.hub_user.c.removed_at == 0


def check_user_name(name: str) -> str:
    """The name itself when it may name a user; InputError `bad-user` otherwise."""
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise InputError(
            "bad-user",
            f"{name!r} cannot be the name of a user.",
            todo="Use lower-case letters, digits, '.', '_', '-', '+' and '@'; begin with a letter or digit; "
            f"at most {MAX_NAME} characters.",
        )
    return name


def list_users(connection: Connection, *where: ColumnElement[bool]) -> list[User]:
    """Users by name, with their teams."""
    rows = connection.execute(sa.select(t.hub_user).where(_IS_THERE, *where).order_by(t.hub_user.c.name)).all()
    teams = defaultdict(list)
    for row in connection.execute(sa.select(t.membership).order_by(t.membership.c.team)):
        teams[row.user_id].append(row.team)
    return [
        User(name=row.name, role=Role(row.role), teams=tuple(teams[row.user_id]), created_at=row.created_at)
        for row in rows
    ]


def user_id(connection: Connection, name: str) -> int:
    """The row of a user; NotFoundError `user-not-found`."""
    found = connection.execute(sa.select(t.hub_user.c.user_id).where(t.hub_user.c.name == name, _IS_THERE)).scalar()
    if found is None:
        known = connection.execute(sa.select(t.hub_user.c.name).where(_IS_THERE)).scalars()
        todo = did_you_mean(name, known, otherwise="forebay user ls shows all of them.")
        raise NotFoundError("user-not-found", f"There is no user {name!r}.", todo=todo)
    return int(found)


def one_user(connection: Connection, name: str) -> User:
    """One user; NotFoundError `user-not-found`."""
    return list_users(connection, t.hub_user.c.user_id == user_id(connection, name))[0]


def add_user(connection: Connection, name: str, role: Role, now: float) -> User:
    """A new user, or one that was removed, without its teams; ConflictError `user-exists`."""
    values = {"role": role.value, "created_at": now, "removed_at": 0.0}
    if not insert_if_absent(connection, t.hub_user, {"name": check_user_name(name), **values}):
        gone = sa.and_(t.hub_user.c.name == name, sa.not_(_IS_THERE))
        if connection.execute(sa.update(t.hub_user).where(gone).values(values)).rowcount == 0:
            raise ConflictError(
                "user-exists", f"There is a user {name!r} already.", todo=f"Its role: forebay user role {name} ROLE"
            )
    return one_user(connection, name)


def set_role(connection: Connection, name: str, role: Role) -> User:
    """Another role; ConflictError `last-admin`."""
    changed = user_id(connection, name)
    if role is not Role.ADMIN:
        _keep_an_admin(connection, changed, name)
    connection.execute(sa.update(t.hub_user).where(t.hub_user.c.user_id == changed).values(role=role.value))
    return one_user(connection, name)


def remove_user(connection: Connection, name: str, now: float) -> None:
    """With its tokens and its memberships; ConflictError `last-admin`."""
    removed = user_id(connection, name)
    _keep_an_admin(connection, removed, name)
    live = sa.and_(t.token.c.user_id == removed, t.token.c.revoked_at == 0)
    connection.execute(sa.update(t.token).where(live).values(revoked_at=now))
    connection.execute(sa.delete(t.membership).where(t.membership.c.user_id == removed))
    connection.execute(sa.update(t.hub_user).where(t.hub_user.c.user_id == removed).values(removed_at=now))


def list_teams(connection: Connection) -> list[Team]:
    """Teams by name, with their members."""
    members = defaultdict(list)
    joined = sa.select(t.membership.c.team, t.hub_user.c.name).join(
        t.hub_user, t.hub_user.c.user_id == t.membership.c.user_id
    )
    for row in connection.execute(joined.order_by(t.hub_user.c.name)):
        members[row.team].append(row.name)
    names = connection.execute(sa.select(t.team.c.name).order_by(t.team.c.name)).scalars()
    return [Team(name=name, members=tuple(members[name])) for name in names]


def require_teams(connection: Connection, names: Iterable[str]) -> None:
    """NotFoundError `team-not-found` for the first one that is not there."""
    known = set(connection.execute(sa.select(t.team.c.name)).scalars())
    for name in names:
        if name not in known:
            todo = did_you_mean(name, known, otherwise=f"Make it: forebay team add {name} USER")
            raise NotFoundError("team-not-found", f"There is no team {name!r}.", todo=todo)


def join_team(connection: Connection, team: str, users: Sequence[str]) -> Team:
    """Make users members; the team is made where there is none."""
    insert_if_absent(connection, t.team, {"name": check_team_name(team)})
    for name in users:
        insert_if_absent(connection, t.membership, {"team": team, "user_id": user_id(connection, name)})
    return _one_team(connection, team)


def leave_team(connection: Connection, team: str, users: Sequence[str]) -> Team:
    """NotFoundError `team-not-found`, `not-a-member`."""
    require_teams(connection, [team])
    for name in users:
        here = sa.and_(t.membership.c.team == team, t.membership.c.user_id == user_id(connection, name))
        if connection.execute(sa.delete(t.membership).where(here)).rowcount == 0:
            members = ", ".join(_one_team(connection, team).members) or "nobody"
            raise NotFoundError(
                "not-a-member", f"{name!r} is not in the team {team!r}.", todo=f"Its members: {members}."
            )
    return _one_team(connection, team)


def remove_team(connection: Connection, team: str) -> None:
    """With its memberships; ConflictError `team-in-use` while a policy names it."""
    require_teams(connection, [team])
    policies = t.dataset_policy
    lists = (policies.c.read_teams, policies.c.write_teams, policies.c.run_teams)
    query = sa.select(t.dataset.c.name, *lists).join(policies, policies.c.dataset_id == t.dataset.c.dataset_id)
    query = query.where(t.dataset.c.removed_at == 0)
    named = sorted(row[0] for row in connection.execute(query) if any(team in names.split() for names in row[1:]))
    if named:
        raise ConflictError(
            "team-in-use",
            f"The team {team!r} is in the policy of {', '.join(named)}.",
            todo=f"Take it out there first: forebay dataset policy set {named[0]}",
        )
    connection.execute(sa.delete(t.membership).where(t.membership.c.team == team))
    connection.execute(sa.delete(t.team).where(t.team.c.name == team))


def _one_team(connection: Connection, team: str) -> Team:
    return next(item for item in list_teams(connection) if item.name == team)


def _keep_an_admin(connection: Connection, leaving: int, name: str) -> None:
    admins = sa.select(t.hub_user.c.user_id).where(t.hub_user.c.role == Role.ADMIN.value, _IS_THERE).with_for_update()
    if set(connection.execute(admins).scalars()) == {leaving}:
        raise ConflictError(
            "last-admin", f"{name!r} is the only admin.", todo="Make another one first: forebay user role NAME admin"
        )
