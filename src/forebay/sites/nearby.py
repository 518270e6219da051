"""Finds out who else has what a fill wants, and keeps in mind who failed lately."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from forebay.cache.nearby import Nearby, OpenNearby
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.log import get_logger
from forebay.wire.cache import Granted
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.links import Sources

_log = get_logger("peers")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerManners:
    """How peers are spoken to. `read_s` bounds every wait for the next byte; one that failed rests for `rest_s`.

    `wait_s_per_money` seconds of waiting are worth one unit of money. So many `misses` in a row count as a failure.
    """

    connect_s: float = 3.0
    read_s: float = 5.0
    rest_s: float = 60.0
    wait_s_per_money: float = 0.0
    misses: int = 3


class Resting:
    """Which peers are not to be asked just now. Threads may share one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def rest(self, volume_id: str, seconds: float) -> None:
        self._until[volume_id] = self._clock.monotonic() + seconds

    def rests(self, volume_id: str) -> bool:
        return self._clock.monotonic() < self._until.get(volume_id, 0.0)


def peers_of(hub: Hub, clock: Clock, manners: PeerManners) -> OpenNearby:
    """What opens the peers of a fill, for all fills of a process."""
    resting = Resting(clock)

    def open_nearby(granted: Granted, version: Version, lake: str) -> Nearby | None:
        def ask() -> Sources | None:
            try:
                return hub.links.holders(granted.fill_id, granted.token, lake)
            except ForebayError as error:
                _log.info("holders-not-known", ref=version.ref, kind=error.kind)
                return None

        def suspect(volume_id: str, digest: bytes) -> None:
            with suppress(ForebayError):
                hub.links.suspect(granted.fill_id, granted.token, volume_id, digest.hex())

        sources = ask()
        if sources is None or not sources.peers:
            return None
        from forebay.sites.peers import Peers  # most fills have none, and need not wait for its import

        return Peers(sources, ask, suspect, resting, clock, manners)

    return open_nearby
