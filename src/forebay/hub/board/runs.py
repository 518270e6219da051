"""The list of runs: newest first, filtered, a page at a time, and how many are under way. Fast whatever there is.

A page is found by the id of the run before it, which tells nothing of how many hidden ones lie between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.hub import run_rows
from forebay.hub.access.jobs import OTHERS_FIRST, touched_by, without
from forebay.hub.board.run_names import is_called, may_be_called, title_of
from forebay.hub.board.run_rights import RunRights, rights_on
from forebay.hub.board.sight import Sight
from forebay.wire.runs import Ending, NewRun, RunState

ACTIVE: Final = "active"
"""The state that a filter has for all that have not ended."""

NAMED_AMONG: Final = 20_000

_MOST_AT_ONCE = 1000
_R = t.run.c
_COLUMNS = (
    _R.run_seq,
    _R.run_id,
    _R.new,
    _R.state,
    _R.reason,
    _R.since,
    _R.submitted_at,
    _R.submitted_by,
    _R.site,
    _R.next_try_at,
    _R.made,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Empty texts ask for all; `state` is a RunState or ACTIVE. `before` is the id of the last run of a page.

    By `name`, a part of what it is called, only the newest `NAMED_AMONG` are looked for.
    """

    name: str = ""
    state: str = ""
    user: str = ""
    team: str = ""
    site: str = ""
    dataset: str = ""
    before: str = ""

    @property
    def is_any(self) -> bool:
        return not (self.name or self.state or self.user or self.team or self.site or self.dataset)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run of a list. Times are Unix seconds, 0 for what was not yet; of `metrics` only who may read its log has
    any.
    """

    run_id: str
    new: NewRun
    state: RunState
    reason: str
    since: float
    submitted_at: float
    submitted_by: str
    site: str
    next_try_at: float
    made: tuple[str, ...]
    tries: int = 0
    started_at: float = 0.0
    ended_at: float = 0.0
    last_ending: Ending | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return title_of(self.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLines:
    """`next_before` is what the next page is asked with, "" after the last one."""

    runs: tuple[RunLine, ...]
    next_before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Underway:
    """How many runs are in each state that is not final, and how many failed since a moment (at most `MOST_FAILED`)."""

    states: Mapping[RunState, int]
    failed: int


MOST_FAILED: Final = 200


def runs_shown(connection: Connection, sight: Sight, asked: RunFilter, limit: int) -> RunLines:
    """A page of at most `limit` runs."""
    shown: list[tuple[Any, NewRun, RunRights]] = []
    for row, new, rights in _visible(connection, sight, asked, limit):
        if len(shown) == limit:
            return _lines(connection, sight, shown, shown[-1][0].run_id)
        shown.append((row, new, rights))
    return _lines(connection, sight, shown, "")


def underway(connection: Connection, sight: Sight, failed_since: float) -> Underway:
    """As far as somebody sees."""
    if not sight.hidden:
        query = sa.select(_R.state, sa.func.count()).where(run_rows.active()).group_by(_R.state)
        states = {RunState(state): int(number) for state, number in connection.execute(query)}
        newest = sa.select(_R.since).where(_R.state == RunState.FAILED.value).order_by(_R.run_seq.desc())
        failed = list(connection.execute(newest.limit(MOST_FAILED)).scalars())
    else:
        active = _known(connection, sight, run_rows.active(), _MOST_ACTIVE)
        states = dict(Counter(RunState(row.state) for row in active))
        failed = [row.since for row in _known(connection, sight, _R.state == RunState.FAILED.value, MOST_FAILED)]
    return Underway(states=states, failed=sum(since >= failed_since for since in failed))


_MOST_ACTIVE = 2000


def _known(connection: Connection, sight: Sight, which: ColumnElement[bool], most: int) -> list[Any]:
    """The newest of those runs that may be known of; where many make what is hidden, of the newest `most` looked at."""
    columns = sa.select(_R.state, _R.since, _R.submitted_by, _R.new).where(which)
    rows = connection.execute(sight.narrow_runs(connection, columns, most)).all()
    runs = [(row, run_rows.new_run(row.new)) for row in rows]
    return [row for row, new in runs if sight.sees_run(row.submitted_by, touched_by(new))]


def _visible(
    connection: Connection, sight: Sight, asked: RunFilter, limit: int
) -> Iterator[tuple[Any, NewRun, RunRights]]:
    """Rows that may be known of, with what they say and what may be done with them, as many as are wanted."""
    chunk = _MOST_AT_ONCE if asked.name else min(limit + 1, _MOST_AT_ONCE)
    query = sa.select(*_COLUMNS).where(*_conditions(connection, asked))
    while True:
        rows = connection.execute(sight.narrow_runs(connection, query, chunk)).all()
        found = [(row, new) for row in rows if is_called(new := run_rows.new_run(row.new), asked.name)]
        rights = rights_on(connection, sight, [(row.submitted_by, new) for row, new in found])
        for (row, new), right in zip(found, rights, strict=True):
            if right.sees:
                yield row, new, right
        if len(rows) < chunk:
            return
        query = query.where(_R.run_seq < rows[-1].run_seq)


def _conditions(connection: Connection, asked: RunFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.state == ACTIVE:
        found.append(run_rows.active())
    elif asked.state:
        found.append(_R.state == asked.state)
    for column, wanted in ((_R.submitted_by, asked.user), (_R.team, asked.team), (_R.site, asked.site)):
        if wanted:
            found.append(column == wanted)
    if asked.name:
        found.append(may_be_called(connection, asked.name, NAMED_AMONG))
    if asked.dataset:
        found.append(_R.run_seq.in_(sa.select(t.run_data.c.run_seq).where(t.run_data.c.dataset == asked.dataset)))
    if asked.before:
        before = connection.execute(sa.select(_R.run_seq).where(_R.run_id == asked.before)).scalar()
        found.append(_R.run_seq < before if before is not None else sa.false())
    return found


def _lines(
    connection: Connection, sight: Sight, shown: list[tuple[Any, NewRun, RunRights]], next_before: str
) -> RunLines:
    seqs = [row.run_seq for row, _, _ in shown]
    attempts = _attempts(connection, seqs)
    metrics = _metrics(connection, seqs)
    hidden = sight.hidden
    lines = []
    for row, new, rights in shown:
        told = metrics.get(row.run_seq, {})
        line = RunLine(
            run_id=row.run_id,
            new=new,
            state=RunState(row.state),
            reason=without(row.reason, hidden, OTHERS_FIRST),
            since=row.since,
            submitted_at=row.submitted_at,
            submitted_by=row.submitted_by,
            site=row.site,
            next_try_at=row.next_try_at,
            made=tuple(row.made.split()),
            metrics=told if told and rights.reviews else {},
        )
        lines.append(_with_attempts(line, attempts.get(row.run_seq, [])))
    return RunLines(runs=tuple(lines), next_before=next_before)


def _with_attempts(line: RunLine, attempts: list[Any]) -> RunLine:
    if not attempts:
        return line
    last = attempts[-1]
    return replace(
        line,
        tries=len(attempts),
        started_at=last.started_at,
        ended_at=last.ended_at,
        last_ending=Ending(last.ending) if last.ending else None,
    )


def _attempts(connection: Connection, seqs: list[int]) -> dict[int, list[Any]]:
    a = t.attempt.c
    found: dict[int, list[Any]] = {}
    for some in _in_parts(seqs):
        query = sa.select(a.run_seq, a.started_at, a.ended_at, a.ending).where(a.run_seq.in_(some)).order_by(a.number)
        for row in connection.execute(query):
            found.setdefault(row.run_seq, []).append(row)
    return found


def _metrics(connection: Connection, seqs: list[int]) -> dict[int, dict[str, float]]:
    """Of the newest attempt that told any."""
    m = t.run_metric.c
    found: dict[int, tuple[int, dict[str, float]]] = {}
    for some in _in_parts(seqs):
        query = sa.select(m.run_seq, m.number, m.name, m.value).where(m.run_seq.in_(some))
        for row in connection.execute(query.order_by(m.run_seq, m.number.desc(), m.name)):
            number, values = found.setdefault(row.run_seq, (row.number, {}))
            if number == row.number:
                values[row.name] = row.value
    return {seq: values for seq, (_, values) in found.items()}


def _in_parts(seqs: list[int], most: int = 500) -> Iterator[list[int]]:
    return (seqs[at : at + most] for at in range(0, len(seqs), most))
