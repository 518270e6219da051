"""`forebay cache metrics`: the volume's metrics for a Prometheus: printed, in a file, or over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.table import say
from forebay.cli.words import parse_option

if TYPE_CHECKING:
    from forebay.metrics.family import Sample
    from forebay.metrics.listen import Listener

_EVERY = "30s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number: a metric's name, its labels and its value."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the metrics are."""

    url: str


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "metrics",
        example="""
forebay cache metrics
forebay cache metrics --textfile /var/lib/node_exporter/forebay.prom --every 1min
forebay cache metrics --listen 127.0.0.1:9755""",
        gives={"": "[forebay.cli.cache_metrics:Measured]", "--listen": "forebay.cli.cache_metrics:Listening"},
    )(metrics)


def metrics(
    call: Call,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Tell them under http://ADDRESS/metrics.", show_default=False)
    ] = "",
    textfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write them there, for node_exporter: NAME.prom.")
    ] = None,
    every: Annotated[
        str, typer.Option(metavar="TIME", help=f"Measure again and again. With --listen {_EVERY}.", show_default=False)
    ] = "",
) -> None:
    """Measure the cache volume for a Prometheus.

    Room, state, replicas, leases, fills and trash, and how long a small file takes to be written and synced. With
    --listen or --every until Ctrl-C. On an address that others can reach, --listen wants FOREBAY_METRICS_TOKEN.
    """
    from forebay.metrics.listen import Listener, parse_address
    from forebay.settings import parse_duration

    pause_s = parse_option("--every", every or (_EVERY if listen else "never"), parse_duration)
    token = call.session.settings.metrics_token
    if not listen:
        _measure(call, textfile, None, pause_s)
        return
    host, port = parse_option("--listen", listen, parse_address)
    with Listener(host, port, token) as listener:
        _measure(call, textfile, listener, pause_s)


def _measure(call: Call, textfile: Path | None, listener: Listener | None, pause_s: float | None) -> None:
    """Once, or again and again; where the metrics are is told when they are there."""
    from forebay.fsio import Disk
    from forebay.metrics.exposition import rendered, write_textfile

    meter, is_first = call.session.volume_meter, True
    while True:
        samples = meter.measure()
        if textfile is not None:
            write_textfile(textfile, samples, Disk())
        if listener is not None:
            listener.text = rendered(samples)
            if is_first:
                _tell(call, listener.url)
        elif textfile is None:
            _print(call, samples)
        if pause_s is None:
            return
        is_first = False
        time.sleep(pause_s)


def _tell(call: Call, url: str) -> None:
    call.show(Listening(url=url), ids=[url], human=lambda out: say(out, f"The metrics are at {url}"))


def _print(call: Call, samples: list[Sample]) -> None:
    from forebay.metrics.exposition import rendered

    values = [
        Measured(
            name=item.family.name, labels=dict(zip(item.family.labels, item.labels, strict=True)), value=item.value
        )
        for item in samples
    ]
    text = rendered(samples).decode()
    call.show(values, ids=(item.name for item in values), human=lambda out: out.out(text, end=""))
