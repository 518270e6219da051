"""How fast versions come from the lake, as measured in fills: pure.

A version's own fill tells most about it; where that moved little of it, or is not known, the volume's latest fills do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

HALF_LIFE_S = 86400.0
"""After so long, a fill counts half as much as one that ends now."""

_STEADY_HALF_LIFE_S = 5.0

ASSUMED_BYTES_S = 100e6
"""What compares replicas, and nothing else, where no fill has told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """What the latest fills of a volume moved, and in what time, both faded until the moment `at` (Unix seconds)."""

    moved_bytes: float = 0.0
    seconds: float = 0.0
    at: float = 0.0

    @property
    def bytes_s(self) -> float:
        return self.moved_bytes / self.seconds if self.seconds > 0 else 0.0


def fade_in(known: Lately, moved_bytes: int, seconds: float, now: float) -> Lately:
    """With one more fill; one that moved nothing tells nothing. A clock that was set back makes nothing stronger."""
    if moved_bytes <= 0 or seconds <= 0:
        return known
    left = 2.0 ** -(max(0.0, now - known.at) / HALF_LIFE_S)
    return Lately(moved_bytes=known.moved_bytes * left + moved_bytes, seconds=known.seconds * left + seconds, at=now)


def rate_now(known_bytes_s: float, moved_bytes: int, seconds: float) -> float:
    """How fast a fill is now (bytes a second), told that so much more came in the latest `seconds`.

    Steadied over some ten seconds, so that a page can tell when it will be done; the first word counts as it is.
    """
    if seconds <= 0:
        return known_bytes_s
    lately = max(0, moved_bytes) / seconds
    share = 1.0 if known_bytes_s <= 0 else 1.0 - 2.0 ** -(seconds / _STEADY_HALF_LIFE_S)
    return known_bytes_s + share * (lately - known_bytes_s)


class Filled(Protocol):
    """What knows how its fill went."""

    @property
    def size_bytes(self) -> int: ...
    @property
    def fill_bytes(self) -> int: ...
    @property
    def fill_seconds(self) -> float: ...


class _Fill(NamedTuple):
    size_bytes: int
    fill_bytes: int
    fill_seconds: float


def bandwidth(size_bytes: int, fill_bytes: int, fill_seconds: float, lately_bytes_s: float) -> float:
    """Bytes a second at which a version would come again; 0 where nothing is known."""
    return bandwidths((_Fill(size_bytes, fill_bytes, fill_seconds),), lately_bytes_s)[0]


def bandwidths(filled: Iterable[Filled], lately_bytes_s: float) -> list[float]:
    """The same for many."""
    return [
        moved_bytes / seconds
        if (seconds := item.fill_seconds) > 0
        and (moved_bytes := item.fill_bytes) > 0
        and 2 * moved_bytes >= item.size_bytes
        else lately_bytes_s
        for item in filled
    ]


def seconds_for(size_bytes: float, bytes_s: float) -> float:
    """How long so many bytes take; 0 where the bandwidth is not known, which claims nothing."""
    return size_bytes / bytes_s if bytes_s > 0 else 0.0
