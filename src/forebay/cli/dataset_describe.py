"""`forebay dataset describe`: what a dataset is, in words that the search finds."""

from __future__ import annotations

from typing import Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.options import Name
from forebay.cli.table import say
from forebay.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "describe",
        example="""
forebay dataset describe criteo 'clicks of a day, one line each'
forebay dataset describe criteo --none""",
        gives="forebay.wire.catalog:Dataset",
    )(describe)


def describe(
    call: Call,
    name: Name,
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What it is.", show_default=False)] = "",
    none: Annotated[bool, typer.Option("--none", help="Say nothing of it any more.")] = False,
) -> None:
    """Say what a dataset is, for who looks for it."""
    if bool(text.strip()) == none:
        raise InputError("usage", "say what it is", todo="forebay dataset describe criteo 'clicks of a day', or --none")
    dataset = call.session.hub.catalog.describe(name, text)
    told = f"{name} is described now" if dataset.description else f"nothing is said of {name} any more"
    call.show(dataset, ids=[name], human=lambda out: say(out, told))
