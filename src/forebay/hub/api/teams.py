"""Teams: users under one name, for the policies of datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.users import UserName
from forebay.wire.access import Team

router = resource("teams", "/teams")

_MOST_USERS = 1000


@dataclass(frozen=True, kw_only=True)
class Members:
    """Users by name."""

    users: list[UserName]


@router.get("")
def list_teams(hub: Acting, paging: Paging) -> Page[Team]:
    """All teams with their members, by name."""
    return page(hub.access.teams(), lambda item: (item.name,), paging)


@router.post("/{team}/members")
def join_team(hub: Acting, team: str, members: Members) -> Team:
    """Make users members too; the team is made where there is none."""
    return hub.access.join_team(team, members.users)


@router.delete("/{team}/members")
def leave_team(
    hub: Acting, team: str, user: Annotated[list[UserName], Query(max_length=_MOST_USERS, description="May repeat.")]
) -> Team:
    """Take members out."""
    return hub.access.leave_team(team, user)


@router.delete("/{team}", status_code=204)
def remove_team(hub: Acting, team: str) -> None:
    """Remove a team that no policy names."""
    hub.access.remove_team(team)
