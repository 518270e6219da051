"""What people and the hub tell each other of downtimes: windows of time in which a site is looked after, and drains.

Values only. Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Downtime:
    """A window in which a site drains. It is listed until the site is back, or somebody cancels it."""

    downtime_id: str
    site: str
    begins_at: float
    ends_at: float
    reason: str
    planned_by: str
    planned_at: float


class Downtimes(Protocol):
    """Windows that are planned, under way, or over while their site is not back yet."""

    def all(self, site: str = "") -> list[Downtime]:
        """Those of one site or of all, the earliest first; NotFoundError `site-not-found`."""

    def plan(self, site: str, begins_at: float, ends_at: float, reason: str, by: str = "") -> Downtime:
        """Have a site drain from `begins_at` to `ends_at`; windows may overlap.

        Before it no run begins there that would not end in time; after it the site comes back by itself, once its
        volume was tried out well. `by` is whoever the token speaks for, where there is one. InputError `bad-downtime`;
        NotFoundError `site-not-found`; ConflictError `too-many-downtimes`.
        """

    def cancel(self, site: str, downtime_id: str) -> Downtime:
        """Take it back, also while it is under way; the beginning of an id will do. NotFoundError."""
