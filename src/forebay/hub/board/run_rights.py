"""What somebody may do with runs, for many of them at once: the same rules as `hub.access.guarded_runs` asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from forebay.hub.access.jobs import made_by, read_by, touched_by
from forebay.hub.access.rules import Data, Job, OnRun, Person, decide_on_run
from forebay.hub.access.subjects import data_named
from forebay.hub.board.sight import Sight
from forebay.wire.runs import NewRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRights:
    """What somebody may do with a run; each is decided when it is asked for."""

    principal: Person = field(repr=False)
    job: Job

    @property
    def sees(self) -> bool:
        """Knows that there is one."""
        return self._may(OnRun.SEE)

    @property
    def reviews(self) -> bool:
        """Reads its reports and metrics."""
        return self._may(OnRun.REVIEW)

    @property
    def inspects(self) -> bool:
        """Reads its log."""
        return self._may(OnRun.INSPECT)

    @property
    def steers(self) -> bool:
        """Ends it, or has it tried again."""
        return self._may(OnRun.STEER)

    def _may(self, want: OnRun) -> bool:
        return decide_on_run(self.principal, want, self.job).allowed


def rights_on(connection: Connection, sight: Sight, runs: Sequence[tuple[str, NewRun]]) -> list[RunRights]:
    """Of runs by who submitted them and what they are; datasets are looked up once for all."""
    names = {name for _, new in runs for name in touched_by(new)}
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
    return RunRights(principal=sight.principal, job=job)
