"""What somebody may do with runs, for many of them at once: the same rules as `hub.access.guarded_runs` asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from forebay.hub.access.jobs import made_by, read_by
from forebay.hub.access.rules import Data, Job, OnRun, decide_on_run
from forebay.hub.access.subjects import data_named
from forebay.hub.board.sight import Sight
from forebay.wire.runs import NewRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRights:
    """`sees` that there is one; `reviews` its reports and metrics; `inspects` its log; `steers`: ends or retries it."""

    sees: bool
    reviews: bool
    inspects: bool
    steers: bool


def rights_on(connection: Connection, sight: Sight, runs: Sequence[tuple[str, NewRun]]) -> list[RunRights]:
    """Of runs by who submitted them and what they are; datasets are looked up once for all."""
    names = {name for _, new in runs for name in (*read_by(new), *made_by(new))}
    known = data_named(connection, names) if names else {}
    return [_rights(sight, submitted_by, new, known) for submitted_by, new in runs]


def _rights(sight: Sight, submitted_by: str, new: NewRun, known: dict[str, Data]) -> RunRights:
    job = Job(
        submitter=submitted_by,
        team=new.team,
        sites=frozenset(),
        reads=tuple(known[name] for name in read_by(new) if name in known),
        makes=tuple(known[name] for name in made_by(new) if name in known),
    )
    sees, reviews, inspects, steers = (decide_on_run(sight.principal, want, job).allowed for want in OnRun)
    return RunRights(sees=sees, reviews=reviews, inspects=inspects, steers=steers)
