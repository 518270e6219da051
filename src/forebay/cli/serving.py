"""Serving a volume's blobs to other sites, as `forebay link serve` and `forebay agent --serve` do it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from forebay.client.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where it listens (port 0: any free one), and where others reach that, if not there. Files are in PEM."""

    host: str
    port: int
    url: str = ""
    certificate: Path | None = None
    key: Path | None = None
    insecure: bool = False


@contextmanager
def blobs_served(session: Session, serving: Serving) -> Iterator[str]:
    """Serve the session's volume until the end of the block; the address by which others reach it.

    InputError `insecure-host`, `bad-certificate`; UnavailableError `cannot-listen`.
    """
    from forebay.hub.serve import Address
    from forebay.sites.serving import serving_blobs

    host, port = serving.host, serving.port
    certificate, key = serving.certificate, serving.key
    Address(host=host, port=port, certificate=certificate, key=key, insecure=serving.insecure).check()
    cache, tls = session.cache, _context(certificate, key)
    with serving_blobs(
        session.hub, cache.layout, cache.volume_id, (host, port), session.clock, url=serving.url, tls=tls
    ) as server:
        yield serving.url or server.url


def _context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    import ssl

    if certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context
