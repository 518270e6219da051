"""Downtimes of sites: `wire.downtimes.Downtimes` on the database. A site's state follows from them as time goes by."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.records import storable
from forebay.clock import Clock
from forebay.errors import ConflictError, InputError, NotFoundError
from forebay.hub import agents, site_rows
from forebay.hub.changes import Changes, orders_of
from forebay.sites import downtime
from forebay.sites.downtime import Window
from forebay.sites.state import SiteTerms
from forebay.wire.downtimes import Downtime

_REASON_LENGTH = 1000


class DowntimeStore:
    """Implements `wire.downtimes.Downtimes`. `poke` is told when something may begin that could not before."""

    def __init__(
        self, engine: Engine, clock: Clock, terms: SiteTerms, changes: Changes, poke: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms
        self._changes = changes
        self._poke = poke

    def all(self, site: str = "") -> list[Downtime]:
        query = sa.select(t.downtime).order_by(t.downtime.c.begins_at, t.downtime.c.downtime_id)
        with reading(self._engine) as connection:
            if site:
                site_rows.find(connection, site)
                query = query.where(t.downtime.c.site == site)
            return [_downtime(row) for row in connection.execute(query).mappings()]

    def plan(self, site: str, begins_at: float, ends_at: float, reason: str, by: str = "") -> Downtime:
        now = self._clock.now()
        downtime.check(begins_at, ends_at, now)
        planned = Downtime(
            downtime_id=uuid.uuid4().hex,
            site=site,
            begins_at=begins_at,
            ends_at=ends_at,
            reason=storable(reason, _REASON_LENGTH),
            planned_by=storable(by, t.NAME_LENGTH),
            planned_at=now,
        )
        with writing(self._engine) as connection:
            row = site_rows.find(connection, site, lock=True)
            if len(row["windows"]) >= downtime.MOST:
                raise ConflictError(
                    "too-many-downtimes",
                    f"The site {site} has {downtime.MOST} downtimes already.",
                    todo=f"Cancel some: forebay sites downtime ls {site}",
                )
            connection.execute(sa.insert(t.downtime).values(_values(planned)))
            self._settle(connection, site, now)
        self._tell(site)
        return planned

    def cancel(self, site: str, downtime_id: str) -> Downtime:
        with writing(self._engine) as connection:
            site_rows.find(connection, site, lock=True)
            found = _find(connection, site, downtime_id)
            connection.execute(sa.delete(t.downtime).where(t.downtime.c.downtime_id == found.downtime_id))
            self._settle(connection, site, self._clock.now())
        self._tell(site)
        return found

    def _settle(self, connection: Connection, site: str, now: float) -> None:
        """The state of a locked site follows at once, and its tasks with it."""
        site_rows.write(connection, site_rows.find(connection, site), now, self._terms, orders=True)
        agents.order_due(connection, site, now, self._terms)

    def _tell(self, site: str) -> None:
        self._changes.tell(orders_of(site))
        self._poke()


def forget(connection: Connection, windows: Iterable[Window]) -> None:
    """Of a locked site, those that mean nothing any more."""
    ids = [window.downtime_id for window in windows]
    if ids:
        connection.execute(sa.delete(t.downtime).where(t.downtime.c.downtime_id.in_(ids)))


def _find(connection: Connection, site: str, downtime_id: str) -> Downtime:
    """By its id or a beginning of it; InputError `ambiguous-downtime`, NotFoundError `downtime-not-found`."""
    own = connection.execute(sa.select(t.downtime).where(t.downtime.c.site == site)).mappings()
    found = [row for row in own if downtime_id and row["downtime_id"].startswith(downtime_id)]
    if len(found) > 1:
        told = f"Several downtimes of {site} have an id that begins with {downtime_id}."
        raise InputError("ambiguous-downtime", told, todo="Give more of it.")
    if not found:
        raise NotFoundError(
            "downtime-not-found",
            f"The site {site} has no downtime {downtime_id!r}.",
            todo=f"See: forebay sites downtime ls {site}",
        )
    return _downtime(found[0])


def _values(planned: Downtime) -> dict[str, Any]:
    return {column.name: getattr(planned, column.name) for column in t.downtime.columns}


def _downtime(row: Any) -> Downtime:
    return Downtime(**row)
