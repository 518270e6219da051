"""What an agent may add to the catalog, and report as made: outputs of runs that are under way at its site, no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from forebay.catalog.names import check_dataset_name
from forebay.errors import InputError, NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.jobs import dataset_of, made_by, under_way_at
from forebay.hub.access.rules import Action, Agent, Data, Verdict, decide
from forebay.hub.access.trail import Deed
from forebay.hub.agents import attempt_in
from forebay.wire.access import DatasetPolicy
from forebay.wire.catalog import NewVersion
from forebay.wire.runs import Run, RunQuery, Runs
from forebay.wire.sites import Report

_PAGE = 1000


def submitter_of(gate: Gate, agent: Agent, runs: Runs, new: NewVersion) -> str:
    """In whose name this output is added: the run's submitter, who must be allowed to add it at this moment.

    Made from nothing but what the run reads, for no team but the run's.
    """
    deed = Deed(action=Action.WRITE.value, call="catalog.add_version", dataset=new.dataset)
    name = check_dataset_name(new.dataset)
    made = [run for run in _under_way(runs, agent.site) if name in made_by(run.new) and _fits(new, run)]
    if not made:
        reason = f"no run under way at the site {agent.site!r} makes such a version"
        gate.refuse(deed, Verdict(allowed=False, reason=reason))
    run = made[-1]
    deed = replace(deed, detail=f"run {run.run_id} of {run.submitted_by}")
    known = gate.access.subjects.data(name, agent)
    person = gate.access.person(run.submitted_by)
    mine = known or Data(name=name, owner=run.submitted_by, policy=DatasetPolicy(dataset=name))
    if person is None or not decide(person, Action.WRITE, mine).allowed:
        gate.refuse(deed, Verdict(allowed=False, reason="who submitted the run may not write it"))
    if not gate.sees(mine):
        gate.refuse(deed, Verdict(allowed=False, reason=f"its bytes may not be at the site {agent.site!r}"))
    gate.record(deed)
    return run.submitted_by


def believed(runs: Runs, site: str, reports: tuple[Report, ...]) -> tuple[Report, ...]:
    """The reports, with only those versions as made that are of what their run makes."""
    if not any(report.made for report in reports):
        return reports
    return tuple(replace(item, made=_believed(runs, site, item)) if item.made else item for item in reports)


def _believed(runs: Runs, site: str, report: Report) -> tuple[str, ...]:
    """Also of an attempt that was given up: that it had ended well may still count."""
    run_id, number = attempt_in(report.task_id)
    try:
        run = runs.get(run_id)
    except (NotFoundError, InputError):
        return ()
    makes = made_by(run.new) if [(item.number, item.site) for item in run.attempts[-1:]] == [(number, site)] else ()
    return tuple(ref for ref in report.made if dataset_of(ref) in makes)


def _fits(new: NewVersion, run: Run) -> bool:
    read = {item.ref for item in run.new.data}
    return {parent.ref for parent in new.parents} <= read and new.team in ("", run.new.team)


def _under_way(runs: Runs, site: str) -> Iterator[Run]:
    query = RunQuery(site=site, active=True, limit=_PAGE)
    while True:
        page = runs.page(query)
        yield from (run for run in page.runs if under_way_at(run, site))
        if not page.next_before:
            return
        query = replace(query, before=page.next_before)
