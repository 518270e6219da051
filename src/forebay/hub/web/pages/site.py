"""One site: its health, hardware, volume and work; drained and brought back; its downtimes, planned and cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from forebay import words
from forebay.errors import InputError
from forebay.hub.access.rules import Action, Place
from forebay.hub.board.site_load import Account, accounts_of, busy_at
from forebay.hub.board.site_map import Lane, lanes_to
from forebay.hub.board.site_work import Working, open_tasks, runs_under_way
from forebay.hub.web import buttons, given, show, site_words
from forebay.hub.web.addresses import of_cache
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.sites import links_table
from forebay.hub.web.route import Pages
from forebay.hub.web.run_words import short
from forebay.hub.web.site_forms import drain_form, plan_form
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.sites.site import Resources
from forebay.wire.downtimes import Downtime
from forebay.wire.sites import SiteRecord, SiteState, Task

pages = Pages()

_UP = ("Sites", "/sites")


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePage:
    """`drain` and `plan` are None where the visitor may not; `facts` are (name, value). `cache` "": it has none yet."""

    site: SiteRecord
    state: Markup
    says: str
    facts: tuple[tuple[str, str | Markup], ...]
    account: Account | None
    cache: str
    drained: bool
    may_tend: bool
    may_remove: bool
    may_run: bool
    drain: Form | None = None
    plan: Form | None = None


@pages.get("/sites/{name}", live=("says", "acts", "state", "work", "downtimes", "links", "out"))
def site(visit: Visit) -> Page:
    """One of them."""
    return _page(visit)


def _page(visit: Visit, *, drain: Form | None = None, plan: Form | None = None) -> Page:
    name = visit.path["name"]
    record = visit.hub.sites.get(name)
    downtimes = visit.hub.downtimes.all(name)
    with visit.read() as connection:
        account = accounts_of(connection, [record.volume_id]).get(record.volume_id)
        tasks = open_tasks(connection, visit.sight, name)
        runs = runs_under_way(connection, visit.sight, name)
        there = busy_at(connection, visit.sight)
        lanes = lanes_to(connection, visit.sight, name, visit.now)
    busy = "" if there is None else site_words.busy(record, there.get(name, Resources()))
    may_tend = visit.may(Action.TEND, Place(site=name))
    context = SitePage(
        site=record,
        state=site_words.site_state(record),
        says=_says(record, busy, runs, tasks),
        facts=_facts(record, busy, account, downtimes, visit.now),
        account=account,
        cache=of_cache(name) if account is not None else "",
        drained=record.wanted is not SiteState.UP,
        may_tend=may_tend,
        may_remove=visit.may(Action.MANAGE, Place(site=name)),
        may_run=visit.may(Action.RUN),
        drain=drain or (drain_form(name) if may_tend else None),
        plan=plan or (plan_form(name) if may_tend else None),
    )
    tables = (
        _runs_table(visit, runs),
        _tasks_table(visit, tasks, may_tend=may_tend),
        _downtimes_table(visit, downtimes, may_tend=may_tend),
        _links_here(visit, lanes),
    )
    status = 400 if drain or plan else 200
    return Page(
        template="sites/site.html",
        title=name,
        nav="sites",
        context=context,
        tables=tables,
        parent=_UP,
        status=status,
        at=f"/sites/{name}",
    )


@pages.post("/sites/{name}/state")
def set_state(visit: Visit) -> Page | Redirect:
    """Drain it, take it down (which was asked about before), or bring it back."""
    name, wanted = visit.path["name"], visit.form.get("state", "")
    if wanted not in (SiteState.UP, SiteState.DRAINING, SiteState.DOWN):
        raise InputError("bad-state", f"{wanted[:40]!r} is no state that somebody sets.")
    reason = visit.form.get("reason", "").strip()
    if wanted == SiteState.DRAINING and not reason:
        told = InputError("missing-field", "Say why: who meets it asks.")
        return _page(visit, drain=failed(filled(drain_form(name), visit.form), told, "reason"))
    record = visit.hub.sites.set_state(name, SiteState(wanted), reason)
    return Redirect(to=f"/sites/{name}", notice=f"{name} is {record.state}.")


@pages.get("/sites/{name}/down")
def ask_down(visit: Visit) -> Page:
    """What ends where a site is taken down now."""
    name = visit.path["name"]
    record = visit.hub.sites.get(name)
    with visit.read() as connection:
        runs = runs_under_way(connection, visit.sight, name)
    form = Form(
        action=f"/sites/{name}/state",
        button=f"Take {name} down",
        fields=(
            Field(name="state", label="", kind="hidden", value=SiteState.DOWN.value),
            Field(name="reason", label="Why", placeholder="power cut at 18:00", required=True),
        ),
        danger=True,
        cancel=f"/sites/{name}",
    )
    context = Confirm(
        heading=f"Take {name} down?",
        says=f"It is {record.state} now, with {words.count(len(runs), 'run')} under way that you may know of.",
        facts=(
            "All that runs there is ended at once, and placed elsewhere where it can be.",
            "Nothing is deleted from its volume. Draining instead lets runs end in peace.",
        ),
        form=form,
    )
    return Page(
        template="confirm.html",
        title=f"Take {name} down",
        nav="sites",
        context=context,
        tables=(_runs_table(visit, runs),) if runs else (),
        parent=(name, f"/sites/{name}"),
    )


@pages.get("/sites/{name}/remove")
def ask_remove(visit: Visit) -> Page:
    """What is forgotten with a site."""
    record = visit.hub.sites.get(visit.path["name"])
    name = record.name
    form = Form(action=f"/sites/{name}/remove", button=f"Forget {name}", danger=True, cancel=f"/sites/{name}")
    seen = words.ago(record.seen_at, visit.now) if record.seen_at else "never"
    context = Confirm(
        heading=f"Forget the site {name}?",
        says=f"It is {record.state}, its agent was heard of {seen}.",
        facts=(
            "Its downtimes, prices and tasks are forgotten. What is on its volume stays.",
            "While an agent is attached or runs are there it can't be forgotten; one that attaches makes it again.",
        ),
        form=form,
    )
    return Page(
        template="confirm.html", title=f"Forget {name}", nav="sites", context=context, parent=(name, f"/sites/{name}")
    )


@pages.post("/sites/{name}/remove")
def remove(visit: Visit) -> Redirect:
    """Forget it."""
    visit.hub.sites.remove(visit.path["name"])
    return Redirect(to="/sites", notice=f"{visit.path['name']} is no site any more.")


@pages.post("/sites/{name}/downtimes")
def plan(visit: Visit) -> Page | Redirect:
    """Plan one; what is wrong is told beside its field."""
    name, form = visit.path["name"], plan_form(visit.path["name"])
    moments: dict[str, float] = {}
    for field in ("begins", "ends"):
        try:
            at = given.moment(visit.form.get(field, ""), visit.now)
            if at is None and field == "ends":
                raise InputError("missing-field", "Say when it ends.")
            moments[field] = visit.now if at is None else at
        except InputError as error:
            return _page(visit, plan=failed(filled(form, visit.form), error, field))
    try:
        made = visit.hub.downtimes.plan(name, moments["begins"], moments["ends"], visit.form.get("why", "").strip())
    except InputError as error:
        return _page(visit, plan=failed(filled(form, visit.form), error, "ends"))
    return Redirect(to=f"/sites/{name}", notice=f"{name} will be {site_words.ahead(made, visit.now)}.")


@pages.post("/sites/{name}/downtimes/cancel")
def cancel(visit: Visit) -> Redirect:
    """Take one back."""
    name = visit.path["name"]
    visit.hub.downtimes.cancel(name, visit.form.get("downtime", ""))
    return Redirect(to=f"/sites/{name}", notice="The downtime is cancelled.")


@pages.post("/sites/{name}/tasks/withdraw")
def withdraw(visit: Visit) -> Redirect:
    """A task is not wanted any more."""
    name = visit.path["name"]
    visit.hub.sites.withdraw(visit.form.get("task", ""), f"{visit.sight.user} took it back")
    return Redirect(to=f"/sites/{name}", notice="The task is withdrawn.")


def _says(record: SiteRecord, busy: str, runs: Sequence[Working], tasks: Sequence[Task]) -> str:
    parts = [busy or site_words.hardware(record)]
    parts += [f"{words.count(len(runs), 'run')} under way", words.count(len(tasks), "task")]
    return " · ".join(parts)


def _facts(
    record: SiteRecord, busy: str, account: Account | None, downtimes: Sequence[Downtime], now: float
) -> tuple[tuple[str, str | Markup], ...]:
    labels = [part.strip() for part in record.labels.split(",") if part.strip()]
    health: str | Markup = "the hub does not know it yet"
    if account is not None:
        kind = {"normal": "ok", "unstable": "warning", "down": "failed"}[account.state.value]
        health = show.state(kind, account.state.value, account.reason)
    soon = [site_words.ahead(item, now) for item in downtimes[:1]]
    facts: list[tuple[str, str | Markup]] = [
        ("Since", show.when(record.since, now)),
        *((("Wanted", record.wanted.value),) if record.wanted is not record.state else ()),
        *(("Downtime", item) for item in soon),
        ("Hardware", site_words.hardware(record)),
        *((("In use", busy),) if busy else ()),
        ("Labels", Markup(" ").join(show.tag(label) for label in labels) if labels else "none"),
        ("Engine", record.engine),
        ("Agent", record.release or "of an unknown release"),
        ("Heard of", show.when(record.seen_at, now) if record.seen_at else "never"),
        ("Volume", show.copy(record.volume_id)),
        ("Volume's health", health),
        ("An hour costs", _prices(record)),
    ]
    return tuple(facts)


def _prices(record: SiteRecord) -> str:
    if not (record.gpu_hour_price or record.cpu_hour_price):
        return "nothing was said"
    return f"{record.gpu_hour_price:g} a GPU, {record.cpu_hour_price:g} a CPU"


def _runs_table(visit: Visit, runs: Sequence[Working]) -> Table:
    columns = (
        Column(key="run", title="Run"),
        Column(key="state", title="State"),
        Column(key="title", title="What"),
        Column(key="by", title="By"),
        Column(key="reads", title="Reads"),
        Column(key="gpus", title="GPUs", number=True),
        Column(key="cpus", title="CPUs", number=True),
        Column(key="started_at", title="Started", number=True),
    )
    rows = (
        Row(
            key=item.run_id,
            cells=(
                Cell(value=item.run_id, shown=item.run_id[: site_words.ID_LENGTH], href=f"/runs/{item.run_id}"),
                Cell(value=item.state.value, shown=show.state(item.state.value)),
                Cell(value=item.title),
                Cell(value=item.submitted_by),
                Cell(value=" ".join(item.reads)),
                Cell(value=item.gpus * item.nodes),
                Cell(value=item.cpus * item.nodes),
                Cell(value=item.started_at or None, shown=show.when(item.started_at, visit.now)),
            ),
        )
        for item in runs
    )
    return Table(
        name="runs",
        caption="Their attempts here have not ended",
        columns=columns,
        rows=tuple(rows),
        empty="Nothing runs here now.",
    )


def _tasks_table(visit: Visit, tasks: Sequence[Task], *, may_tend: bool) -> Table:
    columns = (
        Column(key="task", title="Task"),
        Column(key="state", title="State"),
        Column(key="ref", title="Of"),
        Column(key="reason", title="Why"),
        Column(key="attempts", title="Tries", number=True),
        Column(key="since", title="Since", number=True),
        Column(key="id", title="Id"),
        *((Column(key="act", title=""),) if may_tend else ()),
        Column(key="done_bytes", title="Done", given=True),
        Column(key="total_bytes", title="Of", given=True),
        Column(key="next_try_at", title="Next try", given=True),
        Column(key="unblock", title="What unblocks it", given=True),
    )
    rows = []
    for item in tasks:
        take_back = buttons.post(
            f"/sites/{item.site}/tasks/withdraw", "Withdraw", {"task": item.task_id}, about=f"{item.kind} {item.ref}"
        )
        cells = (
            Cell(value=item.kind.value),
            Cell(value=item.state.value, shown=site_words.task_state(item)),
            Cell(value=item.ref),
            Cell(value=item.last_error or item.reason, shown=_why(item, visit.now)),
            Cell(value=item.attempts),
            Cell(value=item.since, shown=show.when(item.since, visit.now)),
            Cell(value=item.task_id, shown=show.copy(item.task_id, short(item.task_id)), title=item.task_id),
            *((Cell(value="", shown=take_back),) if may_tend else ()),
            Cell(value=item.done_bytes),
            Cell(value=item.total_bytes),
            Cell(value=item.next_try_at or None, shown=show.when(item.next_try_at, visit.now)),
            Cell(value=item.unblock),
        )
        rows.append(Row(key=item.task_id, cells=cells))
    return Table(
        name="tasks",
        caption="What its agent does and shall do",
        columns=columns,
        rows=tuple(rows),
        empty="Nothing is to be done here.",
    )


def _why(task: Task, now: float) -> str | Markup:
    """Its reason; of one that failed what went wrong, when it is tried again, and what would help."""
    if not task.last_error:
        return task.reason
    again = f"; next try {show.relative(task.next_try_at, now)}" if task.next_try_at > now else ""
    mend = Markup("<small>{}</small>").format(task.unblock) if task.unblock else ""
    return Markup("{}{} {}").format(task.last_error.partition("\n")[0], again, mend)


def _downtimes_table(visit: Visit, found: Sequence[Downtime], *, may_tend: bool) -> Table:
    columns = (
        Column(key="state", title="Downtime"),
        Column(key="begins_at", title="From"),
        Column(key="ends_at", title="Until"),
        Column(key="reason", title="Why"),
        Column(key="by", title="By"),
        *((Column(key="act", title=""),) if may_tend else ()),
    )
    rows = []
    for item in found:
        back = buttons.post(
            f"/sites/{item.site}/downtimes/cancel", "Cancel", {"downtime": item.downtime_id}, about="this downtime"
        )
        cells = (
            Cell(value=site_words.ahead(item, visit.now)),
            Cell(value=item.begins_at, shown=show.moment(item.begins_at)),
            Cell(value=item.ends_at, shown=show.moment(item.ends_at)),
            Cell(value=item.reason),
            Cell(value=item.planned_by),
            *((Cell(value="", shown=back),) if may_tend else ()),
        )
        rows.append(Row(key=item.downtime_id, cells=cells))
    return Table(
        name="downtimes",
        caption="Windows in which it drains",
        columns=columns,
        rows=tuple(rows),
        empty="No downtime is planned.",
    )


def _links_here(visit: Visit, lanes: Sequence[Lane]) -> Table:
    table = links_table(visit, lanes, "links", caption="From lakes and other sites")
    return replace(table, empty="No link to it is known yet: fills measure them as they bring data.")
