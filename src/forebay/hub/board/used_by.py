"""The runs that read a version, or a subset of it, and what they made: recorded without anybody asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.engine import once
from forebay.catalog.records import WHOLE
from forebay.hub import run_rows
from forebay.hub.board.run_names import title_of
from forebay.hub.board.sight import Sight
from forebay.hub.ledger import IS_USE
from forebay.hub.run_rows import Kept
from forebay.wire.catalog import ref_of
from forebay.wire.runs import Run, RunState

PAGE = 25
_CHUNK = 100
_OPENINGS = 500
_LOOKS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """Somebody who opened a version, and when last."""

    user: str
    last_used_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUse:
    """A run and what it has to do with a version: `reads` are its refs, `made` what it made that may be known of.

    `seconds` is how long its last attempt has run or ran, 0 before it began.
    """

    run_id: str
    title: str
    state: RunState
    since: float
    submitted_by: str
    submitted_at: float
    site: str
    seconds: float
    reads: tuple[str, ...]
    made: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUses:
    """Newest first; `next_before` is the cursor of the next page (0: there is none)."""

    runs: tuple[RunUse, ...]
    next_before: int


def runs_that_read(
    connection: Connection, sight: Sight, dataset: str, number: int, now: float, *, before: int = 0, limit: int = PAGE
) -> RunUses:
    """The runs that read a version; nothing where its dataset is hidden.

    As many as there are without what is hidden: a page that is shorter would tell of it.
    """
    if not sight.sees(dataset):
        return RunUses(runs=(), next_before=0)
    refs = refs_of(connection, dataset, number)
    found: list[Kept] = []
    for _ in range(_LOOKS):
        reads = sa.select(t.run_data.c.run_seq).where(t.run_data.c.ref.in_(refs))
        if before:
            reads = reads.where(t.run_data.c.run_seq < before)
        query = sight.narrow_runs(connection, sa.select(t.run).where(t.run.c.run_seq.in_(reads)), _CHUNK)
        chunk = run_rows.read(connection, query)
        found += [item for item in chunk if sees(sight, item.course.run)]
        if len(found) > limit:
            return RunUses(
                runs=tuple(use(sight, item.course.run, now) for item in found[:limit]), next_before=found[limit - 1].seq
            )
        if len(chunk) < _CHUNK:
            break
        before = chunk[-1].seq
    return RunUses(runs=tuple(use(sight, item.course.run, now) for item in found), next_before=0)


def opened_by(connection: Connection, sight: Sight, dataset: str, number: int, *, most: int = 5) -> list[Opener]:
    """Who opened a version or a subset of it, in a run or not, the last one first; of its last openings alone, however
    many there are. Nothing where its dataset is hidden.
    """
    if not sight.sees(dataset):
        return []
    refs = refs_of(connection, dataset, number)
    # Out of the index alone; only then are names read.
    newest = sa.select(t.use.c.use_id).where(t.use.c.ref.in_(refs), IS_USE).order_by(t.use.c.at.desc()).limit(_OPENINGS)
    last = sa.func.max(t.use.c.at)
    query = (
        sa.select(t.use.c.user_name, last.label("at"))
        .where(t.use.c.use_id.in_(newest.scalar_subquery()))
        .group_by(t.use.c.user_name)
        .order_by(last.desc(), t.use.c.user_name)
        .limit(most)
    )
    return [Opener(user=row.user_name, last_used_at=row.at) for row in connection.execute(query)]


def refs_of(connection: Connection, dataset: str, number: int) -> list[str]:
    """The refs of a version and of its subsets, asked for once in a snapshot."""
    query = (
        sa.select(t.version.c.subset)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.dataset.c.name == dataset, t.version.c.number == number, sa.not_(WHOLE))
        .limit(1000)
    )
    parts = once(connection, ("subsets", dataset, number), lambda: tuple(connection.execute(query).scalars()))
    return [ref_of(dataset, number), *(ref_of(dataset, number, part) for part in parts)]


def runs_of(connection: Connection, sight: Sight, run_ids: Sequence[str]) -> list[Run]:
    """Those of some runs that may be known of."""
    query = sight.narrow_runs(connection, sa.select(t.run).where(t.run.c.run_id.in_(sorted(run_ids))))
    found = [item.course.run for item in run_rows.read(connection, query)]
    return [run for run in found if sees(sight, run)]


def sees(sight: Sight, run: Run) -> bool:
    """Whether one may know of a run: of all that it reads and makes, unless it is their own."""
    reads = (dataset_of(item.ref) for item in run.new.data)
    return sight.sees_run(run.submitted_by, [*reads, *(item.dataset for item in run.new.outputs)])


def use(sight: Sight, run: Run, now: float) -> RunUse:
    """A run as a line."""
    return RunUse(
        run_id=run.run_id,
        title=title_of(run.new)[:80],
        state=run.state,
        since=run.since,
        submitted_by=run.submitted_by,
        submitted_at=run.submitted_at,
        site=run.site,
        seconds=_seconds(run, now),
        reads=tuple(item.ref for item in run.new.data if sight.sees(dataset_of(item.ref))),
        made=tuple(ref for ref in run.made if sight.sees(dataset_of(ref))),
    )


def dataset_of(ref: str) -> str:
    """`criteo` of `criteo@v3`."""
    return ref.partition("@")[0]


def _seconds(run: Run, now: float) -> float:
    if not run.attempts or not run.attempts[-1].started_at:
        return 0.0
    last = run.attempts[-1]
    return max(0.0, (last.ended_at or now) - last.started_at)
