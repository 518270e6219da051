"""The state of the cache volume in one value."""

from __future__ import annotations

from dataclasses import dataclass

from forebay import fsio
from forebay.cache.policy import Decision
from forebay.client.session import Session
from forebay.wire.cache import Lease, OpenFill, Replica, Savings, Volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`going` is what policy says is due now, in that order."""

    volume: Volume
    free_bytes: int
    replicas: tuple[Replica, ...]
    leases: tuple[Lease, ...]
    fills: tuple[OpenFill, ...]
    going: tuple[Decision, ...]
    savings: tuple[Savings, ...]

    @property
    def uses(self) -> int:
        return sum(item.uses for item in self.savings)

    @property
    def moved_bytes(self) -> int:
        return sum(item.moved_bytes for item in self.savings)

    @property
    def peer_bytes(self) -> int:
        return sum(item.peer_bytes for item in self.savings)

    @property
    def seconds_saved(self) -> float:
        return sum(item.seconds_saved for item in self.savings)

    @property
    def saved_bytes(self) -> int:
        return sum(item.saved_bytes for item in self.savings)


def overview(session: Session) -> Overview:
    """Look at everything on the volume; changes nothing."""
    hub, cache = session.hub, session.cache
    return Overview(
        volume=cache.volume(),
        free_bytes=fsio.free_bytes(cache.layout.root),
        replicas=tuple(cache.replicas()),
        leases=tuple(hub.leases.live(cache.volume_id)),
        fills=tuple(hub.fills.open_fills(cache.volume_id)),
        going=tuple(cache.decisions().going),
        savings=tuple(hub.volumes.savings(cache.volume_id)),
    )
