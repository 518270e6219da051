"""Runs as the guard sees them: which datasets they touch, who may know of them, and texts without hidden names.

Datasets are looked up together, once for all runs of a question, and asked for where there are none: time must not
tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from forebay.hub.access.gate import Gate
from forebay.hub.access.rules import Agent, Data, Job, OnRun, Verdict, decide_on_run
from forebay.wire.runs import NewRun, Run

OTHERS_FIRST = "others are before it"
"""What is told in place of a text that names something hidden."""

NOT_NOW = "it can't run there now"
"""The same, of a site that will not do."""

_REF = re.compile(r"([a-z0-9][a-z0-9._-]*)@[A-Za-z0-9]", re.ASCII)


def dataset_of(ref: str) -> str:
    """`criteo` of `criteo@v3`."""
    return ref.partition("@")[0]


def read_by(new: NewRun) -> list[str]:
    """The datasets that a run reads."""
    return [dataset_of(item.ref) for item in new.data]


def made_by(new: NewRun) -> list[str]:
    """The datasets that a run makes versions of."""
    return [item.dataset for item in new.outputs]


def touched_by(new: NewRun) -> list[str]:
    """The datasets that it reads, and those that it makes versions of: who sees a run may know of all of them."""
    return [*read_by(new), *made_by(new)]


def jobs_of(gate: Gate, runs: Sequence[Run]) -> list[Job]:
    """The runs with what is known of their datasets."""
    names = {name for run in runs for name in touched_by(run.new)}
    known = {item.name: item for item in gate.access.subjects.named(sorted(names), gate.principal)}
    return [_job(run, known) for run in runs]


def verdict_on(gate: Gate, want: OnRun, run: Run) -> Verdict:
    """Whether this one may do that with a run."""
    return decide_on_run(gate.principal, want, jobs_of(gate, [run])[0])


def visible_runs(gate: Gate, runs: Sequence[Run]) -> list[Run]:
    """Those that this one may know of, as this one may see them."""
    shown = []
    for run, job in zip(runs, jobs_of(gate, runs), strict=True):
        if decide_on_run(gate.principal, OnRun.SEE, job).allowed:
            shown.append(run if _inspects(gate, job) else _without_code(run))
    hidden = _hidden_in(gate, shown)
    return [_told(run, hidden) for run in shown]


def under_way_at(run: Run, site: str) -> bool:
    """Whether an attempt of it is under way at a site."""
    return bool(run.attempts) and run.attempts[-1].ending is None and run.attempts[-1].site == site


def hidden_names(gate: Gate, texts: Iterable[str]) -> set[str]:
    """The hidden datasets that some texts name."""
    return gate.hidden_of(name for text in texts for name in _REF.findall(text))


def without(text: str, hidden: Set[str], otherwise: str = "") -> str:
    """The text, or another one where it names something hidden."""
    return text if hidden.isdisjoint(_REF.findall(text)) else otherwise


def _hidden_in(gate: Gate, runs: Sequence[Run]) -> set[str]:
    return hidden_names(gate, (text for run in runs for text in _texts(run)))


def _texts(run: Run) -> tuple[str, ...]:
    return run.reason, run.last_error, run.unblock, *(item.reason for item in run.attempts)


def _told(run: Run, hidden: set[str]) -> Run:
    return replace(
        run,
        reason=without(run.reason, hidden, OTHERS_FIRST),
        last_error=without(run.last_error, hidden),
        unblock=without(run.unblock, hidden),
        attempts=tuple(replace(item, reason=without(item.reason, hidden)) for item in run.attempts),
    )


def _without_code(run: Run) -> Run:
    """A bundle's digest is the key to it."""
    return replace(run, new=replace(run.new, code=replace(run.new.code, bundle="")))


def _inspects(gate: Gate, job: Job) -> bool:
    return isinstance(gate.principal, Agent) or decide_on_run(gate.principal, OnRun.INSPECT, job).allowed


def _job(run: Run, known: dict[str, Data]) -> Job:
    def of(names: Iterable[str]) -> tuple[Data, ...]:
        return tuple(known[name] for name in names if name in known)

    sites = frozenset(item.site for item in run.attempts) | ({run.site} if run.site else frozenset())
    return Job(
        submitter=run.submitted_by,
        team=run.new.team,
        sites=sites,
        reads=of(read_by(run.new)),
        makes=of(made_by(run.new)),
    )
