"""`forebay whoami`: who one is on the hub, and what one's token is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.table import print_facts, say
from forebay.cli.words import moment

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.access import Me


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "whoami",
        example="""
forebay whoami
forebay whoami -q""",
        gives="forebay.wire.access:Me",
    )(whoami)


def whoami(call: Call) -> None:
    """Show who you are on the hub.

    Your role and teams, what your token is for and until when.
    """
    me = call.session.access.me()
    hub = call.session.settings.hub
    call.show(me, ids=[me.user], human=lambda out: _print(out, me, hub))


def _print(out: Console, me: Me, hub: str) -> None:
    facts = [
        ("hub", hub or "the one on this machine"),
        ("role", "the agent of a site" if me.role is None else me.role.value),
        ("site", me.site),
        ("teams", ", ".join(me.teams)),
        ("datasets", ", ".join(me.datasets) or "all that it may see"),
        ("token", me.token_id),
        ("expires", moment(me.expires_at) if me.expires_at else "never" if me.token_id else ""),
    ]
    say(out, me.user)
    print_facts(out, facts)
