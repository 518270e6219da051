"""`forebay team`: users under one name, for the policies of datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Yes
from forebay.cli.table import keep, print_table, say, wrapped
from forebay.cli.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.access import Team

app = typer.Typer(cls=Group, no_args_is_help=True, help="Users under one name, for the policies of datasets.")

TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="A team: ads", show_default=False)]
Users = Annotated[list[str] | None, typer.Argument(metavar="[USER...]", help="Users: ada ben", show_default=False)]


@command(
    app,
    "add",
    example="""
forebay team add ads ada ben
forebay team add ads""",
    gives="forebay.wire.access:Team",
)
def add(call: Call, team: TeamName, users: Users = None) -> None:
    """Make users members of a team. A new name makes the team."""
    made = call.session.access.join_team(team, users or [])
    call.show(made, ids=made.members, human=lambda out: say(out, _told(made)))


@command(app, "ls", example="forebay team ls", gives="[forebay.wire.access:Team]")
def ls(call: Call) -> None:
    """List the teams with their members."""
    found = call.session.access.teams()
    call.show(found, ids=(item.name for item in found), human=lambda out: _print_teams(out, found))


@command(
    app,
    "rm",
    example="""
forebay team rm ads ben
forebay team rm ads --yes""",
    gives={"USER...": "forebay.wire.access:Team", "": "{team: text}"},
)
def rm(call: Call, team: TeamName, users: Users = None, yes: Yes = False) -> None:
    """Take members out of a team; without any, the team itself goes."""
    access = call.session.access
    if users:
        left = access.leave_team(team, users)
        call.show(left, ids=left.members, human=lambda out: say(out, _told(left)))
        return
    members = next((len(item.members) for item in access.teams() if item.name == team), 0)
    call.confirm(f"Remove the team {team} with {count(members, 'member')}?", yes=yes)
    access.remove_team(team)
    call.show({"team": team}, ids=[team], human=lambda out: say(out, f"{team} is no team any more"))


def _told(team: Team) -> str:
    return f"{team.name}: {', '.join(team.members) or 'nobody yet'}"


def _print_teams(out: Console, teams: list[Team]) -> None:
    if not teams:
        say(out, "No team yet. Make one: forebay team add NAME USER")
        return
    print_table(out, [keep("TEAM"), wrapped("MEMBERS")], ((item.name, ", ".join(item.members)) for item in teams))
