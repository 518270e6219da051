"""What agents say and are told, on the database: attaching, beats with reports, orders, leaving.

Every function works inside the caller's transaction. `Heard` collects what the caller tells others afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, check_site_name, parse_ref
from forebay.catalog.records import storable, version_id
from forebay.catalog.versions import insert_if_absent
from forebay.errors import ConflictError, InputError, NotFoundError
from forebay.hub import preview_rows, run_rows, site_rows, task_rows
from forebay.hub.changes import changes_of
from forebay.runs import machine
from forebay.sites import tasks
from forebay.sites.labels import parse_labels
from forebay.sites.state import SiteTerms, stops
from forebay.wire.cache import ReplicaState, VolumeState
from forebay.wire.runs import Run, RunOrder, RunState
from forebay.wire.sites import Hello, Keeping, Order, Orders, Report, SiteState, Task, TaskKey, TaskKind, TaskState

PROTOCOL = 1
"""The newest that this hub speaks, and so far the oldest, too."""

_RUN_TASK = "run-"
_LABELS_LENGTH = 4000


@dataclass(slots=True)
class Heard:
    """What came of a beat: final reports that are written down, keys of what changed, and how long each run had waited
    since its submission whose first attempt has started.
    """

    final: list[TaskKey] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    frees: bool = False
    """Whether something ended, so that something else may begin."""
    orders: bool = False
    """Whether the site's orders have changed for another reason than reports."""


def check(hello: Hello) -> None:
    """InputError `bad-site`, `bad-labels`; ConflictError `protocol-too-old`."""
    check_site_name(hello.site)
    parse_labels(hello.labels)
    if len(hello.labels) > _LABELS_LENGTH:
        raise InputError("bad-labels", f"More than {_LABELS_LENGTH} characters of labels are too many.")
    if min(hello.gpus, hello.cpus, hello.memory_bytes) < 0:
        raise InputError("bad-site", f"The site {hello.site} can't have less than nothing.")
    for name in (hello.volume_id, hello.engine, hello.release):
        if len(name) > 64 or not name.isprintable():
            raise InputError("bad-site", f"{name[:64]!r} is too long, or no text.")
    if hello.keeping is not None and not _can_be(hello.keeping):
        raise InputError("bad-site", f"The site {hello.site} can't keep like that.", todo="Look at its settings.")
    if hello.protocol < 1:
        raise ConflictError(
            "protocol-too-old",
            f"The agent of {hello.site} speaks protocol {hello.protocol}, this hub {PROTOCOL}.",
            todo="Upgrade forebay there.",
        )


def _can_be(keeping: Keeping) -> bool:
    ages = (keeping.grace_s, keeping.stale_after_s or 0.0)
    return all(math.isfinite(age) and age >= 0 for age in ages) and 0 <= keeping.low_mark <= keeping.high_mark <= 1


def attach(connection: Connection, hello: Hello, now: float, terms: SiteTerms) -> tuple[int, Heard]:
    """The site is that agent's; its token. ConflictError `volume-of-another-site`."""
    _settle_volume(connection, hello)
    _make_site(connection, hello.site, now)
    row = site_rows.find(connection, hello.site, lock=True)
    token = row["agent_token"] + 1
    values = {
        "volume_id": hello.volume_id,
        "labels": hello.labels,
        "gpus": hello.gpus,
        "cpus": hello.cpus,
        "memory_bytes": hello.memory_bytes,
        "engine": storable(hello.engine),
        "release": storable(hello.release),
        "protocol": hello.protocol,
        **_keeping_values(hello.keeping),
    }
    site_rows.update(connection, hello.site, values)
    heard = Heard(frees=True)
    _resume_runs(connection, hello, token, now, terms, heard)
    _resume_tasks(connection, hello, now)
    # Read again: its volume may be another one now.
    row = site_rows.find(connection, hello.site)
    site_rows.write(connection, row, now, terms, orders=True, agent_token=token, attached=True, seen_at=now)
    order_due(connection, hello.site, now, terms)
    return token, heard


def _keeping_values(keeping: Keeping | None) -> dict[str, float]:
    """As columns; those of an agent that says nothing tell nothing."""
    if keeping is None:
        return {"stale_after_s": -1.0, "grace_s": 0.0, "high_mark": 0.0, "low_mark": 0.0}
    return {
        "stale_after_s": -1.0 if keeping.stale_after_s is None else keeping.stale_after_s,
        "grace_s": keeping.grace_s,
        "high_mark": keeping.high_mark,
        "low_mark": keeping.low_mark,
    }


def detach(connection: Connection, row: site_rows.Row, now: float, terms: SiteTerms) -> None:
    """The agent of a locked site is gone; if it comes back it must attach anew, and learn what is its no more."""
    for errand in task_rows.opened(connection, row["name"]):
        gone = tasks.AgentGone(reason=f"the agent of {row['name']} is gone")
        task_rows.save(connection, errand, tasks.step(errand, gone, now))
    site_rows.write(connection, row, now, terms, orders=True, attached=False, agent_token=row["agent_token"] + 1)


def hear(
    connection: Connection, row: site_rows.Row, reports: tuple[Report, ...], now: float, terms: SiteTerms
) -> Heard:
    """A beat of the agent that has the locked site (`site_rows.beaten_by`)."""
    site = row["name"]
    heard = Heard(orders=site_rows.write(connection, row, now, terms, seen_at=now))
    if row["works"]:
        run_rows.extend_holds(connection, site, row["agent_token"], now + terms.hold_s)
    for report in reports:
        if report.task_id.startswith(_RUN_TASK):
            _hear_of_run(connection, site, report, now, terms, heard)
        else:
            _hear_of_task(connection, row, report, now, terms, heard)
        if report.state.is_final:
            heard.final.append(TaskKey(task_id=report.task_id, token=report.token))
    if heard.frees:
        order_due(connection, site, now, terms)
        site_rows.change_orders(connection, site)
    return heard


def order_due(connection: Connection, site: str, now: float, terms: SiteTerms) -> bool:
    """Tasks of a locked site whose time has come are ordered, if it takes orders; whether any was."""
    row = site_rows.find(connection, site)
    if not takes_orders(row, now, terms):
        return False
    is_now = site_rows.stands(row, now, terms)
    off = tasks.PutOff(reason=f"{site} is draining: {is_now.reason}") if is_now.state is SiteState.DRAINING else None
    ordered = False
    for errand in task_rows.opened(connection, site):
        put_off = off if errand.task.kind is TaskKind.FILL else None
        after = tasks.step(errand, put_off or tasks.Due(), now)
        task_rows.save(connection, errand, after)
        ordered |= after.is_ordered and after is not errand
    if ordered:
        site_rows.change_orders(connection, site)
    return ordered


def orders(connection: Connection, row: site_rows.Row, now: float, terms: SiteTerms) -> Orders:
    """All that shall be under way at a site."""
    site, wanted, volume = row["name"], SiteState(row["wanted"]), site_rows.volume_of(row)
    found = []
    for errand in task_rows.opened(connection, site):
        if errand.is_ordered:
            stop = bool(errand.stopping) or stops(errand.task.kind, wanted=wanted, volume=volume, has_started=False)
            found.append(_order_of_task(errand, stop=stop))
    for kept in run_rows.load(connection, run_rows.active(), run_rows.under_way_at(site)):
        if kept.course.hold is not None and kept.course.hold.agent_token == row["agent_token"]:
            started = kept.course.run.state is RunState.RUNNING
            stop = stops(TaskKind.RUN, wanted=wanted, volume=volume, has_started=started)
            found.append(_order_of_run(kept.course, stop=stop))
    state = site_rows.stands(row, now, terms).state
    looks = preview_rows.orders_at(connection, site)
    return Orders(revision=row["revision"], state=state, orders=tuple(found), previews=looks)


def stop_runs(connection: Connection, row: site_rows.Row, reason: str, now: float, terms: SiteTerms) -> list[str]:
    """Say of the runs at a locked site which may stay no longer that they are told to end; the keys of those."""
    wanted, volume = SiteState(row["wanted"]), site_rows.volume_of(row)
    keys = []
    for kept in run_rows.load(connection, run_rows.active(), run_rows.under_way_at(row["name"]), lock=True):
        started = kept.course.run.state is RunState.RUNNING
        if stops(TaskKind.RUN, wanted=wanted, volume=volume, has_started=started):
            after = machine.step(kept.course, machine.StopAsked(reason=reason), now, terms)
            if run_rows.save(connection, kept, after) and after is not kept.course:
                keys.append(changes_of(after.run.run_id))
    return keys


def task_of(run: Run) -> Task:
    """The attempt at a run that is under way, as a task of its site."""
    attempt = run.attempts[-1]
    started = run.state is RunState.RUNNING
    return Task(
        task_id=_task_id(run, attempt.number),
        site=attempt.site,
        kind=TaskKind.RUN,
        token=attempt.token,
        state=TaskState.UNDER_WAY if started else TaskState.ORDERED,
        reason=run.reason,
        since=attempt.started_at if started else attempt.ordered_at,
        run_id=run.run_id,
        asked_by=run.submitted_by,
        attempts=len(run.attempts),
        last_error=run.last_error,
        unblock=run.unblock,
    )


def is_run(task_id: str) -> bool:
    """Whether a task is an attempt at a run."""
    return task_id.startswith(_RUN_TASK)


def attempt_in(task_id: str) -> tuple[str, int]:
    """The run that a task is an attempt at, and the attempt's number; of no run `"", 0`."""
    run_id, _, number = task_id.removeprefix(_RUN_TASK).rpartition("-")
    return (run_id, int(number)) if is_run(task_id) and number.isdecimal() and len(number) < 10 else ("", 0)


def takes_orders(row: site_rows.Row, now: float, terms: SiteTerms) -> bool:
    """A site that drains does what it has been asked, but for fills; one that is down or shaky, nothing."""
    shaky = site_rows.volume_of(row) in (VolumeState.UNSTABLE, VolumeState.DOWN)
    return bool(row["attached"]) and not shaky and site_rows.stands(row, now, terms).state is not SiteState.DOWN


def _settle_volume(connection: Connection, hello: Hello) -> None:
    insert_if_absent(connection, t.volume_site, {"volume_id": hello.volume_id, "site": hello.site})
    here = t.volume_site.c.volume_id == hello.volume_id
    site = connection.execute(sa.select(t.volume_site.c.site).where(here)).scalar_one()
    if site != hello.site:
        raise ConflictError(
            "volume-of-another-site",
            f"The volume {hello.volume_id} is the site {site}'s.",
            todo=f"Give the site {hello.site} a volume of its own, or run the agent with --site {site}.",
        )


def _make_site(connection: Connection, site: str, now: float) -> None:
    """Its row, where there is none; one that was removed is there again, and its tokens count on."""
    texts = dict.fromkeys(("volume_id", "wanted_reason", "reason", "labels", "engine", "release"), "")
    numbers = dict.fromkeys(("gpus", "cpus", "memory_bytes", "protocol", "agent_token", "revision"), 0)
    states = {"wanted": SiteState.UP.value, "state": SiteState.DOWN.value}
    times = {"since": now, "trouble_since": 0.0, "seen_at": 0.0, "created_at": now, "removed_at": 0.0}
    prices = {"gpu_hour_price": 0.0, "cpu_hour_price": 0.0}
    fresh: dict[str, Any] = {**texts, **numbers, **states, **times, **prices, "attached": False}
    if insert_if_absent(connection, t.site, {"name": site, **fresh}):
        return
    again = {name: value for name, value in fresh.items() if name not in ("agent_token", "revision")}
    removed = sa.and_(t.site.c.name == site, t.site.c.removed_at > 0)
    connection.execute(sa.update(t.site).where(removed).values(again))


def _resume_runs(
    connection: Connection, hello: Hello, agent_token: int, now: float, terms: SiteTerms, heard: Heard
) -> None:
    """What it has still under way is held by it; what it does not know, the one before may have: that hold runs out."""
    resumed = {attempt_in(key.task_id): key.token for key in hello.resumes if is_run(key.task_id)}
    ids = sorted({run_id for run_id, _ in resumed})
    for kept in run_rows.load(connection, run_rows.active(), t.run.c.run_id.in_(ids), lock=True) if ids else ():
        run, attempt = kept.course.run, kept.course.newest
        if attempt and attempt.site == hello.site and resumed.get((run.run_id, attempt.number)) == attempt.token:
            event = machine.Resumed(token=attempt.token, agent_token=agent_token)
            run_rows.save(connection, kept, machine.step(kept.course, event, now, terms))
            heard.keys.append(changes_of(run.run_id))


def _resume_tasks(connection: Connection, hello: Hello, now: float) -> None:
    resumed = {(key.task_id, key.token) for key in hello.resumes}
    for errand in task_rows.opened(connection, hello.site):
        if (errand.task.task_id, errand.task.token) not in resumed:
            gone = tasks.AgentGone(reason="the agent that had it has been replaced")
            task_rows.save(connection, errand, tasks.step(errand, gone, now))


def _hear_of_run(connection: Connection, site: str, report: Report, now: float, terms: SiteTerms, heard: Heard) -> None:
    """What the newest attempt is like, where it is this site's. Of others nothing is believed."""
    run_id, number = attempt_in(report.task_id)
    for kept in run_rows.load(connection, t.run.c.run_id == run_id, lock=True):
        attempt = kept.course.newest
        if attempt is None or attempt.site != site or attempt.number != number:
            continue
        told = _storable(report)
        after = machine.step(kept.course, machine.Reported(report=told), now, terms)
        if run_rows.save(connection, kept, after) and after is not kept.course:
            heard.keys.append(changes_of(run_id))
            heard.frees |= after.under_way is None
            started = [item.started_at for item in after.run.attempts if item.started_at]
            if started and not any(item.started_at for item in kept.course.run.attempts):
                heard.waited_s.append(max(0.0, started[0] - after.run.submitted_at))


def _hear_of_task(
    connection: Connection, row: site_rows.Row, report: Report, now: float, terms: SiteTerms, heard: Heard
) -> None:
    errand = task_rows.find(connection, report.task_id)
    if errand is None or errand.task.site != row["name"]:
        return
    told = tasks.Told(report=_storable(report), doubt=_doubt(connection, row["volume_id"], errand.task, report))
    after = tasks.step(errand, told, now)
    task_rows.save(connection, errand, after)
    if after is errand or after.task.state is TaskState.UNDER_WAY:
        return
    heard.frees = True
    # Of what failed at this site alone, the next pass makes the best.
    failed = after.task.kind is TaskKind.FILL and after.task.state in (TaskState.WAITING, TaskState.FAILED)
    if failed and tasks.fails_everywhere(report.kind, _lake_of(connection, after.task.ref)):
        heard.keys += _fail_waiting(connection, replace(after.task, unblock=told.report.todo), now, terms)


def _doubt(connection: Connection, volume_id: str, task: Task, report: Report) -> str:
    """A fill is done when the version is ready on the volume, whatever is said of it."""
    if task.kind is not TaskKind.FILL or report.state is not TaskState.DONE:
        return ""
    ref = parse_ref(task.ref)
    assert isinstance(ref, NumberRef)
    try:
        key = version_id(connection, ref.dataset, ref.number, ref.subset)
    except NotFoundError as error:
        return error.message
    here = sa.and_(t.replica.c.volume_id == volume_id, t.replica.c.version_id == key)
    state = connection.execute(sa.select(t.replica.c.state).where(here)).scalar() or ReplicaState.ABSENT.value
    return "" if state == ReplicaState.READY else f"its agent called it done, but {task.ref} is {state} there"


def _lake_of(connection: Connection, ref: str) -> str:
    """Where a version lies; "" when it is forgotten."""
    named = parse_ref(ref)
    assert isinstance(named, NumberRef)
    try:
        key = version_id(connection, named.dataset, named.number, named.subset)
    except NotFoundError:
        return ""
    return str(connection.execute(sa.select(t.version.c.lake_url).where(t.version.c.version_id == key)).scalar_one())


def _fail_waiting(connection: Connection, task: Task, now: float, terms: SiteTerms) -> list[str]:
    """Runs that wait at a site for what can never come there fail, with the reason."""
    waits = sa.select(t.run_data.c.run_seq).where(t.run_data.c.ref == task.ref)
    event = machine.DataFailed(
        reason=f"{task.ref} can't be brought to {task.site}: {tasks.first_line(task.last_error)}", unblock=task.unblock
    )
    keys = []
    for kept in run_rows.load(
        connection, run_rows.active(), t.run.c.site == task.site, t.run.c.run_seq.in_(waits), lock=True
    ):
        after = machine.step(kept.course, event, now, terms)
        if run_rows.save(connection, kept, after) and after is not kept.course:
            keys.append(changes_of(after.run.run_id))
    return keys


def _order_of_task(errand: tasks.Errand, *, stop: bool) -> Order:
    task = errand.task
    return Order(task_id=task.task_id, token=task.token, kind=task.kind, ref=task.ref, reason=task.reason, stop=stop)


def _order_of_run(course: machine.Course, *, stop: bool) -> Order:
    run, attempt = course.run, course.run.attempts[-1]
    return Order(
        task_id=_task_id(run, attempt.number),
        token=attempt.token,
        kind=TaskKind.RUN,
        reason=run.reason,
        stop=stop or bool(run.cancelled_by) or bool(course.stopping),
        run=RunOrder(run_id=run.run_id, attempt=attempt.number, new=run.new, submitted_by=run.submitted_by),
    )


def _task_id(run: Run, number: int) -> str:
    return f"{_RUN_TASK}{run.run_id}-{number}"


def _storable(report: Report) -> Report:
    """As both databases can hold it, and no longer than anybody reads."""

    return replace(
        report,
        detail=storable(report.detail, task_rows.TEXT_LENGTH),
        todo=storable(report.todo, task_rows.TEXT_LENGTH),
        made=tuple(storable(ref) for ref in report.made if " " not in ref),
    )
