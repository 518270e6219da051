"""`forebay agent`: looks after one site for the hub, until it is told to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.log import begin_serving
from forebay.cli.serving import Serving, blobs_served
from forebay.cli.stopping import when_told_to_stop
from forebay.cli.table import say
from forebay.cli.words import size
from forebay.settings import parse_address

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.agent.agent import Agent
    from forebay.client.session import Session

SiteName = Annotated[
    str | None, typer.Option("--site", metavar="NAME", help="The site it is of. Default: the setting site.")
]
Capacity = Annotated[
    str | None,
    typer.Option(metavar="gpus=N,cpus=N,memory=SIZE", help="What the site has. Default: what is seen here."),
]
Labels = Annotated[str | None, typer.Option(metavar="A=B,...", help="Its labels: gpu-type=a100,cloud=azure")]
Engine = Annotated[str | None, typer.Option(metavar="process|slurm", help="What starts its runs.")]
Serve = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Serve the volume's files to other sites there; port 0: any.")
]
ServeUrl = Annotated[str | None, typer.Option(metavar="URL", help="Where they reach that, if not there.")]
TlsCert = Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate for it, with its chain (PEM).")]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Its key (PEM).")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Serve without TLS: a proxy in front of it speaks that.")]
Metrics = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Tell metrics and health there; port 0: any free one.")
]
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
    served_at: str
    metrics_at: str


def add_to(app: typer.Typer) -> None:
    """Add the command at the top."""
    command(
        app,
        "agent",
        example="""
forebay agent --site dgx --volume /mnt/cache
forebay agent --site aks --serve 0.0.0.0:8766 --tls-cert site.pem --tls-key site.key
forebay agent --site aks --labels gpu-type=a100,cloud=azure --metrics 127.0.0.1:9756 --drain
forebay agent --site cluster --engine slurm --capacity gpus=16,cpus=512,memory=4TB""",
        gives="forebay.cli.agent:Tending",
    )(agent)


def agent(
    call: Call,
    site: SiteName = None,
    capacity: Capacity = None,
    labels: Labels = None,
    engine: Engine = None,
    serve: Serve = None,
    serve_url: ServeUrl = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    insecure: Insecure = False,
    metrics: Metrics = None,
    drain: Drain = False,
) -> None:
    """Look after one site for the hub.

    It fills, evicts, verifies and starts runs there, as the hub orders. It ends at Ctrl-C or SIGTERM, with exit code 0.
    Runs go on for as long as the hub's hold lasts: an agent that is started again before takes them up. A second signal
    ends it at once. Exit code 5: another agent has the site. With --serve, other sites fill from its volume where it is
    nearer than the lake. With --metrics it answers GET /metrics, /healthz and /readyz there; where others can reach
    that, /metrics wants FOREBAY_METRICS_TOKEN.
    """
    begin_serving()
    from forebay.client.agent.agent import site_agent
    from forebay.client.session import Session

    given: dict[str, object] = {"site": site, "site_capacity": capacity, "site_labels": labels, "site_engine": engine}
    given |= {"site_serve": serve, "site_serve_url": serve_url, "site_tls_cert": tls_cert, "site_tls_key": tls_key}
    given["site_metrics"] = metrics
    with (
        Session.start({**call.flags, **given}) as session,
        site_agent(session) as its,
        _served(session, insecure=insecure) as served_at,
        _measured(session, its) as metrics_at,
    ):
        has = its.hello
        told = Tending(
            site=has.site,
            volume=session.cache.layout.root,
            engine=has.engine,
            gpus=has.gpus,
            cpus=has.cpus,
            memory_bytes=has.memory_bytes,
            labels=has.labels,
            served_at=served_at,
            metrics_at=metrics_at,
        )
        call.show(told, ids=[told.site], human=lambda out: show(out, told))
        with when_told_to_stop(its.drain if drain else its.pause):
            its.run()


@contextmanager
def _served(session: Session, *, insecure: bool) -> Iterator[str]:
    """The volume, where that is wished; the address by which other sites reach it, "" where none do."""
    settings = session.settings
    if not settings.site_serve:
        yield ""
        return
    host, port = parse_address(settings.site_serve)
    serving = Serving(
        host=host,
        port=port,
        url=settings.site_serve_url,
        certificate=settings.site_tls_cert,
        key=settings.site_tls_key,
        insecure=insecure,
    )
    with blobs_served(session, serving) as url:
        yield url


@contextmanager
def _measured(session: Session, its: Agent) -> Iterator[str]:
    """Its metrics, where they are wished; their address, "" where they are not."""
    wished = session.settings.site_metrics
    if not wished:
        yield ""
        return
    from forebay.client.agent.metrics import metrics_told

    with metrics_told(session, its, *parse_address(wished)) as url:
        yield url


def show(out: Console, told: Tending) -> None:
    """In words."""
    has = f"{told.gpus} GPUs, {told.cpus} CPUs, {size(told.memory_bytes)} of memory"
    say(out, f"The agent of {told.site} looks after {told.volume}, with {has} ({told.engine})")
    if told.served_at:
        say(out, f"Other sites may fill from it at {told.served_at}")
    if told.metrics_at:
        say(out, f"Its metrics are at {told.metrics_at}")
