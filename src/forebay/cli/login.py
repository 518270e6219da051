"""`forebay login` and `logout`: which hub all commands ask, and as whom."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.table import say
from forebay.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from forebay.wire.access import Me

Url = Annotated[str, typer.Argument(metavar="URL", help="The team's hub: https://hub.example.org", show_default=False)]
_VARIABLES = ("FOREBAY_HUB", "FOREBAY_TOKEN")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """Whom the hub takes you for, and where that is kept."""

    hub: str
    file: Path
    me: Me


def add_to(app: typer.Typer) -> None:
    """Add both commands."""
    command(
        app,
        "login",
        example="""
forebay login https://hub.example.org
forebay login https://hub.example.org --token-stdin < token""",
        gives="forebay.cli.login:LoggedIn",
    )(login)
    command(app, "logout", example="forebay logout", gives="{file: text, forgotten: true or false}")(logout)


def login(
    call: Call,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The team's hub: https://hub.example.org", show_default=False)
    ],
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token from stdin; ask nothing.")] = False,
) -> None:
    """Have all commands ask a hub, as whoever a token is for.

    The token is asked for, tried, and kept with the hub in a file of yours that nobody else may read. It is sent to
    that hub alone. Flags, FOREBAY_HUB and FOREBAY_TOKEN, and a project's forebay.toml go before it.
    """
    from forebay.client.login import log_in
    from forebay.settings import load, login_file

    token = sys.stdin.readline().strip() if token_stdin else _asked(url)
    me = log_in(url, token, load(call.flags).settings.home / "hub")
    done = LoggedIn(hub=url.rstrip("/"), file=login_file(), me=me)
    role = f"the agent of {me.site}" if me.role is None else me.role.value
    call.show(done, ids=[me.user], human=lambda out: say(out, f"You are {me.user} ({role}) at {done.hub}"))
    _note_variables(call)


def logout(call: Call) -> None:
    """Forget the hub and the token that `forebay login` keeps. The token itself stays good: forebay token revoke."""
    from forebay.client.login import log_out
    from forebay.settings import login_file

    forgotten, file = log_out(), login_file()
    told = "You are logged out" if forgotten else "You were not logged in"
    call.show({"file": file, "forgotten": forgotten}, ids=[str(file)], human=lambda out: say(out, told))
    _note_variables(call)


def _asked(url: str) -> str:
    """From a person, unseen; InputError `needs-token` where there is none."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError("needs-token", "There is nobody to ask for the token.", todo="Give it with: --token-stdin")
    return str(typer.prompt(f"Token for {url}", hide_input=True, err=True)).strip()


def _note_variables(call: Call) -> None:
    for name in _VARIABLES:
        if os.environ.get(name):
            call.note(f"{name} is set, and goes before what is kept.")
