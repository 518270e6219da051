"""Who is on the hub, for its admins: users and teams with what hangs on them. To all others there is nobody."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.rules import Action, Whole, decide
from forebay.hub.board.sight import Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIns:
    """A user's tokens that hold, and when one of theirs was used last (0: never; coarse, in Unix seconds)."""

    tokens: int = 0
    last_used_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamUse:
    """What names a team: the policies of datasets, datasets whose quota it is, and quotas."""

    policies: tuple[str, ...] = ()
    datasets: int = 0
    quotas: int = 0


def sign_ins(connection: Connection, sight: Sight, now: float) -> dict[str, SignIns]:
    """By user; web sessions count as tokens."""
    if not _manages(sight):
        return {}
    holds = sa.and_(t.token.c.revoked_at == 0, sa.or_(t.token.c.expires_at == 0, t.token.c.expires_at > now))
    query = (
        sa.select(
            t.hub_user.c.name,
            sa.func.sum(sa.case((holds, 1), else_=0)),
            sa.func.max(t.token.c.last_used_at),
        )
        .join(t.token, t.token.c.user_id == t.hub_user.c.user_id)
        .group_by(t.hub_user.c.name)
    )
    return {
        name: SignIns(tokens=int(tokens), last_used_at=last or 0.0) for name, tokens, last in connection.execute(query)
    }


def team_uses(connection: Connection, sight: Sight) -> dict[str, TeamUse]:
    """By team."""
    if not _manages(sight):
        return {}
    policies: dict[str, set[str]] = defaultdict(set)
    lists = (t.dataset_policy.c.read_teams, t.dataset_policy.c.write_teams, t.dataset_policy.c.run_teams)
    named = sa.select(t.dataset.c.name, *lists).join(
        t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id
    )
    for dataset, *texts in connection.execute(named.where(t.dataset.c.removed_at == 0)):
        for team in " ".join(texts).split():
            policies[team].add(dataset)
    owned = _count(connection, t.dataset.c.team, t.dataset.c.removed_at == 0)
    quotas = _count(connection, t.quota.c.team, sa.true())
    return {
        team: TeamUse(
            policies=tuple(sorted(policies.get(team, ()))), datasets=owned.get(team, 0), quotas=quotas.get(team, 0)
        )
        for team in {*policies, *owned, *quotas} - {""}
    }


def _count(connection: Connection, column: sa.Column[str], where: sa.ColumnElement[bool]) -> dict[str, int]:
    rows = connection.execute(sa.select(column, sa.func.count()).where(where).group_by(column))
    return {team: int(number) for team, number in rows}


def _manages(sight: Sight) -> bool:
    return decide(sight.principal, Action.MANAGE, Whole()).allowed
