"""What the hub knows about links, who else has a version, and the tickets with which sites fetch from each other.

Values only. A source is a lake (its scheme, endpoint and bucket: `lake.location.lake_place`) or a site; a target is a
site, or the volume itself where it is of no site.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferReport:
    """What a fill of `dataset` moved from one source, also one that failed afterwards.

    `seconds` are those in which at least one of its requests was under way, on `streams` streams on average.
    `first_byte_s` is how long a request waited for its first byte; `concurrency` fills shared the way, itself counted.
    """

    source: str
    dataset: str
    moved_bytes: int
    seconds: float
    requests: int = 1
    streams: int = 1
    first_byte_s: float = 0.0
    concurrency: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRecord:
    """A link, as it is reckoned now. Spreads are standard deviations of logarithms.

    `price_byte` is in the team's currency. What was `declared_*` is None where nobody said anything.
    """

    source: str
    target: str
    bandwidth_bytes_s: float
    bandwidth_spread: float
    latency_s: float
    latency_spread: float
    price_byte: float = 0.0
    declared_bandwidth_bytes_s: float | None = None
    declared_latency_s: float | None = None
    declared_price_byte: float | None = None
    moved_bytes: int = 0
    transfers: int = 0
    measured_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHolder:
    """A volume that has a ready replica, and serves it to whoever shows the ticket; see `sites.blob_server`."""

    volume_id: str
    site: str
    url: str
    ticket: str = field(repr=False)
    link: LinkRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a fill may have its bytes from. The tickets last so long, and no longer than the fill."""

    lake: LinkRecord
    peers: tuple[PeerHolder, ...]
    tickets_last_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticketed:
    """What a ticket is good for, for so long: the files of one version, for a fill on the volume `for_volume_id`."""

    dataset: str
    number: int
    subset: str
    group: str
    manifest_digest: str
    for_volume_id: str
    lasts_s: float
