"""What a fill asks of other sites that may have its files; `sites.peers` has the answer.

Invariant: whatever a peer does, `fetch` feeds the sink bytes in order from the start of what was asked, and says how
far it came: the rest of that very range is the lake's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from forebay.wire.cache import Granted
from forebay.wire.catalog import Version

if TYPE_CHECKING:
    from forebay.cache.tally import Tally
    from forebay.lake.fetch import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Bytes [start, end) of the manifest's entry `index`, whose digest is known."""

    index: int
    digest: bytes
    start: int
    end: int


class Nearby(Protocol):
    """The peers of one fill."""

    def fetch(self, asked: Asked, sink: Sink, cancelled: Callable[[], bool], given_by: set[str]) -> int:
        """Feed what peers have of it while one of them is the nearest; how far that came.

        What `sink` raises comes through, and nothing else does. The names of those that gave any go to `given_by`.
        """

    def suspect(self, digest: bytes, given_by: Iterable[str]) -> None:
        """A file that these gave does not have its digest: they rest, and the hub is told."""

    def tallies(self) -> Sequence[Tally]:
        """What came from each of them."""

    def close(self) -> None:
        """Give connections back."""


OpenNearby = Callable[[Granted, Version, str], Nearby | None]
"""The peers of a fill that would else be filled from this lake; None where there are none."""
