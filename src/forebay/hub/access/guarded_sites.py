"""Sites for one principal: everybody sees them; tend them, and ask for work there, by the rules of volumes and data.

Only a site's own agent speaks for it. Tasks and reasons that name what is hidden are left out, or told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

from forebay.errors import NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.jobs import OTHERS_FIRST, dataset_of, hidden_names, visible_runs, without
from forebay.hub.access.outputs import believed
from forebay.hub.access.rules import UNKNOWN, Action, Agent, Place, Verdict, decide_as_agent
from forebay.hub.access.trail import Deed
from forebay.sites.tasks import RUNS
from forebay.wire.runs import RunQuery, Runs
from forebay.wire.sites import (
    Attached,
    Beaten,
    Hello,
    Orders,
    Report,
    SiteRecord,
    Sites,
    SiteState,
    Task,
    TaskKind,
)

_PAGE = 1000

_ASKS = {TaskKind.FILL: Action.WARM, TaskKind.EVICT: Action.EVICT, TaskKind.RUN: Action.RUN}
"""What one must be allowed at the site to ask for it; for a scrub, to tend it."""


class GuardedSites:
    """Implements `wire.sites.Sites`."""

    def __init__(self, sites: Sites, runs: Runs, gate: Gate) -> None:
        self._sites = sites
        self._runs = runs
        self._gate = gate

    def all(self) -> list[SiteRecord]:
        """For an agent its own."""
        who = self._gate.principal
        found = self._sites.all()
        return self._shown(item for item in found if not isinstance(who, Agent) or item.name == who.site)

    def get(self, site: str) -> SiteRecord:
        self._on_site("sites.get", Action.READ, site)
        return self._shown([self._sites.get(site)])[0]

    def attach(self, hello: Hello) -> Attached:
        """A volume that no site has becomes this one's; one of another site is refused."""
        self._as_agent("sites.attach", hello.site)
        if self._gate.access.subjects.place(hello.volume_id).site:
            self._gate.on_volume("sites.attach", Action.TEND, hello.volume_id, detail=f"site {hello.site}")
        else:
            told = f"site {hello.site}, and volume {hello.volume_id} becomes its"
            self._gate.record(Deed(action=Action.TEND.value, call="sites.attach", detail=told))
        return self._sites.attach(hello)

    def beat(self, site: str, agent_token: int, reports: tuple[Report, ...]) -> Beaten:
        self._as_agent("sites.beat", site)
        return self._sites.beat(site, agent_token, believed(self._runs, site, reports))

    def orders(self, site: str, agent_token: int, after: int, wait_s: float) -> Orders:
        self._as_agent("sites.orders", site)
        return self._sites.orders(site, agent_token, after, wait_s)

    def leave(self, site: str, agent_token: int) -> None:
        self._as_agent("sites.leave", site, quiet=False)
        self._sites.leave(site, agent_token)

    def set_state(self, site: str, wanted: SiteState, reason: str) -> SiteRecord:
        self._as_person("sites.set_state", Action.TEND, site, detail=f"{wanted}: {reason}")
        return self._shown([self._sites.set_state(site, wanted, reason)])[0]

    def set_prices(self, site: str, gpu_hour: float, cpu_hour: float) -> SiteRecord:
        self._as_person("sites.set_prices", Action.TEND, site, detail=f"{gpu_hour} a GPU hour, {cpu_hour} a CPU hour")
        return self._shown([self._sites.set_prices(site, gpu_hour, cpu_hour)])[0]

    def remove(self, site: str) -> None:
        self._as_person("sites.remove", Action.MANAGE, site)
        self._sites.remove(site)

    def tasks(self, site: str = "") -> list[Task]:
        who = self._gate.principal
        if site:
            self._on_site("sites.tasks", Action.READ, site)
        found = self._sites.tasks(site)
        return self._visible([item for item in found if not isinstance(who, Agent) or item.site == who.site])

    def ask(self, site: str, kind: TaskKind, ref: str, reason: str, by: str = "") -> Task:
        self._may_ask("sites.ask", site, kind, ref, reason)
        return self._told([self._sites.ask(site, kind, ref, reason, by=self._gate.principal.name)])[0]

    def withdraw(self, task_id: str, reason: str) -> Task:
        """Of who asked for it, or of who might have."""
        found = [item for item in self._visible(self._sites.tasks()) if item.task_id == task_id]
        told = f"task {task_id}: {reason}"
        if not found:
            deed = Deed(action=Action.TEND.value, call="sites.withdraw", detail=told)
            self._gate.refuse(deed, UNKNOWN, lambda: _no_task(task_id))
        (task,) = found
        if task.asked_by == self._gate.principal.name:
            action = _ASKS.get(task.kind, Action.TEND)
            dataset = dataset_of(task.ref)
            self._gate.record(
                Deed(action=action.value, call="sites.withdraw", dataset=dataset, ref=task.ref, detail=told)
            )
        else:
            self._may_ask("sites.withdraw", task.site, task.kind, task.ref, told)
        return self._told([self._sites.withdraw(task_id, reason)])[0]

    def _may_ask(self, call: str, site: str, kind: TaskKind, ref: str, reason: str) -> None:
        told = f"{kind} at {site}: {reason}"
        if kind not in _ASKS or not ref:
            self._on_site(call, Action.TEND, site, detail=told)
            return
        self._gate.on_dataset(call, _ASKS[kind], dataset_of(ref), ref=ref, detail=told, site=site)

    def _on_site(self, call: str, action: Action, site: str, *, detail: str = "") -> None:
        told = f"site {site} {detail}".rstrip()
        self._gate.on(Deed(action=action.value, call=call, detail=told), action, Place(site=site))

    def _as_person(self, call: str, action: Action, site: str, *, detail: str = "") -> None:
        """An agent does not set how its own site shall be."""
        if isinstance(self._gate.principal, Agent):
            self._refuse(call, action, site, Verdict(allowed=False, reason="a site's agent may not"))
        self._on_site(call, action, site, detail=detail)

    def _as_agent(self, call: str, site: str, *, quiet: bool = True) -> None:
        verdict = decide_as_agent(self._gate.principal, site)
        if not verdict.allowed:
            self._refuse(call, Action.TEND, site, verdict)
        if not quiet:
            self._gate.record(Deed(action=Action.TEND.value, call=call, detail=f"site {site}"))

    def _refuse(self, call: str, action: Action, site: str, verdict: Verdict) -> NoReturn:
        self._gate.refuse(Deed(action=action.value, call=call, detail=f"site {site}"), verdict)

    def _shown(self, records: Iterable[SiteRecord]) -> list[SiteRecord]:
        found = list(records)
        hidden = hidden_names(self._gate, (item.reason for item in found))
        return [replace(item, reason=without(item.reason, hidden, OTHERS_FIRST)) for item in found]

    def _visible(self, found: list[Task]) -> list[Task]:
        """Without those of hidden datasets, and of runs that this one may not know of."""
        if self._gate.sees_all:
            return found
        hidden = self._gate.hidden_of(dataset_of(item.ref) for item in found if item.ref)
        runs = self._visible_runs()
        kept = [item for item in found if dataset_of(item.ref) not in hidden and item.run_id in ("", *runs)]
        return self._told([_for_nobody(item) if _run_behind(item) not in ("", *runs) else item for item in kept])

    def _visible_runs(self) -> set[str]:
        """The ids of those that have not ended; always all of them are looked at, however few are asked for."""
        query, found = RunQuery(active=True, limit=_PAGE), set[str]()
        while True:
            page = self._runs.page(query)
            found |= {run.run_id for run in visible_runs(self._gate, page.runs)}
            if not page.next_before:
                return found
            query = replace(query, before=page.next_before)

    def _told(self, found: list[Task]) -> list[Task]:
        hidden = hidden_names(self._gate, (text for item in found for text in _texts(item)))
        return [
            replace(
                item,
                reason=without(item.reason, hidden, OTHERS_FIRST),
                last_error=without(item.last_error, hidden),
                unblock=without(item.unblock, hidden),
            )
            for item in found
        ]


def _run_behind(task: Task) -> str:
    """The id of the run for which a task is done; "" where it is somebody's own wish."""
    return task.asked_by.removeprefix(RUNS) if task.asked_by.startswith(RUNS) else ""


def _for_nobody(task: Task) -> Task:
    """Without the run that wants it: an id is a key."""
    return replace(task, asked_by="", reason="a run waits for it")


def _texts(task: Task) -> tuple[str, ...]:
    return task.reason, task.last_error, task.unblock


def _no_task(task_id: str) -> NotFoundError:
    return NotFoundError("task-not-found", f"There is no task {task_id}.", todo="See: forebay sites tasks")
