"""What is forgotten of runs that ended long ago: first their logs, then the runs themselves, some at a time.

A run that a version names as what made it stays. Works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.run_rows import active

AT_ONCE = 20
"""So many runs in one transaction: a log may have 16 MiB."""

LET_GO = "[this log was let go: the hub keeps none for longer]\n"
"""What stands in place of a log that has gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """For how many seconds after a run's end its logs and the run itself are kept (None: for ever)."""

    logs_s: float | None = None
    runs_s: float | None = None


def purge(connection: Connection, kept: Kept, now: float) -> int:
    """Forget what is due of at most `AT_ONCE` runs; of how many something was forgotten."""
    forgotten = _forget_runs(connection, now - kept.runs_s) if kept.runs_s is not None else 0
    if forgotten or kept.logs_s is None:
        return forgotten
    return _forget_logs(connection, now - kept.logs_s)


def _forget_logs(connection: Connection, before: float) -> int:
    note = LET_GO.encode()
    has_log = sa.select(t.run_log.c.run_seq).where(
        t.run_log.c.run_seq == t.run.c.run_seq, sa.or_(t.run_log.c.begin > 0, t.run_log.c.end != len(note))
    )
    due = sa.select(t.run.c.run_seq).where(~active(), t.run.c.since < before, has_log.exists())
    seqs = connection.execute(due.order_by(t.run.c.run_seq).limit(AT_ONCE)).scalars().all()
    if not seqs:
        return 0
    logged = sa.select(t.run_log.c.run_seq, t.run_log.c.number).where(t.run_log.c.run_seq.in_(seqs)).distinct()
    keys = connection.execute(logged).all()
    connection.execute(sa.delete(t.run_log).where(t.run_log.c.run_seq.in_(seqs)))
    for seq, number in keys:
        here = sa.and_(t.attempt.c.run_seq == seq, t.attempt.c.number == number)
        connection.execute(sa.update(t.attempt).where(here).values(log_bytes=len(note)))
        part = {"run_seq": seq, "number": number, "begin": 0, "end": len(note), "data": note}
        connection.execute(sa.insert(t.run_log).values(part))
    return len(seqs)


def _forget_runs(connection: Connection, before: float) -> int:
    # As `client.agent.outputs` writes it into each version that a run makes: "run ID; what it ran in".
    named, run = t.version.c.made_by_parameters, "run " + t.run.c.run_id
    made_something = sa.select(t.version.c.version_id).where(sa.or_(named == run, named.like(run + ";%")))
    due = sa.select(t.run.c.run_seq).where(~active(), t.run.c.since < before, ~made_something.exists())
    seqs: Collection[int] = connection.execute(due.order_by(t.run.c.run_seq).limit(AT_ONCE)).scalars().all()
    if seqs:
        for table in (t.run_metric, t.keepsake, t.run_log, t.attempt, t.run_data, t.run):
            connection.execute(sa.delete(table).where(table.c.run_seq.in_(seqs)))
    return len(seqs)
