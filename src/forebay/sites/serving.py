"""Serves a volume's blobs and keeps the hub told of it, until it is left: what a site's agent runs beside its tasks."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from forebay.cache.heart import Heart
from forebay.cache.volume import VolumeLayout
from forebay.clock import Clock
from forebay.errors import ForebayError, UnavailableError
from forebay.sites.blob_server import BlobServer, ServerManners
from forebay.sites.shown import Tickets
from forebay.wire.hub import Hub

ANNOUNCE_SECONDS = 30.0


@contextmanager
def serving_blobs(
    hub: Hub,
    layout: VolumeLayout,
    volume_id: str,
    address: tuple[str, int],
    clock: Clock,
    *,
    url: str = "",
    tls: ssl.SSLContext | None = None,
    manners: ServerManners | None = None,
) -> Iterator[BlobServer]:
    """Serve there (port 0: any free one). `url` is where others reach that, if it is not where it listens.

    UnavailableError `cannot-listen`.
    """
    try:
        server = BlobServer(layout, Tickets(hub, layout, volume_id, clock), address, tls=tls, manners=manners)
    except OSError as error:
        raise UnavailableError(
            "cannot-listen",
            f"cannot listen on {address[0]}:{address[1]}: {error.strerror}",
            todo="Is another server running there? Choose another port.",
        ) from error

    def announce() -> None:
        hub.links.serve(volume_id, url or server.url)

    with server:
        announce()
        try:
            with Heart("blob-server", ANNOUNCE_SECONDS, announce, bool):
                yield server
        finally:
            with suppress(ForebayError):
                hub.links.serve(volume_id, "")
