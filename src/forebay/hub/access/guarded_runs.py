"""Runs for one principal: submitted in their own name, shown to who may know of all their data, ended by who may.

A run that is hidden is answered like one that is not there. What an agent says counts only for runs at its own site.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from forebay.catalog.names import check_dataset_name
from forebay.errors import ConflictError, NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.jobs import (
    NOT_NOW,
    dataset_of,
    hidden_names,
    jobs_of,
    made_by,
    touched_by,
    under_way_at,
    verdict_on,
    visible_runs,
    without,
)
from forebay.hub.access.rules import HIDDEN, UNKNOWN, Action, Agent, OnRun, Person, Verdict, Whole, decide_on_run
from forebay.hub.access.trail import Deed
from forebay.hub.runs import ambiguous_run, no_run
from forebay.wire.access import Role
from forebay.wire.runs import Explanation, Keepsake, LogPiece, NewRun, Run, RunPage, RunQuery, Runs, SiteRow

_MORE = 200


class GuardedRuns:
    """Implements `wire.runs.Runs`."""

    def __init__(self, runs: Runs, gate: Gate) -> None:
        self._runs = runs
        self._gate = gate

    def submit(self, new: NewRun) -> Run:
        self._may_run("runs.submit", new, quiet=False)
        return self._shown(self._runs.submit(replace(new, submitted_by=self._gate.principal.name)))

    def explain(self, new: NewRun) -> Explanation:
        self._may_run("runs.explain", new, quiet=True)
        found = self._runs.explain(new)
        texts = [text for row in found.rows for text in (*row.why_not, *row.unblock)]
        hidden = hidden_names(self._gate, texts)
        return replace(found, rows=tuple(_without_hidden(row, hidden) for row in found.rows))

    def get(self, run_id: str, after: int = 0, wait_s: float = 0.0) -> Run:
        run = self._require("runs.get", OnRun.SEE, run_id)
        if run.revision <= after and wait_s > 0:
            run = self._runs.get(run.run_id, after, wait_s)
        return self._shown(run)

    def page(self, query: RunQuery) -> RunPage:
        """As many as there were without what is hidden: a shorter page, or a cursor, would tell of it."""
        if self._gate.sees_all:
            return self._runs.page(query)
        if query.dataset:
            known = self._gate.access.subjects.data(query.dataset, self._gate.principal)
            if known is None or not self._gate.sees(known):
                return RunPage(runs=(), next_before="")
        shown: list[Run] = []
        # Where the page began that holds the last run shown, and how many of its runs that is.
        began, count = query.before, 0
        asked = replace(query, limit=max(query.limit, _MORE))
        while True:
            found = self._runs.page(asked)
            visible = {run.run_id: run for run in visible_runs(self._gate, found.runs)}
            for place, item in enumerate(found.runs, 1):
                run = visible.get(item.run_id)
                if run is not None and len(shown) == query.limit:
                    return RunPage(runs=tuple(shown), next_before=self._cursor(query, began, count))
                if run is not None:
                    shown.append(run)
                    began, count = asked.before, place
            if not found.next_before:
                return RunPage(runs=tuple(shown), next_before="")
            asked = replace(asked, before=found.next_before)

    def cancel(self, run_id: str, reason: str = "", by: str = "") -> Run:
        run = self._require("runs.cancel", OnRun.STEER, run_id, detail=reason)
        return self._shown(self._runs.cancel(run.run_id, reason, by=self._gate.principal.name))

    def retry(self, run_id: str) -> Run:
        """Needs what its submission needed, from who wants it now."""
        run = self._require("runs.retry", OnRun.STEER, run_id)
        self._may_run("runs.retry", run.new, quiet=True, again=True)
        return self._shown(self._runs.retry(run.run_id))

    def log(self, run_id: str, attempt: int, offset: int, limit: int) -> LogPiece:
        run = self._require("runs.log", OnRun.INSPECT, run_id)
        return self._runs.log(run.run_id, attempt, offset, limit)

    def add_log(self, run_id: str, attempt: int, token: int, offset: int, text: str, dropped_bytes: int = 0) -> int:
        """The agent's of the site where that attempt was."""
        run = self._as_its_agent("runs.add_log", run_id, attempt, "add to its log")
        return self._runs.add_log(run.run_id, attempt, token, offset, text, dropped_bytes)

    def keep(self, run_id: str, attempt: int, token: int, name: str, data: bytes) -> Keepsake:
        """The same."""
        run = self._as_its_agent("runs.keep", run_id, attempt, "leave something of it")
        return self._runs.keep(run.run_id, attempt, token, name, data)

    def keepsakes(self, run_id: str) -> tuple[Keepsake, ...]:
        """For its team, whatever their role, who may read its data: reports are for those who run nothing, too."""
        return self._runs.keepsakes(self._require("runs.keepsakes", OnRun.REVIEW, run_id).run_id)

    def keepsake(self, run_id: str, attempt: int, name: str) -> bytes:
        return self._runs.keepsake(self._require("runs.keepsake", OnRun.REVIEW, run_id).run_id, attempt, name)

    def store_code(self, bundle: Path) -> str:
        self._gate.on_whole("runs.store_code", Action.RUN, quiet=True)
        return self._runs.store_code(bundle)

    def code_path(self, digest: str) -> Path:
        """For the agent that runs it; and for who may read the log of a run that has it."""
        if not self._may_have_code(digest):
            deed = Deed(action=Action.RUN.value, call="runs.code_path", detail=f"bundle {digest}")
            self._gate.refuse(deed, UNKNOWN, lambda: _no_bundle(digest))
        return self._runs.code_path(digest)

    def _may_run(self, call: str, new: NewRun, *, quiet: bool, again: bool = False) -> None:
        """To run on all that it reads, and to write what it makes; in the name of a team of one's own."""
        deed = Deed(action=Action.RUN.value, call=call, detail=_told(new))
        self._gate.on(deed, Action.RUN, Whole(), quiet=quiet or bool(new.data))
        who = self._gate.principal
        of_team = isinstance(who, Person) and (who.role is Role.ADMIN or new.team in ("", *who.teams))
        if not of_team and not again:
            reason = f"only a member of the team {new.team!r} may run in its name"
            self._gate.refuse(deed, Verdict(allowed=False, reason=reason))
        for item in new.data:
            self._gate.on_dataset(call, Action.RUN, dataset_of(item.ref), ref=item.ref, detail=_told(new), quiet=quiet)
        for name in made_by(new):
            self._may_make(call, name, quiet=quiet)

    def _may_make(self, call: str, dataset: str, *, quiet: bool) -> None:
        """A dataset that is there and may be written, or a name that is free."""
        who = self._gate.principal
        name = check_dataset_name(dataset)
        deed = Deed(action=Action.WRITE.value, call=call, dataset=name)
        if isinstance(who, Person) and who.only and name not in who.only:
            self._gate.refuse(deed, Verdict(allowed=False, reason="the token is for other datasets"))
        known = self._gate.access.subjects.data(name, who)
        if known is None:
            self._gate.on(deed, Action.WRITE, Whole(), quiet=quiet)
        elif not self._gate.sees(known):
            taken = ConflictError("name-taken", f"The name {name!r} cannot be used.", todo="Choose another one.")
            self._gate.refuse(deed, HIDDEN, lambda: taken)
        else:
            self._gate.on(deed, Action.WRITE, known, quiet=quiet)

    def _require(self, call: str, want: OnRun, run_id: str, *, detail: str = "") -> Run:
        """The run, where this one may do that with it; NotFoundError `run-not-found` where it is hidden.

        By its id, or by a beginning of it that no other run has which this one may know of.
        """
        runs, who = self._beginning(run_id), self._gate.principal
        jobs = zip(runs, jobs_of(self._gate, runs), strict=True)
        found = [(run, job) for run, job in jobs if decide_on_run(who, OnRun.SEE, job).allowed]
        if len(found) > 1:
            raise ambiguous_run(run_id)
        if not found:
            deed = _deed(call, runs[0]) if runs else Deed(action=Action.RUN.value, call=call, detail=f"run {run_id}")
            self._gate.refuse(deed, HIDDEN if runs else UNKNOWN, lambda: no_run(run_id))
        ((run, job),) = found
        verdict = decide_on_run(who, want, job)
        if not verdict.allowed:
            self._gate.refuse(_deed(call, run), verdict)
        if want is OnRun.STEER:
            self._gate.record(_deed(call, run, detail))
        return run

    def _as_its_agent(self, call: str, run_id: str, attempt: int, what: str) -> Run:
        run = self._require(call, OnRun.SEE, run_id)
        who = self._gate.principal
        number = attempt or (run.attempts[-1].number if run.attempts else 0)
        sites = {item.site for item in run.attempts if item.number == number}
        if not isinstance(who, Agent) or who.site not in sites:
            reason = f"only the agent of the site where the attempt is may {what}"
            self._gate.refuse(_deed(call, run), Verdict(allowed=False, reason=reason))
        return run

    def _beginning(self, run_id: str) -> list[Run]:
        ids = self._gate.access.subjects.runs_beginning(run_id)
        return [self._runs.get(item) for item in ([run_id] if run_id in ids else ids)]

    def _cursor(self, query: RunQuery, began: str, count: int) -> str:
        """The cursor after a run that was shown: one after a hidden run would tell of that."""
        return self._runs.page(replace(query, before=began, limit=count)).next_before

    def _shown(self, run: Run) -> Run:
        """What this one's own doing gave is shown, also where it is of a site's agent."""
        found = visible_runs(self._gate, [run])
        return found[0] if found else run

    def _may_have_code(self, digest: str) -> bool:
        who = self._gate.principal
        ids = self._gate.access.subjects.runs_with_code(digest, active=isinstance(who, Agent))
        runs = [run for run in map(self._runs.get, ids) if run.new.code.bundle == digest]
        if isinstance(who, Agent):
            return any(under_way_at(run, who.site) for run in runs)
        return any(verdict_on(self._gate, OnRun.INSPECT, run).allowed for run in runs)


def _told(new: NewRun) -> str:
    return " ".join(new.command)[:200]


def _deed(call: str, run: Run, detail: str = "") -> Deed:
    names = touched_by(run.new)
    told = f"run {run.run_id} of {run.submitted_by}"
    return Deed(
        action=Action.RUN.value,
        call=call,
        dataset=names[0] if names else "",
        ref=run.new.data[0].ref if run.new.data else "",
        detail=f"{told}: {detail}" if detail else told,
    )


def _without_hidden(row: SiteRow, hidden: set[str]) -> SiteRow:
    """What is in the way stays in the way: a row without a reason would be one that will do."""

    def kept(texts: tuple[str, ...], otherwise: str = "") -> tuple[str, ...]:
        return tuple(dict.fromkeys(told for text in texts if (told := without(text, hidden, otherwise))))

    return replace(row, why_not=kept(row.why_not, NOT_NOW), unblock=kept(row.unblock))


def _no_bundle(digest: str) -> NotFoundError:
    return NotFoundError("bundle-not-found", f"The hub has no code bundle {digest}.", todo="Submit it anew.")
