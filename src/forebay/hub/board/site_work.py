"""What sites do now: the tasks that have not ended, and the runs whose attempts are under way; without what is hidden.

A text that names a hidden dataset is told otherwise, and a hidden run is nobody (as `access.guarded_sites` has it).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub import run_rows, task_rows
from forebay.hub.access.jobs import OTHERS_FIRST, dataset_of, touched_by, without
from forebay.hub.board.sight import Sight
from forebay.runs.request import resources_of
from forebay.sites.site import Resources
from forebay.sites.tasks import RUNS
from forebay.wire.runs import Run, RunState
from forebay.wire.sites import Task, TaskKind

MOST = 5000
"""So many tasks, and so many runs under way, are looked at."""

FOR_A_RUN = "a run waits for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A run with an attempt under way. `started_at` 0: its command has not started yet. Times are Unix seconds."""

    run_id: str
    site: str
    title: str
    submitted_by: str
    state: RunState
    attempt: int
    ordered_at: float
    started_at: float
    gpus: int
    cpus: int
    nodes: int
    reads: tuple[str, ...]


def open_tasks(connection: Connection, sight: Sight, site: str = "") -> list[Task]:
    """The fills, evictions and scrubs that have not ended, of one site or of all, oldest first."""
    found = [item.task for item in task_rows.opened(connection, site)[:MOST]]
    if sight.sees_all:
        return found
    kept = [item for item in found if not item.ref or sight.sees(dataset_of(item.ref))]
    seen = _seen_runs(connection, sight, {item.asked_by.removeprefix(RUNS) for item in kept if _of_run(item)})
    return [_told(item, sight, seen) for item in kept]


def tasks_by_site(connection: Connection, sight: Sight) -> dict[str, dict[TaskKind, int]]:
    """How many tasks have not ended, by site and kind."""
    c = t.task.c
    rows = connection.execute(sa.select(c.site, c.kind, c.ref).where(c.open_key.is_not(None)))
    counted = Counter((row.site, row.kind) for row in rows if not row.ref or sight.sees(dataset_of(row.ref)))
    found: dict[str, dict[TaskKind, int]] = defaultdict(dict)
    for (site, kind), number in counted.items():
        found[site][TaskKind(kind)] = number
    return found


def runs_by_site(connection: Connection, sight: Sight) -> Counter[str]:
    """How many runs have an attempt at a site that has not ended."""
    a, r = t.attempt.c, t.run.c
    attempts = sa.select(a.site, r.submitted_by, r.new).select_from(t.run).join(t.attempt, a.run_seq == r.run_seq)
    query = sight.narrow_runs(connection, attempts.where(a.ending == ""), MOST, oldest_first=True)
    found: Counter[str] = Counter()
    for row in connection.execute(query):
        new = run_rows.new_run(row.new)
        found[row.site] += sight.sees_run(row.submitted_by, touched_by(new))
    return found


def busy_by_site(connection: Connection) -> dict[str, Resources]:
    """What runs have of each site's compute, all of them: nobody's sight is asked, and no run is told of."""
    a, r = t.attempt.c, t.run.c
    query = sa.select(a.site, r.new).select_from(t.run).join(t.attempt, a.run_seq == r.run_seq).where(a.ending == "")
    found: dict[str, Resources] = defaultdict(Resources)
    for site, new in connection.execute(query):
        had, more = found[site], resources_of(run_rows.new_run(new))
        found[site] = Resources(
            gpus=had.gpus + more.gpus,
            cpus=had.cpus + more.cpus,
            memory_bytes=had.memory_bytes + more.memory_bytes,
        )
    return dict(found)


def runs_under_way(connection: Connection, sight: Sight, site: str = "") -> list[Working]:
    """Those with an attempt that has not ended, at one site or at all, the one that began first at the head."""
    here = t.attempt.c.ending == ""
    if site:
        here = sa.and_(here, t.attempt.c.site == site)
    chosen = sa.select(t.attempt.c.run_seq).where(here)
    query = sight.narrow_runs(connection, sa.select(t.run).where(t.run.c.run_seq.in_(chosen)), MOST, oldest_first=True)
    runs = _seen(sight, (kept.course.run for kept in run_rows.read(connection, query)))
    return sorted((_working(run) for run in runs), key=lambda item: (item.ordered_at, item.run_id))


def _seen(sight: Sight, runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if sight.sees_run(run.submitted_by, touched_by(run.new))]


def _seen_runs(connection: Connection, sight: Sight, ids: Collection[str]) -> set[str]:
    if not ids:
        return set()
    query = sight.narrow_runs(connection, sa.select(t.run).where(t.run.c.run_id.in_(sorted(ids))))
    return {run.run_id for run in _seen(sight, (kept.course.run for kept in run_rows.read(connection, query)))}


def _working(run: Run) -> Working:
    attempt = run.attempts[-1]
    return Working(
        run_id=run.run_id,
        site=attempt.site,
        title=run.new.title or " ".join(run.new.command)[:120],
        submitted_by=run.submitted_by,
        state=run.state,
        attempt=attempt.number,
        ordered_at=attempt.ordered_at,
        started_at=attempt.started_at,
        gpus=run.new.gpus,
        cpus=run.new.cpus,
        nodes=run.new.nodes,
        reads=tuple(use.ref for use in run.new.data),
    )


def _of_run(task: Task) -> bool:
    return task.asked_by.startswith(RUNS)


def _told(task: Task, sight: Sight, seen: Collection[str]) -> Task:
    if _of_run(task) and task.asked_by.removeprefix(RUNS) not in seen:
        task = replace(task, asked_by="", reason=FOR_A_RUN)
    hidden = sight.hidden
    return replace(
        task,
        reason=without(task.reason, hidden, OTHERS_FIRST),
        last_error=without(task.last_error, hidden),
        unblock=without(task.unblock, hidden),
    )
