"""Reads and writes the rows of runs and their attempts, as the pure machine has them. Inside the caller's transaction.

A run is written only where its revision is still the one that was read: of two who change it at once, one looks again.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.catalog.engine import once
from forebay.catalog.names import parse_ref
from forebay.catalog.records import storable
from forebay.hub.task_rows import TEXT_LENGTH
from forebay.runs.machine import Course, Hold
from forebay.wire.codec import from_json, to_json
from forebay.wire.runs import Attempt, Ending, NewRun, Run, RunState

_RUNS = sa.select(t.run)
_EXTEND = (
    sa.update(t.attempt)
    .where(t.attempt.c.ending == "", t.attempt.c.site == sa.bindparam("at_site"))
    .where(t.attempt.c.agent_token == sa.bindparam("by_agent"))
    .values(held_until=sa.bindparam("until"))
)
_KEPT_IN_MEMORY = 20_000
_MANY = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A run and the number of its row, which grows from run to run."""

    seq: int
    course: Course


def active() -> ColumnElement[bool]:
    """Those that have not ended."""
    return t.run.c.is_active.is_(True)


def under_way_at(site: str) -> ColumnElement[bool]:
    """Those with an attempt at that site that has not ended."""
    chosen = sa.select(t.attempt.c.run_seq).where(t.attempt.c.ending == "", t.attempt.c.site == site)
    return t.run.c.run_seq.in_(chosen)


def load(connection: Connection, *where: ColumnElement[bool], lock: bool = False) -> list[Kept]:
    """The runs that meet all the conditions, oldest first."""
    query = _RUNS.where(*where).order_by(t.run.c.run_seq)
    return read(connection, query.with_for_update() if lock else query)


def read(connection: Connection, query: sa.Select[Any]) -> list[Kept]:
    """The runs of a query over whole rows of `run`, in its order."""
    rows = connection.execute(query).mappings().all()
    attempts = _attempts(connection, [row["run_seq"] for row in rows])
    return [_kept(row, attempts.get(row["run_seq"], [])) for row in rows]


def ids_beginning(connection: Connection, text: str) -> tuple[str, ...]:
    """The ids that begin so, which is ASCII letters and digits; of very many only some, since then it says nothing."""
    # No letter of an id comes after f.
    begins = sa.and_(t.run.c.run_id >= text, t.run.c.run_id < f"{text}z")
    query = sa.select(t.run.c.run_id).where(begins).limit(_MANY)
    return once(connection, ("run ids", text), lambda: tuple(connection.execute(query).scalars()))


def insert(connection: Connection, course: Course) -> int:
    """Write a new run; the number of its row."""
    run = course.run
    fixed = {
        "run_id": run.run_id,
        "new": json.dumps(to_json(run.new), separators=(",", ":")),
        "submitted_at": run.submitted_at,
        "submitted_by": storable(run.submitted_by, t.NAME_LENGTH),
        "team": run.new.team,
    }
    statement = sa.insert(t.run).values({**fixed, **_values(course)}).returning(t.run.c.run_seq)
    seq = int(connection.execute(statement).scalar_one())
    for use in run.new.data:
        values = {"run_seq": seq, "name": use.name, "dataset": parse_ref(use.ref).dataset, "ref": use.ref}
        connection.execute(sa.insert(t.run_data).values(values))
    return seq


def save(connection: Connection, kept: Kept, after: Course) -> bool:
    """Write what has changed; False, with nothing written, when somebody else changed it first."""
    before = kept.course
    if after is before:
        return True
    here = sa.and_(t.run.c.run_seq == kept.seq, t.run.c.revision == before.run.revision)
    if connection.execute(sa.update(t.run).where(here).values(_values(after))).rowcount != 1:
        return False
    for index, attempt in enumerate(after.run.attempts):
        known = before.run.attempts[index] if index < len(before.run.attempts) else None
        hold = after.hold if attempt.ending is None else None
        if known is None:
            made = {"run_seq": kept.seq, "number": attempt.number, "log_bytes": 0, "agent_token": 0, "held_until": 0.0}
            connection.execute(sa.insert(t.attempt).values({**made, **_attempt_values(attempt, hold)}))
        elif known != attempt or (hold is not None and hold != before.hold):
            here = sa.and_(t.attempt.c.run_seq == kept.seq, t.attempt.c.number == attempt.number)
            connection.execute(sa.update(t.attempt).where(here).values(_attempt_values(attempt, hold)))
    return True


def extend_holds(connection: Connection, site: str, agent_token: int, until: float) -> None:
    """The agent of a site was heard of: what it has under way there is held longer (`machine.Heard`)."""
    connection.execute(_EXTEND, {"at_site": site, "by_agent": agent_token, "until": until})


def attempt_row(connection: Connection, seq: int, number: int, *, lock: bool = False) -> Any:
    """The row of an attempt (0: the newest), or None."""
    query = sa.select(t.attempt).where(t.attempt.c.run_seq == seq).order_by(t.attempt.c.number.desc()).limit(1)
    if number:
        query = query.where(t.attempt.c.number == number)
    return connection.execute(query.with_for_update() if lock else query).first()


def _values(course: Course) -> dict[str, Any]:
    run = course.run
    return {
        "state": run.state.value,
        "is_active": not run.state.is_final,
        "reason": storable(run.reason, TEXT_LENGTH),
        "since": run.since,
        "revision": run.revision,
        "site": run.site,
        "next_try_at": run.next_try_at,
        "last_error": storable(run.last_error, TEXT_LENGTH),
        "unblock": storable(run.unblock, TEXT_LENGTH),
        "cancelled_by": storable(run.cancelled_by, t.NAME_LENGTH),
        "stopping": storable(course.stopping, TEXT_LENGTH),
        "made": " ".join(run.made),
        "forgiven": course.forgiven,
    }


def _attempt_values(attempt: Attempt, hold: Hold | None) -> dict[str, Any]:
    values = {
        "site": attempt.site,
        "token": attempt.token,
        "ordered_at": attempt.ordered_at,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "ending": attempt.ending.value if attempt.ending else "",
        "exit_code": attempt.exit_code,
        "reason": storable(attempt.reason, TEXT_LENGTH),
    }
    if hold is not None:
        values |= {"agent_token": hold.agent_token, "held_until": hold.until}
    return values


def _attempts(connection: Connection, seqs: Iterable[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    wanted = sorted(seqs)
    for begin in range(0, len(wanted), _IN_ONE_QUESTION):
        here = t.attempt.c.run_seq.in_(wanted[begin : begin + _IN_ONE_QUESTION])
        for row in connection.execute(sa.select(t.attempt).where(here).order_by(t.attempt.c.number)):
            found.setdefault(row.run_seq, []).append(row)
    return found


_IN_ONE_QUESTION = 500


def _kept(row: Any, attempts: list[Any]) -> Kept:
    run = Run(
        run_id=row["run_id"],
        new=new_run(row["new"]),
        state=RunState(row["state"]),
        reason=row["reason"],
        since=row["since"],
        submitted_at=row["submitted_at"],
        submitted_by=row["submitted_by"],
        revision=row["revision"],
        site=row["site"],
        attempts=tuple(_attempt(item) for item in attempts),
        next_try_at=row["next_try_at"],
        last_error=row["last_error"],
        unblock=row["unblock"],
        cancelled_by=row["cancelled_by"],
        made=tuple(row["made"].split()),
    )
    hold = None
    if attempts and not attempts[-1].ending:
        hold = Hold(agent_token=attempts[-1].agent_token, until=attempts[-1].held_until)
    return Kept(
        seq=row["run_seq"],
        course=Course(run=run, hold=hold, forgiven=row["forgiven"], stopping=row["stopping"]),
    )


@functools.lru_cache(maxsize=_KEPT_IN_MEMORY)
def new_run(text: str) -> NewRun:
    """It never changes, and a pass over the queue reads all of them."""
    return from_json(NewRun, json.loads(text))


def _attempt(row: Any) -> Attempt:
    return Attempt(
        number=row.number,
        site=row.site,
        token=row.token,
        ordered_at=row.ordered_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        ending=Ending(row.ending) if row.ending else None,
        exit_code=row.exit_code,
        reason=row.reason,
    )
