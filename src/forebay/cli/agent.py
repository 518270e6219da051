"""`forebay agent`: looks after one site for the hub, until it is told to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.log import begin_serving
from forebay.cli.stopping import when_told_to_stop
from forebay.cli.table import say
from forebay.cli.words import size

if TYPE_CHECKING:
    from rich.console import Console

SiteName = Annotated[
    str | None, typer.Option("--site", metavar="NAME", help="The site it is of. Default: the setting site.")
]
Capacity = Annotated[
    str | None,
    typer.Option(metavar="gpus=N,cpus=N,memory=SIZE", help="What the site has. Default: what is seen here."),
]
Labels = Annotated[str | None, typer.Option(metavar="A=B,...", help="Its labels: gpu-type=a100,cloud=azure")]
Engine = Annotated[str | None, typer.Option(metavar="process|slurm", help="What starts its runs.")]
Drain = Annotated[bool, typer.Option("--drain", help="When told to end, wait until all runs have ended.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tending:
    """What an agent looks after."""

    site: str
    volume: Path
    engine: str
    gpus: int
    cpus: int
    memory_bytes: int
    labels: str


def add_to(app: typer.Typer) -> None:
    """Add the command at the top."""
    command(
        app,
        "agent",
        example="""
forebay agent --site dgx --volume /mnt/cache
forebay agent --site aks --labels gpu-type=a100,cloud=azure --drain
forebay agent --site cluster --engine slurm --capacity gpus=16,cpus=512,memory=4TB""",
        gives="forebay.cli.agent:Tending",
    )(agent)


def agent(
    call: Call,
    site: SiteName = None,
    capacity: Capacity = None,
    labels: Labels = None,
    engine: Engine = None,
    drain: Drain = False,
) -> None:
    """Look after one site for the hub.

    It fills, evicts, verifies and starts runs there, as the hub orders. It ends at Ctrl-C or SIGTERM, with exit code 0.
    Runs go on for as long as the hub's hold lasts: an agent that is started again before takes them up. A second signal
    ends it at once. Exit code 5: another agent has the site.
    """
    begin_serving()
    from forebay.client.agent.agent import site_agent
    from forebay.client.session import Session

    given = {"site": site, "site_capacity": capacity, "site_labels": labels, "site_engine": engine}
    with Session.start({**call.flags, **given}) as session, site_agent(session) as its:
        has = its.hello
        told = Tending(
            site=has.site,
            volume=session.cache.layout.root,
            engine=has.engine,
            gpus=has.gpus,
            cpus=has.cpus,
            memory_bytes=has.memory_bytes,
            labels=has.labels,
        )
        call.show(told, ids=[told.site], human=lambda out: show(out, told))
        with when_told_to_stop(its.drain if drain else its.pause):
            its.run()


def show(out: Console, told: Tending) -> None:
    """In words."""
    has = f"{told.gpus} GPUs, {told.cpus} CPUs, {size(told.memory_bytes)} of memory"
    say(out, f"The agent of {told.site} looks after {told.volume}, with {has} ({told.engine})")
