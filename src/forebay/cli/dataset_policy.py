"""`forebay dataset policy`: which teams read, write and run a dataset, and at which sites its bytes may be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Name
from forebay.cli.table import print_facts, say
from forebay.cli.words import moment
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.access import DatasetPolicy

app = typer.Typer(cls=Group, no_args_is_help=True, help="Say who may use a dataset, and where it may be.")

EVERYBODY = "*"
"""How an option says that nothing is to be limited. No team or site can be called so."""

Teams = list[str] | None


@command(app, "show", example="forebay dataset policy show criteo", gives="forebay.wire.access:DatasetPolicy")
def show(call: Call, name: Name) -> None:
    """Show who may use a dataset, and where it may be."""
    found = call.session.access.policy(name)
    call.show(found, ids=[name], human=lambda out: _print(out, found))


@command(
    app,
    "set",
    example="""
forebay dataset policy set criteo --read ads --read maps --write ads
forebay dataset policy set criteo --sites dgx --sites aks
forebay dataset policy set criteo --read '*'""",
    gives="forebay.wire.access:DatasetPolicy",
)
def set_(
    call: Call,
    name: Name,
    read: Annotated[Teams, typer.Option(metavar="TEAM", help="Who reads it; may repeat. '*': everybody.")] = None,
    write: Annotated[Teams, typer.Option(metavar="TEAM", help="Who adds versions and moves tags; may repeat.")] = None,
    run: Annotated[Teams, typer.Option(metavar="TEAM", help="Who runs on it; may repeat.")] = None,
    sites: Annotated[Teams, typer.Option(metavar="SITE", help="Where its bytes may ever be; may repeat.")] = None,
) -> None:
    """Say who may use a dataset, and where it may be. What is not named stays as it is.

    Its owner and the admins always may. Who writes or runs may read, too.
    """
    given = {"read": read, "write": write, "run": run, "sites": sites}
    lists = {key: _names(f"--{key}", names) for key, names in given.items() if names}
    if not lists:
        raise InputError("usage", "nothing to set", todo="Name --read, --write, --run or --sites; '*' is everybody.")
    access = call.session.access
    found = access.set_policy(replace(access.policy(name), **lists))  # type: ignore[arg-type]
    call.show(found, ids=[name], human=lambda out: _print(out, found))


def _names(option: str, names: list[str]) -> tuple[str, ...]:
    if EVERYBODY not in names:
        return tuple(names)
    if len(set(names)) > 1:
        raise InputError("usage", f"{option}: '*' is everything, there is nothing to add to it")
    return ()


def _print(out: Console, policy: DatasetPolicy) -> None:
    everybody = "everybody, as their role allows"
    facts = [
        ("read", ", ".join(policy.read) or everybody),
        ("write", ", ".join(policy.write) or ("who may read it" if policy.read else everybody)),
        ("run", ", ".join(policy.run) or ("who may read it" if policy.read else everybody)),
        ("sites", ", ".join(policy.sites) or "anywhere"),
        ("set", f"{moment(policy.set_at)} by {policy.set_by}" if policy.set_at else ""),
    ]
    say(out, policy.dataset)
    print_facts(out, facts)
