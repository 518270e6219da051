"""Runs in short, for pages on which they are not the matter: under way, failed lately, waiting for long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, RowMapping

from forebay.catalog import schema as t
from forebay.hub.access.jobs import OTHERS_FIRST, touched_by, without
from forebay.hub.board.run_names import title_of
from forebay.hub.board.sight import Sight
from forebay.hub.run_rows import new_run
from forebay.wire.runs import NewRun, RunState

_LOOKED_AT, _ENDED = 400, 2000
_ORDER = {
    state.value: place
    for place, state in enumerate((RunState.RUNNING, RunState.STARTING, RunState.FILLING, RunState.QUEUED))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """`title` is the run's own, or its command. `reason` says what its state waits for, or why it ended."""

    run_id: str
    title: str
    state: RunState
    reason: str
    unblock: str
    since: float
    submitted_at: float
    submitted_by: str
    team: str
    site: str
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """So many `runs` wait for the same, of which `first` was submitted first."""

    reason: str
    first: Running
    runs: int


def active(connection: Connection, sight: Sight, limit: int) -> list[Running]:
    """Those that have not ended, what runs before what waits, the newest first."""
    rows = _rows(connection, sight, t.run.c.is_active.is_(True))
    return list(_seen(sight, sorted(rows, key=lambda row: _ORDER.get(row["state"], len(_ORDER))), limit))


def failed(connection: Connection, sight: Sight, since: float, limit: int) -> list[Running]:
    """Those that failed since a moment, the newest first, among the last ones that did."""
    is_failed = t.run.c.state == RunState.FAILED.value
    found = list[Running]()
    # What a run makes may be hidden, too: then more of them are looked at.
    for most in (4 * limit, _LOOKED_AT) if sight.hidden else (4 * limit,):
        rows = _rows(connection, sight, is_failed, most)
        found = list(_seen(sight, [row for row in rows if row["since"] > since], limit))
        if len(found) == limit or len(rows) < most:
            break
    return found


def waiting(connection: Connection, sight: Sight, before: float, limit: int) -> list[Waits]:
    """Runs that were submitted before a moment and still wait to be placed, by what they wait for, the longest wait
    first; among the oldest that do.
    """
    waits = sa.and_(t.run.c.is_active.is_(True), t.run.c.state == RunState.QUEUED.value, t.run.c.submitted_at < before)
    found: dict[str, list[Running]] = {}
    for item in _seen(sight, _rows(connection, sight, waits, oldest_first=True), _LOOKED_AT):
        found.setdefault(item.reason, []).append(item)
    return [Waits(reason=reason, first=items[0], runs=len(items)) for reason, items in found.items()][:limit]


def ended(connection: Connection, sight: Sight, limit: int) -> list[Running]:
    """The last ones that came to an end, the newest end first; where much is hidden, among the last `_ENDED`.

    Those that are hidden are passed over one by one: told to leave them out, a database reads what all runs read.
    """
    c, found = t.run.c, list[Running]()
    query = sa.select(t.run).where(c.is_active.is_(False)).order_by(c.since.desc(), c.run_seq.desc())
    for most in (4 * limit, max(4 * limit, _ENDED)) if sight.hidden else (limit,):
        rows = connection.execute(query.limit(most)).mappings().all()
        found = list(_seen(sight, rows, limit))
        if len(found) == limit or len(rows) < most:
            break
    return found


def _rows(
    connection: Connection,
    sight: Sight,
    which: ColumnElement[bool],
    most: int = _LOOKED_AT,
    *,
    oldest_first: bool = False,
) -> Sequence[RowMapping]:
    query = sight.narrow_runs(connection, sa.select(t.run).where(which), most, oldest_first=oldest_first)
    return connection.execute(query).mappings().all()


def _seen(sight: Sight, rows: Iterable[RowMapping], limit: int) -> Iterator[Running]:
    """As many of them as may be known of, at most so many."""
    told = 0
    for row in rows:
        if told >= limit:
            return
        new = new_run(row["new"])
        if sight.sees_run(row["submitted_by"], touched_by(new)):
            told += 1
            yield _running(row, new, sight)


def _running(row: Any, new: NewRun, sight: Sight) -> Running:
    return Running(
        run_id=row["run_id"],
        title=title_of(new)[:200],
        state=RunState(row["state"]),
        reason=without(row["last_error"] or row["reason"], sight.hidden, OTHERS_FIRST),
        unblock=without(row["unblock"], sight.hidden),
        since=row["since"],
        submitted_at=row["submitted_at"],
        submitted_by=row["submitted_by"],
        team=row["team"],
        site=row["site"],
        refs=tuple(use.ref for use in new.data),
    )
