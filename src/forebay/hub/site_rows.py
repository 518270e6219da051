"""Reads and writes the rows of sites, and the states that follow from them. Works inside the caller's transaction.

Lock order, for whoever needs several: the scheduler's count, sites by name, tasks, runs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.engine import once
from forebay.catalog.names import did_you_mean
from forebay.errors import ConflictError, NotFoundError
from forebay.sites.downtime import Window, settled
from forebay.sites.state import HEARD, UNKNOWN_VOLUME, Seen, SiteTerms, Standing, stand
from forebay.wire.cache import VolumeState
from forebay.wire.sites import SiteRecord, SiteState

Row = Any

_IS_THERE = t.site.c.removed_at == 0
# A line for each downtime of a site, and one for a site without any.
_ALL = (
    sa.select(
        t.site,
        t.volume.c.state.label("volume_state"),
        t.volume.c.state_reason.label("volume_reason"),
        t.volume.c.good_at,
        t.downtime.c.downtime_id,
        t.downtime.c.begins_at,
        t.downtime.c.ends_at,
        t.downtime.c.reason.label("downtime_reason"),
        t.downtime.c.planned_by,
    )
    .select_from(t.site)
    .outerjoin(t.volume, t.volume.c.volume_id == t.site.c.volume_id)
    .outerjoin(t.downtime, t.downtime.c.site == t.site.c.name)
    .where(_IS_THERE)
    .order_by(t.site.c.name, t.downtime.c.begins_at)
)
# Every beat and every look for orders asks for one: it is made once, which takes longer than running it.
_ONE = _ALL.where(t.site.c.name == sa.bindparam("site"))
_OF_VOLUME = _ALL.where(t.site.c.volume_id == sa.bindparam("volume_id"))
_BEATEN = _ONE.add_columns(
    sa.exists().where(t.attempt.c.ending == "", t.attempt.c.site == sa.bindparam("site")).label("works")
).with_for_update(of=t.site)
_AS_UP = sa.and_(
    t.site.c.state == SiteState.UP.value,
    t.site.c.reason == HEARD,
    sa.func.coalesce(t.volume.c.state, "") == VolumeState.NORMAL.value,
)
_AS_UNKNOWN = sa.and_(
    t.site.c.state == SiteState.DEGRADED.value, t.site.c.reason == UNKNOWN_VOLUME, t.volume.c.state.is_(None)
)
_UNEASY = _ALL.where(
    sa.not_(
        sa.and_(
            t.site.c.attached,
            t.site.c.wanted == SiteState.UP.value,
            t.site.c.seen_at.between(sa.bindparam("heard_after"), sa.bindparam("heard_before")),
            t.downtime.c.downtime_id.is_(None),
            sa.or_(_AS_UP, _AS_UNKNOWN),
        )
    )
)
_HEARD = sa.select(t.site.c.name, t.site.c.agent_token, t.site.c.seen_at).where(_IS_THERE)
_LOCK = sa.select(t.site.c.name).where(t.site.c.name == sa.bindparam("site")).with_for_update()


def every(connection: Connection) -> list[Row]:
    """All sites, by name."""
    lines = once(connection, "sites", lambda: connection.execute(_ALL).mappings().all())
    return [_folded(list(own)) for _, own in groupby(lines, key=lambda line: line["name"])]


def heard(connection: Connection) -> list[Row]:
    """Of every site its name, its agent's token, and when that was last heard of."""
    return list(connection.execute(_HEARD).mappings())


def uneasy(connection: Connection, now: float, terms: SiteTerms) -> list[Row]:
    """The sites, by name, that time may have changed: all but those that stand as they would by what is known now, were
    heard of within the hold, and have no downtime. Of a thousand sites these are few.
    """
    given = {"heard_after": now - terms.hold_s, "heard_before": now + terms.margin_s}
    lines = connection.execute(_UNEASY, given).mappings()
    return [_folded(list(own)) for _, own in groupby(lines, key=lambda line: line["name"])]


def find(connection: Connection, site: str, *, lock: bool = False) -> Row:
    """One site, locked until the transaction ends where asked; NotFoundError `site-not-found`."""
    if lock:
        connection.execute(_LOCK, {"site": site})
    row = find_if_there(connection, site)
    if row is None:
        known = connection.execute(sa.select(t.site.c.name).where(_IS_THERE)).scalars()
        todo = did_you_mean(site, known, otherwise="forebay sites ls shows all of them.")
        raise NotFoundError("site-not-found", f"There is no site {site!r}.", todo=todo)
    return row


def find_if_there(connection: Connection, site: str) -> Row | None:
    """One site; None where there is none of that name."""
    lines = connection.execute(_ONE, {"site": site}).mappings().all()
    return _folded(lines) if lines else None


def of_volume(connection: Connection, volume_id: str) -> Row | None:
    """The site with that volume, if any."""
    lines = connection.execute(_OF_VOLUME, {"volume_id": volume_id}).mappings().all()
    return _folded([line for line in lines if line["name"] == lines[0]["name"]]) if lines else None


def held_by(connection: Connection, site: str, agent_token: int, *, lock: bool = False) -> Row:
    """The site, if the agent with that token has it; ConflictError `fenced`."""
    return _if_held(find(connection, site, lock=lock), agent_token)


def beaten_by(connection: Connection, site: str, agent_token: int) -> Row:
    """The same, locked, and in one question; `works`: an attempt at a run is under way there.

    What a hub wrote while this one waited for the lock is in the site's own columns alone.
    """
    lines = connection.execute(_BEATEN, {"site": site}).mappings().all()
    return _if_held(_folded(lines) if lines else find(connection, site), agent_token)


def _if_held(row: Row, agent_token: int) -> Row:
    if not row["attached"] or row["agent_token"] != agent_token:
        raise ConflictError(
            "fenced",
            f"The site {row['name']} is not this agent's any more.",
            todo="Attach again; if another agent runs for this site, end one of them.",
        )
    return row


def write(
    connection: Connection, row: Row, now: float, terms: SiteTerms, *, orders: bool = False, **values: Any
) -> bool:
    """Change a locked site, and its state with it. `orders`: those of its agent change, too; whether they do."""
    before = standing(row)
    after = stand(before, _seen({**row, **values}), now, terms)
    changed: dict[str, Any] = dict(values)
    if after != before:
        changed |= {
            "state": after.state.value,
            "reason": after.reason,
            "since": after.since,
            "trouble_since": after.trouble_since,
        }
    orders = orders or after.state is not before.state
    if changed or orders:
        update(connection, row["name"], changed, orders=orders)
    return orders


def update(connection: Connection, site: str, changed: Mapping[str, Any], *, orders: bool = False) -> None:
    """Write some columns of a site's row as they are given."""
    given = {f"new_{name}": value for name, value in changed.items()}
    connection.execute(_updating(tuple(sorted(changed)), orders=orders), {"of_site": site, **given})


@functools.lru_cache(maxsize=100)
def _updating(names: tuple[str, ...], *, orders: bool) -> sa.Update:
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in names}
    if orders:
        values["revision"] = t.site.c.revision + 1
    return sa.update(t.site).where(t.site.c.name == sa.bindparam("of_site")).values(values)


def change_orders(connection: Connection, site: str) -> None:
    """Whoever waits for the orders of a site gets them anew."""
    update(connection, site, {}, orders=True)


def standing(row: Row) -> Standing:
    """As it was written last."""
    return Standing(
        state=SiteState(row["state"]),
        reason=row["reason"],
        since=row["since"],
        trouble_since=row["trouble_since"],
    )


def stands(row: Row, now: float, terms: SiteTerms) -> Standing:
    """As it is now."""
    return stand(standing(row), _seen(row), now, terms)


def volume_of(row: Row) -> VolumeState | None:
    """How the site's volume is; None: the hub does not know it."""
    return None if row["volume_state"] is None else VolumeState(row["volume_state"])


def record(row: Row, now: float, terms: SiteTerms) -> SiteRecord:
    """A site as a wire value, with its state as it is now."""
    is_now = stands(row, now, terms)
    return SiteRecord(
        name=row["name"],
        volume_id=row["volume_id"],
        state=is_now.state,
        reason=is_now.reason,
        since=is_now.since,
        wanted=SiteState(row["wanted"]),
        labels=row["labels"],
        gpus=row["gpus"],
        cpus=row["cpus"],
        memory_bytes=row["memory_bytes"],
        engine=row["engine"],
        release=row["release"],
        agent_token=row["agent_token"],
        seen_at=row["seen_at"],
        gpu_hour_price=row["gpu_hour_price"],
        cpu_hour_price=row["cpu_hour_price"],
    )


def _seen(row: Row) -> Seen:
    return Seen(
        wanted=SiteState(row["wanted"]),
        wanted_reason=row["wanted_reason"],
        attached=row["attached"],
        seen_at=row["seen_at"],
        volume=volume_of(row),
        volume_reason=row["volume_reason"] or "",
        windows=row["windows"],
        good_at=row["good_at"] or 0.0,
    )


def windows_over(row: Row, now: float) -> list[Window]:
    """The site's downtimes that are over and mean nothing any more."""
    return settled(row["windows"], row["good_at"] or 0.0, now)


def _folded(lines: Sequence[Any]) -> Row:
    """One row of a site, with its downtimes as `windows`."""
    windows = tuple(_window(line) for line in lines if line["downtime_id"] is not None)
    return {**lines[0], "windows": windows}


def _window(line: Any) -> Window:
    return Window(
        downtime_id=line["downtime_id"],
        begins_at=line["begins_at"],
        ends_at=line["ends_at"],
        reason=line["downtime_reason"],
        planned_by=line["planned_by"],
    )
