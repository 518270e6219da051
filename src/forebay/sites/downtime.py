"""Downtimes of a site, pure: which window counts now, what it means for a run, and whether the site is back from it.

A window is `ahead`, under way (the site drains), or over; one that is over goes once the volume was tried out well
since it ended. Windows may overlap: the site is back after the last of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from forebay.errors import InputError

MOST = 50
"""So many of one site at a time: each look at a site reads all of its own."""

LONGEST_AHEAD_S = 2 * 366 * 86400.0

NOTICE_S = 3600.0
"""What a run without a time limit is reckoned to need at least: in the last hour before a downtime none begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `begins_at` until before `ends_at`, in Unix seconds."""

    downtime_id: str = ""
    begins_at: float
    ends_at: float
    reason: str = ""
    planned_by: str = ""


def check(begins_at: float, ends_at: float, now: float) -> None:
    """InputError `bad-downtime`."""
    if not (math.isfinite(begins_at) and math.isfinite(ends_at) and begins_at < ends_at):
        raise _bad("it ends before it begins", "Give --until a moment after --from.")
    if ends_at <= now:
        raise _bad("it is over already", "Give --until a moment to come.")
    if ends_at > now + LONGEST_AHEAD_S:
        raise _bad("it ends more than two years from now", "Plan it later.")


def under_way(windows: Iterable[Window], now: float) -> Window | None:
    """The one in which the site is now; of several the one that ends last."""
    return max((item for item in windows if item.begins_at <= now < item.ends_at), key=_end, default=None)


def unproven(windows: Iterable[Window], good_at: float, now: float) -> Window | None:
    """The last one that is over, if the volume was not tried out well since: the site is not back from it."""
    last = max((item for item in windows if item.ends_at <= now), key=_end, default=None)
    return last if last is not None and good_at < last.ends_at else None


def settled(windows: Iterable[Window], good_at: float, now: float) -> list[Window]:
    """Those that are over and mean nothing any more: the site is back, or another one is under way."""
    known = list(windows)
    counts = unproven(known, good_at, now) if under_way(known, now) is None else None
    return [item for item in known if item.ends_at <= now and item != counts]


def in_the_way(windows: Iterable[Window], begins_at: float, ends_at: float) -> Window | None:
    """The first one into which something would reach that begins and ends then."""
    met = (item for item in windows if item.begins_at < ends_at and begins_at < item.ends_at)
    return min(met, key=lambda item: item.begins_at, default=None)


def needs_s(time_limit_s: float, estimate_s: float) -> float:
    """For how long a run may stay once it has begun: as its limit says, else as it is thought, and at least an hour."""
    return time_limit_s or max(NOTICE_S, estimate_s)


def story(window: Window) -> str:
    """`down for new disks until 2026-12-02 06:00 UTC by ana`"""
    why = f" for {window.reason}" if window.reason else ""
    by = f" by {window.planned_by}" if window.planned_by else ""
    return f"down{why} until {moment(window.ends_at)}{by}"


def foretold(window: Window) -> str:
    """`it will be down for new disks from 2026-12-01 22:00 UTC until 2026-12-02 06:00 UTC by ana`"""
    why = f" for {window.reason}" if window.reason else ""
    by = f" by {window.planned_by}" if window.planned_by else ""
    return f"it will be down{why} from {moment(window.begins_at)} until {moment(window.ends_at)}{by}"


def moment(at: float) -> str:
    """To the minute, and the same for everybody: `2026-12-02 06:00 UTC`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _end(window: Window) -> float:
    return window.ends_at


def _bad(what: str, todo: str) -> InputError:
    return InputError("bad-downtime", f"This can't be a downtime: {what}.", todo=todo)
