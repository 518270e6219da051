"""What a pass over the queue means for each run that waits, and for each fill; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from forebay.runs import backlog, machine
from forebay.runs.backlog import FailRun, FillVersion, PlaceRun, StartRun, Step
from forebay.runs.machine import Course
from forebay.sites import tasks
from forebay.sites.state import SiteTerms
from forebay.sites.tasks import Errand
from forebay.wire.sites import TaskState

_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a pass was decided on. `courses` are the runs that have no attempt under way, by id.

    `gone` tells of some of them the version that is no more, `refused` why some may not begin any more. `agents` are
    the tokens of the sites' agents; `fills` those that are wanted, by site and ref.
    """

    now: float
    courses: Mapping[str, Course] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    agents: Mapping[str, int] = field(default_factory=dict)
    fills: Mapping[tuple[str, str], Errand] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written: fills that are wanted, and not any more, and each run before and after."""

    fills: tuple[FillVersion, ...] = ()
    unwanted: tuple[Errand, ...] = ()
    changes: tuple[tuple[Course, Course], ...] = ()

    @property
    def sites(self) -> set[str]:
        """Those whose orders change."""
        starting = {after.run.site for _, after in self.changes if after.under_way is not None}
        return starting | {item.site for item in self.fills} | {item.task.site for item in self.unwanted}

    def parts(self) -> Iterator[Plan]:
        """Small enough that nobody waits long for one of them to be written."""
        if self.fills or self.unwanted:
            yield Plan(fills=self.fills, unwanted=self.unwanted)
        for begin in range(0, len(self.changes), _AT_ONCE):
            yield Plan(changes=self.changes[begin : begin + _AT_ONCE])


def planned(waiting: Waiting, done: Step, terms: SiteTerms) -> Plan:
    """What comes of a pass."""
    after = dict(waiting.courses)

    def happen(run_id: str, event: machine.Event) -> None:
        after[run_id] = machine.step(after[run_id], event, waiting.now, terms)

    for run_id, ref in waiting.gone.items():
        reason = f"there is no version {ref} any more"
        happen(run_id, machine.DataFailed(reason=reason, unblock="Submit it anew, with a version that is there."))
    for run_id, reason in waiting.refused.items():
        happen(run_id, machine.RightLost(reason=reason))
    for effect in done.effects:
        match effect:
            case PlaceRun():
                happen(effect.run_id, machine.Placed(site=effect.site, because=effect.because))
            case FailRun():
                happen(effect.run_id, machine.DataFailed(reason=effect.reason, unblock=effect.unblock))
            case StartRun() if effect.site in waiting.agents:
                happen(effect.run_id, machine.Ordered(agent_token=waiting.agents[effect.site]))
            case _:
                pass
    for item in done.waiting:
        if item.site is None:
            happen(item.run_id, machine.Placed(site=""))
        happen(item.run_id, _waited(item, waiting.fills))
    return Plan(
        fills=tuple(effect for effect in done.effects if isinstance(effect, FillVersion)),
        unwanted=_unwanted(waiting.fills, after),
        changes=tuple(
            (before, _one_revision(before, after[run_id]))
            for run_id, before in waiting.courses.items()
            if replace(after[run_id].run, revision=before.run.revision) != before.run
        ),
    )


def _waited(waiting: backlog.Waiting, fills: Mapping[tuple[str, str], Errand]) -> machine.Waited:
    """Why a run waits; where a fill that it needs fails, what that says."""
    for ref in waiting.refs:
        errand = fills.get((waiting.site or "", ref))
        if errand is not None and errand.task.last_error and errand.task.state is TaskState.WAITING:
            reason = f"{ref} is not at {waiting.site} yet: {errand.task.reason}"
            return machine.Waited(reason=reason, unblock=errand.task.unblock, filling=True)
    return machine.Waited(reason=waiting.reason, unblock=waiting.unblock, filling=bool(waiting.refs))


def _unwanted(fills: Mapping[tuple[str, str], Errand], after: Mapping[str, Course]) -> tuple[Errand, ...]:
    """Fills that only runs wanted, and none does any more."""
    needed: dict[str, set[str]] = defaultdict(set)
    for course in after.values():
        if not course.run.state.is_final:
            needed[course.run.site].update(use.ref for use in course.run.new.data)
    return tuple(
        errand
        for (site, ref), errand in fills.items()
        if errand.task.asked_by.startswith(tasks.RUNS) and not errand.stopping and ref not in needed[site]
    )


def _one_revision(before: Course, after: Course) -> Course:
    """Several events of one pass are one change to whoever looks."""
    return replace(after, run=replace(after.run, revision=before.run.revision + 1))
