"""What the health of a volume allows, and how it gets better and worse, pure.

A shaky volume is read, and nothing on it is judged, moved or deleted: what such a disk shows is no evidence (BRAKE).
One bad sign makes it unstable, three in a row (or an empty mount) down; three good signs in a row make it normal again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from forebay.errors import UnavailableError
from forebay.wire.cache import HealthReport, Sign, VolumeState

SIGNS_TO_CHANGE = 3
"""So many bad signs in a row take an unstable volume down, so many good ones make it normal."""


class Act(StrEnum):
    """What somebody wants to do on a volume."""

    OPEN = "open"
    FILL = "fill"
    EVICT = "evict"
    SCRUB = "scrub"
    RECOVER = "recover"


ALLOWED: Mapping[VolumeState, frozenset[Act]] = {
    VolumeState.NORMAL: frozenset(Act),
    VolumeState.UNSTABLE: frozenset({Act.OPEN}),
    VolumeState.DOWN: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`since` is when the volume was last normal, or became so; going between unstable and down does not reset it.

    `in_a_row` counts the latest signs of one kind: above zero good ones, below zero bad ones.
    """

    state: VolumeState = VolumeState.NORMAL
    reason: str = ""
    since: float = 0.0
    in_a_row: int = 0


def step(health: Health, report: HealthReport, now: float) -> Health:
    """The one transition function."""
    if report.sign is Sign.GOOD:
        return _better(health, now)
    return _worse(health, report, now)


def require(act: Act, state: VolumeState, reason: str, volume: str) -> None:
    """UnavailableError `volume-unstable` or `volume-down` unless the table allows it."""
    if act in ALLOWED[state]:
        return
    raise UnavailableError(
        f"volume-{state}",
        f"the volume {volume} is {state}, so nothing there may {act} now: {reason}",
        todo="Look at its disk and mount. It is tried again by itself; see: forebay cache health",
    )


def _better(health: Health, now: float) -> Health:
    in_a_row = max(0, health.in_a_row) + 1
    if health.state is VolumeState.NORMAL:
        return Health(since=health.since, in_a_row=min(in_a_row, SIGNS_TO_CHANGE))
    if in_a_row >= SIGNS_TO_CHANGE:
        return Health(since=now, in_a_row=in_a_row)
    return Health(state=VolumeState.UNSTABLE, reason=health.reason, since=health.since, in_a_row=in_a_row)


def _worse(health: Health, report: HealthReport, now: float) -> Health:
    in_a_row = min(0, health.in_a_row) - 1
    since = now if health.state is VolumeState.NORMAL else health.since
    lost = report.sign is Sign.GONE or in_a_row <= -SIGNS_TO_CHANGE
    down = lost or health.state is VolumeState.DOWN
    state = VolumeState.DOWN if down else VolumeState.UNSTABLE
    return Health(state=state, reason=report.reason, since=since, in_a_row=max(in_a_row, -SIGNS_TO_CHANGE))
