"""A site as others see it: what it has, how it is, who may use it and for how much. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from forebay.sites.downtime import Window
from forebay.wire.sites import SiteState


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a run claims, and what a site has."""

    gpus: int = 0
    cpus: int = 0
    memory_bytes: int = 0

    def lacking(self, had: Resources) -> tuple[str, ...]:
        """The names of those of which `had` has too little."""
        if self.fits(had):
            return ()
        names = ("gpus", "cpus", "memory_bytes")
        return tuple(name for name in names if getattr(self, name) > getattr(had, name))

    def fits(self, had: Resources) -> bool:
        """Whether `had` has enough of everything."""
        return self.gpus <= had.gpus and self.cpus <= had.cpus and self.memory_bytes <= had.memory_bytes


OVERDUE = 0.2
"""A run that is past its estimate is reckoned to take another fifth of what it has taken."""

_LEAST_REMAINING_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A run that has its compute: `estimate_s` in all, for `elapsed_s` already."""

    resources: Resources
    estimate_s: float
    elapsed_s: float = 0.0

    @property
    def remaining_s(self) -> float:
        return max(self.estimate_s - self.elapsed_s, OVERDUE * self.elapsed_s, _LEAST_REMAINING_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`teams` None: every team may run here. `volume_bytes` is the volume's limit, `free_bytes` what is free of it, and
    `room_bytes` what a fill could have, evictions included; None: not known, and then nothing rests on it.
    `windows` are its downtimes.
    """

    name: str
    capacity: Resources
    labels: Mapping[str, str] = field(default_factory=dict)
    state: SiteState = SiteState.UP
    state_reason: str = ""
    working: tuple[Working, ...] = ()
    teams: frozenset[str] | None = None
    volume_bytes: int | None = None
    free_bytes: int | None = None
    room_bytes: int | None = None
    gpu_hour_price: float = 0.0
    cpu_hour_price: float = 0.0
    windows: tuple[Window, ...] = ()

    def price_of(self, resources: Resources, seconds: float) -> float:
        """Money for so much compute."""
        hourly = resources.gpus * self.gpu_hour_price + resources.cpus * self.cpu_hour_price
        return hourly * seconds / 3600
