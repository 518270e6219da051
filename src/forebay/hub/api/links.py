"""Links: what is known of the ways between lakes and sites, and who serves what to whom.

A ticket goes out in an answer that nothing keeps, and comes back in a body, never in an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import Field

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count, Digest, Finite
from forebay.wire.links import LinkRecord, Sources, Ticketed, TransferReport

router = resource("links")

Place = Annotated[str, Field(min_length=1, max_length=512)]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a fill moved from one source."""

    source: Place
    dataset: str
    moved_bytes: Count
    seconds: Finite
    requests: Count = 1
    streams: Count = 1
    first_byte_s: Finite = 0.0
    concurrency: Finite = 1.0


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What somebody says of a link; null: as before."""

    source: Place
    target: Place
    bandwidth_bytes_s: Finite | None = None
    latency_s: Finite | None = None
    price_byte: Finite | None = None


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Where a volume's blobs are served; empty: nowhere any more."""

    url: Annotated[str, Field(max_length=300)]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A fill's holder, who fills from this lake, asks who else has the version."""

    token: Count
    lake: Place


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A ticket that somebody showed."""

    ticket: Annotated[str, Field(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class Suspected:
    """What a volume served as this blob was something else."""

    token: Count
    volume_id: str
    digest: Digest


@router.get("/links")
def list_links(hub: Acting, paging: Paging) -> Page[LinkRecord]:
    """Every link that was measured or declared, by source and target."""
    return page(hub.links.all(), lambda item: (item.source, item.target), paging)


@router.put("/links")
def declare_link(hub: Acting, said: Declaration) -> LinkRecord:
    """Say what is known of a link."""
    return hub.links.declare(
        said.source,
        said.target,
        bandwidth_bytes_s=said.bandwidth_bytes_s,
        latency_s=said.latency_s,
        price_byte=said.price_byte,
    )


@router.delete("/links", status_code=204)
def forget_link(
    hub: Acting,
    source: Annotated[str, Query(min_length=1, max_length=512)],
    target: Annotated[str, Query(min_length=1, max_length=512)],
) -> None:
    """Forget what was declared of a link and what was measured."""
    hub.links.forget(source, target)


@router.post("/volumes/{volume_id}/transfers", status_code=204)
def report_transfer(hub: Acting, volume_id: str, measured: Measured) -> None:
    """A fill on this volume has moved something."""
    report = TransferReport(
        source=measured.source,
        dataset=measured.dataset,
        moved_bytes=measured.moved_bytes,
        seconds=measured.seconds,
        requests=measured.requests,
        streams=measured.streams,
        first_byte_s=measured.first_byte_s,
        concurrency=measured.concurrency,
    )
    hub.links.report(volume_id, report)


@router.put("/volumes/{volume_id}/blob-server", status_code=204)
def serve_blobs(hub: Acting, volume_id: str, serving: Serving) -> None:
    """Others find this volume's blobs at that address for a while from now."""
    hub.links.serve(volume_id, serving.url)


@router.post("/volumes/{volume_id}/tickets")
def check_ticket(hub: Acting, volume_id: str, shown: Shown) -> Ticketed:
    """What a ticket is good for on this volume, now."""
    return hub.links.ticketed(volume_id, shown.ticket)


# No answer of this one may be kept, so it is not written once: to ask again gives other tickets.
unkept = resource("links", once=False)


@unkept.post("/fills/{fill_id}/sources")
def find_holders(hub: Acting, fill_id: str, asked: Asked) -> Sources:
    """For a fill's holder: who has the version ready and serves it, with tickets."""
    return hub.links.holders(fill_id, asked.token, asked.lake)


@router.post("/fills/{fill_id}/suspects", status_code=204)
def suspect_blob(hub: Acting, fill_id: str, suspected: Suspected) -> None:
    """For a fill's holder: what that volume served as this blob was something else."""
    hub.links.suspect(fill_id, suspected.token, suspected.volume_id, suspected.digest)
