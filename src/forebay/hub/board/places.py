"""The places that keep replicas: each volume with its account and health, and the site that it is of.

A volume's account is the volume's own, as `hub.access.guarded_volumes` says: its sums tell of no dataset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.cache.policy import Policy
from forebay.catalog import schema as t
from forebay.catalog.names import did_you_mean
from forebay.errors import NotFoundError
from forebay.hub import site_rows
from forebay.hub.access.jobs import OTHERS_FIRST, without
from forebay.hub.board.sight import Sight
from forebay.sites.state import SiteTerms
from forebay.wire.cache import VolumeState
from forebay.wire.sites import SiteState

MOST = 200
"""Volumes of no site, which are people's own machines, are left out beyond so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`key` is what addresses call it: its site, or the volume's id where it is of none. `policy` is how it keeps, as
    its agent said (`is_told`) or by default. `bandwidth_bytes_s` is what lately came in a second of a fill; 0: unknown.
    """

    key: str
    volume_id: str
    site: str
    path: str
    limit_bytes: int
    used_bytes: int
    reserved_bytes: int
    bandwidth_bytes_s: float
    state: VolumeState
    state_reason: str
    state_since: float
    policy: Policy
    is_told: bool
    site_state: SiteState | None = None
    site_reason: str = ""
    site_since: float = 0.0

    @property
    def name(self) -> str:
        """The site; of none, where the volume was seen first."""
        return self.site or self.path

    @property
    def full_bytes(self) -> int:
        """What is used or set aside."""
        return self.used_bytes + self.reserved_bytes

    @property
    def free_bytes(self) -> int:
        return max(0, self.limit_bytes - self.full_bytes)

    @property
    def share(self) -> float:
        """How full it is, of 1; more where the account is over the limit."""
        return self.full_bytes / self.limit_bytes if self.limit_bytes else 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is above its high mark, so that a sweep makes room."""
        return self.full_bytes > self.policy.high_mark * self.limit_bytes

    @property
    def takes_orders(self) -> bool:
        """Whether its site can be asked for a fill or an eviction."""
        return self.site_state is not None and self.site_state is not SiteState.DOWN


def places(connection: Connection, sight: Sight, now: float) -> tuple[Place, ...]:
    """All sites' volumes by the sites' names, then those of no site on which something is; four queries."""
    rows = {row["name"]: row for row in site_rows.every(connection)}
    reserved = _reserved(connection)
    volumes = connection.execute(_VOLUMES).mappings().all()
    at_sites = [_place(row, rows[row["site"]], reserved, sight, now) for row in volumes if row["site"] in rows]
    others = [_place(row, None, reserved, sight, now) for row in volumes if row["site"] not in rows]
    own = [place for place in others if place.used_bytes or place.reserved_bytes or not at_sites]
    return (*sorted(at_sites, key=_by_name), *sorted(own, key=_by_name)[:MOST])


def place_of(found: Sequence[Place], key: str) -> Place:
    """The one that an address names; NotFoundError `site-not-found`."""
    for place in found:
        if key in (place.key, place.volume_id):
            return place
    todo = did_you_mean(key, [place.key for place in found], otherwise="The cache's page shows all sites.")
    raise NotFoundError("site-not-found", f"There is no site {key!r} with a cache.", todo=todo)


_VOLUMES = (
    sa.select(t.volume, t.volume_site.c.site)
    .outerjoin(t.volume_site, t.volume_site.c.volume_id == t.volume.c.volume_id)
    .order_by(t.volume.c.volume_id)
)


def _reserved(connection: Connection) -> dict[str, int]:
    query = sa.select(t.fill.c.volume_id, sa.func.sum(t.fill.c.reserved_bytes)).group_by(t.fill.c.volume_id)
    return {volume_id: int(reserved_bytes or 0) for volume_id, reserved_bytes in connection.execute(query)}


def _by_name(place: Place) -> str:
    return place.name


def _place(row: Any, site: Any, reserved: dict[str, int], sight: Sight, now: float) -> Place:
    stands = None if site is None else site_rows.stands(site, now, SiteTerms())
    return Place(
        key=row["volume_id"] if site is None else site["name"],
        volume_id=row["volume_id"],
        site="" if site is None else site["name"],
        path=row["path"],
        limit_bytes=row["limit_bytes"],
        used_bytes=row["used_bytes"],
        reserved_bytes=reserved.get(row["volume_id"], 0),
        bandwidth_bytes_s=row["lately_bytes"] / row["lately_seconds"] if row["lately_seconds"] > 0 else 0.0,
        state=VolumeState(row["state"]),
        state_reason=row["state_reason"],
        state_since=row["state_since"],
        policy=_policy(site),
        is_told=bool(site is not None and site["high_mark"]),
        site_state=None if stands is None else stands.state,
        site_reason="" if stands is None else without(stands.reason, sight.hidden, OTHERS_FIRST),
        site_since=0.0 if stands is None else stands.since,
    )


def _policy(site: Any) -> Policy:
    if site is None or not site["high_mark"]:
        return Policy()
    return Policy(
        stale_after_s=None if site["stale_after_s"] < 0 else site["stale_after_s"],
        grace_s=site["grace_s"],
        high_mark=site["high_mark"],
        low_mark=site["low_mark"],
    )
