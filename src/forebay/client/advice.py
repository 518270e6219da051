"""How large the volume should be: past uses replayed on volumes of other sizes. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.cache.advise import Replayed, replay
from forebay.cache.bandwidth import bandwidth
from forebay.client.session import Session

SHARES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
"""Of the volume's limit, where nobody names sizes."""


def advise(session: Session, sizes: Sequence[int] = (), since: float = 0.0) -> list[Replayed]:
    """The uses since a moment (Unix seconds) on each size in bytes, the smallest first."""
    hub, cache = session.hub, session.cache
    volume = cache.volume()
    uses = hub.volumes.uses(cache.volume_id, since)
    bandwidths = dict.fromkeys((use.ref for use in uses), volume.bandwidth_bytes_s)
    for item in cache.replicas():
        bandwidths[item.ref] = bandwidth(item.size_bytes, item.fill_bytes, item.fill_seconds, volume.bandwidth_bytes_s)
    kept = {item.name: item.stale_after_s for item in hub.catalog.datasets()}
    stale_after_s = {name: seconds for name, seconds in kept.items() if seconds is not None}
    chosen = sorted(set(sizes)) or [int(volume.limit_bytes * share) for share in SHARES]
    return [replay(uses, size, cache.policy, bandwidths=bandwidths, stale_after_s=stale_after_s) for size in chosen]
