"""`forebay why`: what anything waits for, and what would end that."""

from __future__ import annotations

from typing import Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command

Thing = Annotated[
    str,
    typer.Argument(
        metavar="RUN|TASK|RULE|SITE|REF", help="A run, task, rule or site, or a version: criteo@v3", show_default=False
    ),
]
AtSite = Annotated[str, typer.Option("--site", metavar="SITE", help="A version only there.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add the command at the top."""
    command(
        app,
        "why",
        example="""
forebay why 3fa9c1
forebay why dgx
forebay why criteo@v3 --site dgx""",
        gives="[forebay.client.why:Why]",
    )(why)


def why(call: Call, thing: Thing, site: AtSite = "") -> None:
    """Say why a run, task, rule, site or version waits.

    State, reason, since when, tries, the next one, the last error of each object, what unblocks it. A version is
    looked up at all sites; on this machine's own volume that is: forebay cache why
    """
    from forebay.cli.sites_shown import print_why
    from forebay.client.why import why as ask

    found = ask(call.session.hub, thing, site, now=call.now)
    call.show(found, ids=(item.thing for item in found), human=lambda out: print_why(out, found, call.now))
