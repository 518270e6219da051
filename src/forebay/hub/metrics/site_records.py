"""The gauges of sites, of what they are to do and of what rules want there, from the records as they stand now.

PRIVATE: a site may be named (decision 14), what is filled or kept there never.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub import rule_rows, site_rows
from forebay.metrics import hub_families as m
from forebay.metrics.family import Sample, sample
from forebay.sites import downtime
from forebay.sites.state import SiteTerms
from forebay.wire.rules import PlaceState
from forebay.wire.sites import SiteState, TaskKind, TaskState

_KINDS = (TaskKind.FILL, TaskKind.EVICT, TaskKind.SCRUB)
_OPEN = tuple(state for state in TaskState if not state.is_final)


def read(connection: Connection, now: float, terms: SiteTerms) -> Iterator[Sample]:
    """All of it, in the caller's snapshot. A site's state is that of now, whenever a hub last wrote one."""
    yield from _sites(connection, now, terms)
    yield from _tasks(connection)
    yield from _places(connection, now)


def _sites(connection: Connection, now: float, terms: SiteTerms) -> Iterator[Sample]:
    rows = site_rows.every(connection)
    counts = Counter(site_rows.stands(row, now, terms).state for row in rows)
    for state in SiteState:
        yield sample(m.SITE_STATE, counts[state], state=state.value)
    for row in rows:
        shall_be_heard = row["wanted"] != SiteState.DOWN.value and downtime.under_way(row["windows"], now) is None
        if row["seen_at"] and shall_be_heard:
            yield sample(m.SITE_SILENCE, max(0.0, now - row["seen_at"]), site=row["name"])


def _tasks(connection: Connection) -> Iterator[Sample]:
    c = t.task.c
    query = sa.select(c.kind, c.state, sa.func.count()).where(c.open_key.is_not(None)).group_by(c.kind, c.state)
    found = {(str(kind), str(state)): int(count) for kind, state, count in connection.execute(query)}
    for kind in _KINDS:
        for state in _OPEN:
            yield sample(m.OPEN_TASKS, found.get((kind, state), 0), kind=kind.value, state=state.value)


def _places(connection: Connection, now: float) -> Iterator[Sample]:
    c = t.rule_place.c
    query = (
        sa.select(c.state, sa.func.count())
        .join(t.rule, t.rule.c.rule_id == c.rule_id)
        .where(rule_rows.is_in_force(now))
        .group_by(c.state)
    )
    found = {str(state): int(count) for state, count in connection.execute(query)}
    for state in PlaceState:
        yield sample(m.RULE_PLACES, found.get(state, 0), state=state.value)
