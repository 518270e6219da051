"""For how long things have stayed as they are, by a clock that nobody sets. Pure but for what it remembers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping


class Silence:
    """What was seen last of each thing, and since when (seconds on a monotonic clock)."""

    def __init__(self) -> None:
        self._since: dict[Hashable, tuple[Hashable, float]] = {}

    def look(self, monotonic: float, seen: Mapping[Hashable, Hashable]) -> None:
        """What there is now; the rest is forgotten."""
        self._since = {key: self._entry(key, value, monotonic) for key, value in seen.items()}

    def seconds(self, key: Hashable, monotonic: float) -> float:
        """How long it has been as it is."""
        known = self._since.get(key)
        return 0.0 if known is None else monotonic - known[1]

    def _entry(self, key: Hashable, value: Hashable, monotonic: float) -> tuple[Hashable, float]:
        known = self._since.get(key)
        return known if known is not None and known[0] == value else (value, monotonic)
