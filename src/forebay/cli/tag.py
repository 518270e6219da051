"""`forebay dataset tag`, `untag`, `tags`: movable names of versions, whose every move is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.dataset_shown import print_moves
from forebay.cli.options import Name, NameOrRef
from forebay.cli.table import say
from forebay.errors import InputError


def add_to(app: typer.Typer) -> None:
    """Add the three commands."""
    command(
        app,
        "tag",
        example="""
forebay dataset tag criteo@v3 prod
forebay dataset tag criteo --remove prod""",
        gives="forebay.wire.catalog:TagMove",
    )(tag)
    command(app, "untag", example="forebay dataset untag criteo prod", gives="forebay.wire.catalog:TagMove")(untag)
    command(
        app,
        "tags",
        example="""
forebay dataset tags criteo
forebay dataset tags criteo prod""",
        gives="[forebay.wire.catalog:TagMove]",
    )(tags)


def tag(
    call: Call,
    ref: NameOrRef,
    name: Annotated[str | None, typer.Argument(metavar="[TAG]", help="The tag: prod", show_default=False)] = None,
    remove: Annotated[str | None, typer.Option(metavar="TAG", help="Take this tag away.", show_default=False)] = None,
) -> None:
    """Point a tag at a version, or take one away. Every move is kept (see `tags`)."""
    if (name is None) == (remove is None):
        raise InputError("usage", "name one tag", todo="forebay dataset tag criteo@v3 prod, or --remove prod")
    if remove is not None:
        _untag(call, ref.partition("@")[0], remove)
        return
    assert name is not None
    from forebay.client.subset import require_whole

    catalog = call.session.hub.catalog
    version = require_whole(catalog.resolve(ref))
    before = next((item for item in catalog.versions(version.dataset) if name in item.tags), None)
    move = catalog.tag(version.dataset, name, version.number, call.session.settings.user)
    told = f"{version.dataset}@{name} is {version.ref} now"
    if before is not None:
        told += " already" if before.number == version.number else f", it was {before.ref}"
    call.show(
        move, ids=[f"{version.dataset}@{name}"], human=lambda out: say(out, told.replace("now already", "already"))
    )


def untag(call: Call, name: Name, tag: Annotated[str, typer.Argument(metavar="TAG", show_default=False)]) -> None:
    """Take a tag away; its history stays."""
    _untag(call, name, tag)


def tags(
    call: Call,
    name: Name,
    tag: Annotated[str | None, typer.Argument(metavar="[TAG]", help="Only this one.", show_default=False)] = None,
) -> None:
    """Show the history of a dataset's tags, newest first."""
    moves = call.session.hub.catalog.tag_history(name, tag)
    call.show(moves, ids=dict.fromkeys(move.tag for move in moves), human=lambda out: print_moves(out, name, moves))


def _untag(call: Call, dataset: str, tag: str) -> None:
    move = call.session.hub.catalog.untag(dataset, tag, call.session.settings.user)
    call.show(move, ids=[tag], human=lambda out: say(out, f"{dataset}@{tag} is no more"))
