"""`forebay link`: the ways between lakes and sites, and serving a volume to other sites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.serving import Serving, blobs_served
from forebay.cli.table import keep, number, print_table, say
from forebay.cli.words import ago, parse_option, size
from forebay.errors import InputError
from forebay.settings import parse_duration, parse_price, parse_rate

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.links import LinkRecord

app = typer.Typer(cls=Group, no_args_is_help=True, help="How fast and how dear it is from lakes and sites to sites.")

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A lake (s3://bucket) or a site (dgx).", show_default=False)
]
Target = Annotated[str, typer.Argument(metavar="TARGET", help="A site, or a volume of none.", show_default=False)]

_GB = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobsServed:
    """Where a volume's blobs are served."""

    url: str
    volume_id: str


@command(app, "ls", example="forebay link ls", gives="[forebay.wire.links:LinkRecord]")
def ls(call: Call) -> None:
    """List the links that fills measured or somebody declared."""
    links = call.session.hub.links.all()
    now = call.session.clock.now()
    call.show(links, ids=(f"{item.source} {item.target}" for item in links), human=lambda out: _print(out, links, now))


@command(
    app,
    "declare",
    example="""
forebay link declare s3://clicks dgx --price "0.09 USD"
forebay link declare aks dgx --bandwidth 120MB/s --latency 0.03s""",
    gives="forebay.wire.links:LinkRecord",
)
def declare(
    call: Call,
    source: Source,
    target: Target,
    bandwidth: Annotated[
        str, typer.Option(metavar="RATE", help="Believed until fills tell more: 120MB/s.", show_default=False)
    ] = "",
    latency: Annotated[
        str, typer.Option(metavar="TIME", help="Until a request's first byte: 0.03s.", show_default=False)
    ] = "",
    price: Annotated[
        str, typer.Option(metavar="PRICE", help='Of a GB over this link: "0.09 USD".', show_default=False)
    ] = "",
) -> None:
    """Say how fast, how far or how dear a link is. What is not said stays as it was said before."""
    rate = parse_option("--bandwidth", bandwidth, parse_rate) if bandwidth else None
    waits_s = parse_option("--latency", latency, parse_duration) if latency else None
    paid = parse_option("--price", price, parse_price) if price else None
    if rate is None and waits_s is None and paid is None:
        raise InputError(
            "usage", "Nothing was said of the link.", todo="Give --bandwidth 120MB/s, --latency 0.03s or --price."
        )
    price_byte = None if paid is None else paid.amount / _GB
    session = call.session
    said = session.hub.links.declare(source, target, bandwidth_bytes_s=rate, latency_s=waits_s, price_byte=price_byte)
    call.show(said, ids=[f"{source} {target}"], human=lambda out: _print(out, [said], session.clock.now()))


@command(app, "forget", example="forebay link forget s3://clicks dgx", gives="{source: text, target: text}")
def forget(call: Call, source: Source, target: Target) -> None:
    """Forget what was declared of a link and what fills measured."""
    call.session.hub.links.forget(source, target)
    shown = {"source": source, "target": target}
    call.show(shown, ids=[f"{source} {target}"], human=lambda out: say(out, f"Forgotten: {source} to {target}"))


@command(
    app,
    "serve",
    example="""
forebay link serve
forebay link serve --host 0.0.0.0 --port 8766 --tls-cert site.pem --tls-key site.key""",
    gives="forebay.cli.link:BlobsServed",
)
def serve(
    call: Call,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen here.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0: any free one.")] = 0,
    url: Annotated[
        str, typer.Option(metavar="URL", help="Where other sites reach it, if not there.", show_default=False)
    ] = "",
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate, with its chain (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key (PEM).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others come without TLS: a proxy in front of it speaks that.")
    ] = False,
) -> None:
    """Serve this volume's verified files to the fills of other sites, until Ctrl-C or SIGTERM.

    Whoever asks must show a ticket, which the hub gives to a fill of a version that it may read and that may be there.
    """
    import signal
    import threading

    session, told = call.session, threading.Event()
    before = {number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    serving = Serving(host=host, port=port, url=url, certificate=tls_cert, key=tls_key, insecure=insecure)
    try:
        with blobs_served(session, serving) as reached:
            served = BlobsServed(url=reached, volume_id=session.cache.volume_id)
            call.show(served, ids=[served.url], human=lambda out: say(out, f"The volume is served at {served.url}"))
            told.wait()
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _print(out: Console, links: list[LinkRecord], now: float) -> None:
    if not links:
        say(out, "Nothing is known of any link: fills measure them, or: forebay link declare SOURCE TARGET")
        return
    numbers = ("BANDWIDTH", "LATENCY", "PRICE OF A GB", "MOVED")
    rows = [
        (
            item.source,
            item.target,
            f"{size(item.bandwidth_bytes_s)}/s",
            f"{item.latency_s * 1000:.3g} ms",
            f"{item.price_byte * _GB:.4g}" if item.price_byte else "-",
            size(item.moved_bytes) if item.moved_bytes else "-",
            ago(item.measured_at, now) if item.measured_at else "only declared",
        )
        for item in links
    ]
    print_table(out, [keep("SOURCE"), keep("TARGET"), *map(number, numbers), keep("MEASURED")], rows)
