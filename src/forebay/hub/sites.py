"""Sites, their agents and their tasks: `wire.sites.Sites` on the database, decided by the pure machines."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.names import parse_ref
from forebay.catalog.records import find_version, storable
from forebay.catalog.retired import hold_refs
from forebay.clock import Clock
from forebay.errors import ConflictError, InputError, NotAllowedError, NotFoundError
from forebay.hub import agents, run_rows, site_rows, task_rows
from forebay.hub.changes import Changes, changes_of, orders_of
from forebay.runs import machine
from forebay.sites import tasks
from forebay.sites.state import SiteTerms
from forebay.wire.sites import Attached, Beaten, Hello, Orders, Report, SiteRecord, SiteState, Task, TaskKind

_REASON_LENGTH = 1000


class SiteStore:
    """Implements `wire.sites.Sites`. `poke` is told when something may begin that could not before.

    `on_started` is told of each run whose command has started how long it had waited since its submission, in seconds.
    """

    on_started: Callable[[float], object] = staticmethod(lambda waited_s: None)

    def __init__(
        self, engine: Engine, clock: Clock, terms: SiteTerms, changes: Changes, poke: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._terms = terms
        self._changes = changes
        self._poke = poke

    def all(self) -> list[SiteRecord]:
        now = self._clock.now()
        with reading(self._engine) as connection:
            return [site_rows.record(row, now, self._terms) for row in site_rows.every(connection)]

    def get(self, site: str) -> SiteRecord:
        with reading(self._engine) as connection:
            return self._record(connection, site)

    def attach(self, hello: Hello) -> Attached:
        agents.check(hello)
        with writing(self._engine) as connection:
            token, heard = agents.attach(connection, hello, self._clock.now(), self._terms)
        self._changes.tell(orders_of(hello.site), *heard.keys)
        self._poke()
        protocol = min(hello.protocol, agents.PROTOCOL)
        return Attached(agent_token=token, hold_s=self._terms.hold_s, beat_s=self._terms.beat_s, protocol=protocol)

    def beat(self, site: str, agent_token: int, reports: tuple[Report, ...]) -> Beaten:
        with writing(self._engine) as connection:
            row = site_rows.beaten_by(connection, site, agent_token)
            heard = agents.hear(connection, row, reports, self._clock.now(), self._terms)
            revision = row["revision"]
            if heard.orders or reports:
                revision = site_rows.find(connection, site)["revision"]
        if revision != row["revision"] or heard.keys:
            self._changes.tell(orders_of(site), *heard.keys)
        if heard.frees:
            self._poke()
        for waited_s in heard.waited_s:
            self.on_started(waited_s)
        return Beaten(heard=tuple(heard.final), revision=revision)

    def orders(self, site: str, agent_token: int, after: int, wait_s: float) -> Orders:
        def look() -> Orders | None:
            with reading(self._engine) as connection:
                row = site_rows.held_by(connection, site, agent_token)
                return None if row["revision"] == after else self._orders(connection, row)

        found = self._changes.wait(orders_of(site), look, wait_s)
        if found is not None:
            return found
        with reading(self._engine) as connection:
            return self._orders(connection, site_rows.held_by(connection, site, agent_token))

    def leave(self, site: str, agent_token: int) -> None:
        now = self._clock.now()
        keys = [orders_of(site)]
        with writing(self._engine) as connection:
            row = site_rows.held_by(connection, site, agent_token, lock=True)
            event = machine.AgentLeft(agent_token=agent_token)
            for kept in run_rows.load(connection, run_rows.active(), run_rows.under_way_at(site), lock=True):
                after = machine.step(kept.course, event, now, self._terms)
                if run_rows.save(connection, kept, after) and after is not kept.course:
                    keys.append(changes_of(after.run.run_id))
            agents.detach(connection, row, now, self._terms)
        self._changes.tell(*keys)
        self._poke()

    def set_state(self, site: str, wanted: SiteState, reason: str) -> SiteRecord:
        if wanted is SiteState.DEGRADED:
            raise InputError("bad-state", "Nobody sets a site to degraded.", todo="Set up, draining or down.")
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = site_rows.find(connection, site, lock=True)
            said = storable(reason, _REASON_LENGTH)
            values = {"wanted": wanted.value, "wanted_reason": said}
            site_rows.write(connection, row, now, self._terms, orders=True, **values)
            row = site_rows.find(connection, site)
            why = site_rows.stands(row, now, self._terms).reason
            keys = agents.stop_runs(connection, row, f"the site goes down: {why}", now, self._terms)
            agents.order_due(connection, site, now, self._terms)
            record = self._record(connection, site)
        self._changes.tell(orders_of(site), *keys)
        self._poke()
        return record

    def set_prices(self, site: str, gpu_hour: float, cpu_hour: float) -> SiteRecord:
        if not all(math.isfinite(price) and price >= 0 for price in (gpu_hour, cpu_hour)):
            raise InputError("bad-price", "A price is a number, and not below 0.")
        with writing(self._engine) as connection:
            site_rows.find(connection, site, lock=True)
            values = {"gpu_hour_price": gpu_hour, "cpu_hour_price": cpu_hour}
            connection.execute(sa.update(t.site).where(t.site.c.name == site).values(values))
            return self._record(connection, site)

    def remove(self, site: str) -> None:
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = site_rows.find(connection, site, lock=True)
            _refuse_in_use(connection, row)
            for errand in task_rows.opened(connection, site):
                gone = tasks.step(errand, tasks.AgentGone(reason="its site was removed"), now)
                task_rows.save(
                    connection, errand, tasks.step(gone, tasks.Withdrawn(reason="its site was removed"), now)
                )
            connection.execute(sa.update(t.site).where(t.site.c.name == site).values(removed_at=now))
            connection.execute(sa.delete(t.volume_site).where(t.volume_site.c.site == site))
            connection.execute(sa.delete(t.downtime).where(t.downtime.c.site == site))
        self._poke()

    def tasks(self, site: str = "") -> list[Task]:
        with reading(self._engine) as connection:
            if site:
                site_rows.find(connection, site)
            found = [errand.task for errand in task_rows.opened(connection, site)]
            where = [t.attempt.c.ending == "", *([t.attempt.c.site == site] if site else [])]
            chosen = sa.select(t.attempt.c.run_seq).where(*where)
            runs = run_rows.load(connection, run_rows.active(), t.run.c.run_seq.in_(chosen))
        found += [agents.task_of(kept.course.run) for kept in runs if kept.course.under_way is not None]
        return sorted(found, key=lambda task: (task.since, task.task_id))

    def ask(self, site: str, kind: TaskKind, ref: str, reason: str, by: str = "") -> Task:
        if kind not in (TaskKind.FILL, TaskKind.EVICT, TaskKind.SCRUB):
            raise InputError("bad-task", f"{kind} is nothing to ask a site for.", todo="A run: forebay run -- COMMAND")
        now = self._clock.now()
        with writing(self._engine) as connection:
            row = site_rows.find(connection, site, lock=True)
            resolved = _resolved(connection, site, kind, ref)
            if kind is TaskKind.FILL:
                hold_refs(connection, [resolved])
            is_now = site_rows.stands(row, now, self._terms)
            if is_now.state is SiteState.DOWN:
                raise ConflictError(
                    "site-down",
                    f"The site {site} is down: {is_now.reason}.",
                    todo="Ask again when it is up; see: forebay sites ls",
                )
            said = storable(reason, _REASON_LENGTH)
            task_id = want(connection, site, kind, resolved, by=by, reason=said, now=now)
            agents.order_due(connection, site, now, self._terms)
            errand = task_rows.find(connection, task_id)
            assert errand is not None
        self._changes.tell(orders_of(site))
        return errand.task

    def withdraw(self, task_id: str, reason: str) -> Task:
        if agents.is_run(task_id):
            raise InputError("bad-task", f"{task_id} is a run.", todo="forebay runs cancel ID ends it.")
        now = self._clock.now()
        with writing(self._engine) as connection:
            errand = task_rows.find(connection, task_id)
            if errand is None:
                raise NotFoundError("task-not-found", f"There is no task {task_id}.", todo="See: forebay sites tasks")
            connection.execute(sa.select(t.site.c.name).where(t.site.c.name == errand.task.site).with_for_update())
            errand = task_rows.find(connection, task_id) or errand
            after = tasks.step(errand, tasks.Withdrawn(reason=storable(reason, _REASON_LENGTH)), now)
            task_rows.save(connection, errand, after)
            site_rows.change_orders(connection, after.task.site)
        self._changes.tell(orders_of(after.task.site))
        self._poke()
        return after.task

    def _record(self, connection: Connection, site: str) -> SiteRecord:
        return site_rows.record(site_rows.find(connection, site), self._clock.now(), self._terms)

    def _orders(self, connection: Connection, row: site_rows.Row) -> Orders:
        return agents.orders(connection, row, self._clock.now(), self._terms)


def want(connection: Connection, site: str, kind: TaskKind, ref: str, *, by: str, reason: str, now: float) -> str:
    """The id of the task that is wanted at a locked site: the one that is there, or a new one."""
    known = task_rows.wanted(connection, site, kind, ref)
    if known is not None:
        task_rows.save(connection, known, tasks.step(known, tasks.Wanted(by=by, reason=reason), now))
        if known.stopping:
            site_rows.change_orders(connection, site)
        return known.task.task_id
    task_id = uuid.uuid4().hex
    errand = tasks.begin(task_id, site, kind, ref, by=by, reason=reason or "somebody asked for it", now=now)
    task_rows.insert(connection, errand, now)
    return task_id


def _resolved(connection: Connection, site: str, kind: TaskKind, ref: str) -> str:
    """The version's own name; NotAllowedError `residency`. A scrub may be of the whole volume."""
    if kind is TaskKind.SCRUB and not ref:
        return ""
    version = find_version(connection, parse_ref(ref))
    query = (
        sa.select(t.dataset_policy.c.sites)
        .join(t.dataset, t.dataset.c.dataset_id == t.dataset_policy.c.dataset_id)
        .where(t.dataset.c.name == version.dataset)
    )
    allowed = (connection.execute(query).scalar() or "").split()
    if kind is TaskKind.FILL and allowed and site not in allowed:
        raise NotAllowedError(
            "residency",
            f"{version.dataset} may never be at {site}.",
            todo=f"It may be at {', '.join(allowed)}; who governs it can add a site.",
        )
    return version.ref


def _refuse_in_use(connection: Connection, row: site_rows.Row) -> None:
    site = row["name"]
    runs = sa.select(sa.func.count()).select_from(t.run).where(run_rows.active(), run_rows.under_way_at(site))
    under_way = connection.execute(runs).scalar_one()
    if row["attached"] or under_way:
        what = "has an agent" if row["attached"] else f"has {under_way} run(s) under way"
        raise ConflictError(
            "site-in-use",
            f"The site {site} {what}.",
            todo=f"Drain it (forebay sites drain {site}), end its agent, and try again.",
        )
