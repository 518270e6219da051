"""`forebay user`: who may use the hub, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Yes
from forebay.cli.table import keep, print_table, say, text
from forebay.cli.words import ago, count, parse_role

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.access import User

app = typer.Typer(cls=Group, no_args_is_help=True, help="Who may use the hub, and as what.")

UserName = Annotated[str, typer.Argument(metavar="USER", help="A user: ada", show_default=False)]
RoleName = Annotated[
    str, typer.Argument(metavar="ROLE", help="viewer, scientist, engineer or admin", show_default=False)
]


@command(
    app,
    "add",
    example="""
forebay user add ada scientist
forebay user add ada scientist && forebay token make --user ada""",
    gives="forebay.wire.access:User",
)
def add(call: Call, name: UserName, role: RoleName) -> None:
    """Add a user. To sign in, they need a token: forebay token make."""
    user = call.session.access.add_user(name, parse_role(role))
    call.show(user, ids=[user.name], human=lambda out: say(out, f"{user.name} is a {user.role} now"))


@command(app, "ls", example="forebay user ls", gives="[forebay.wire.access:User]")
def ls(call: Call) -> None:
    """List the users."""
    found = call.session.access.users()
    now = call.now
    call.show(found, ids=(item.name for item in found), human=lambda out: _print_users(out, found, now))


@command(app, "role", example="forebay user role ada engineer", gives="forebay.wire.access:User")
def role(call: Call, name: UserName, role: RoleName) -> None:
    """Give a user another role. Their tokens may do no more than it from now on."""
    user = call.session.access.set_role(name, parse_role(role))
    call.show(user, ids=[user.name], human=lambda out: say(out, f"{user.name} is a {user.role} now"))


@command(app, "rm", example="forebay user rm ada --yes", gives="{user: text, tokens: number}")
def rm(call: Call, name: UserName, yes: Yes = False) -> None:
    """Remove a user. Their tokens end with it, those of agents that they made, too."""
    access, now = call.session.access, call.now
    live = [item for item in access.tokens(name) if not item.revoked_at and not 0 < item.expires_at <= now]
    sites = [item.site for item in live if item.site]
    agents = f" (the agents of {', '.join(sites)} among them)" if sites else ""
    call.confirm(f"Remove {name}? {count(len(live), 'token')}{agents} will end.", yes=yes)
    access.remove_user(name)
    told = f"{name} is no user any more; {count(len(live), 'token')} ended"
    call.show({"user": name, "tokens": len(live)}, ids=[name], human=lambda out: say(out, told))


def _print_users(out: Console, users: list[User], now: float) -> None:
    if not users:
        say(out, "No user yet. On this machine you need none; for others: forebay user add NAME scientist")
        return
    columns = [keep("USER"), keep("ROLE"), text("TEAMS"), text("ADDED")]
    rows = ((item.name, item.role.value, ", ".join(item.teams), ago(item.created_at, now)) for item in users)
    print_table(out, columns, rows)
