"""Several hubs of one database at once, and a hub that is killed at any write: nothing is started twice or lost."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forebay.cache.machine import Terms
from forebay.catalog import schema as t
from forebay.catalog.engine import reading as snapshot
from forebay.catalog.engine import writing
from forebay.clock import SystemClock
from forebay.errors import ForebayError
from forebay.hub import run_facts, site_rows
from forebay.hub.local import LocalHub
from forebay.sites.state import SiteTerms
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.testing.servers import Postgres
from forebay.wire.catalog import Version
from forebay.wire.runs import RunQuery, RunState
from forebay.wire.sites import SiteState, TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import RUN, Agent, attempts_of, pass_by, reading, ready

_FORK = multiprocessing.get_context("fork")
WRITES = ("INSERT", "UPDATE", "DELETE")


@pytest.fixture
def hub(embedded: LocalHub) -> LocalHub:
    return embedded


def _killed_in(work: Callable[[], object], engine: sa.Engine, at: int) -> bool:
    """Do something in a process that kills itself before its write number `at`; False when it made fewer."""

    def child() -> None:
        left = at

        def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            nonlocal left
            if statement.startswith(WRITES):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(engine, "before_cursor_execute", count)
        work()

    process = _FORK.Process(target=child, name="to be killed")
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _idle(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the hub passes only when it is told to tick."""
    monkeypatch.setattr(hub.scheduler, "_serving", True)


def test_a_hub_that_is_killed_at_any_write_of_a_pass_is_gone_on_from(
    embedded: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, dgx, at = embedded, Agent(hub=embedded, site="dgx", gpus=4).attach(), 0
    there, missing = new_version(hub, "there"), new_version(hub, "missing")
    ready(hub, dgx.volume_id, there)
    _idle(hub, monkeypatch)
    while True:
        at += 1
        starts = [hub.runs.submit(reading(there.ref)).run_id for _ in range(2)]
        fills = [hub.runs.submit(reading(missing.ref)).run_id for _ in range(2)]
        killed = _killed_in(hub.scheduler.tick, hub.engine, at)
        hub.scheduler.tick()
        for run_id in starts:
            assert attempts_of(hub.runs.get(run_id)) == [("dgx", "under way")]
        for run_id in fills:
            assert (hub.runs.get(run_id).state, hub.runs.get(run_id).site) == (RunState.FILLING, "dgx")
        orders = list(dgx.orders().values())
        assert sorted(order.kind for order in orders) == [TaskKind.FILL, TaskKind.RUN, TaskKind.RUN]
        for run_id in (*starts, *fills):
            hub.runs.cancel(run_id)
        hub.scheduler.tick()
        for order in dgx.orders().values():
            assert order.stop
            dgx.tell(order, TaskState.CANCELLED)
        assert dgx.orders() == {}
        if not killed:
            break
    assert at > 8, "it was killed at many writes"


def test_a_hub_that_is_killed_at_any_write_while_holds_end_is_gone_on_from(
    embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, at = embedded, 0
    _idle(hub, monkeypatch)
    while True:
        at += 1
        dgx = Agent(hub=hub, site="dgx").attach()
        run_id = hub.runs.submit(RUN).run_id
        for _ in range(2):
            hub.scheduler.tick()
        clock.pass_by(100)
        killed = _killed_in(hub.scheduler.tick, hub.engine, at)
        hub.scheduler.tick()
        assert attempts_of(hub.runs.get(run_id)) == [("dgx", "lost")]
        assert hub.sites.get("dgx").state is SiteState.DOWN
        with pytest.raises(ForebayError):
            dgx.beat()
        hub.runs.cancel(run_id)
        if not killed:
            break
    assert at > 3


@pytest.mark.parametrize("call", ["beat", "submit", "cancel", "attach"])
def test_a_hub_that_is_killed_at_any_write_of_a_call_has_done_all_of_it_or_nothing(
    embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    hub, at, killed = embedded, 0, True
    dgx = Agent(hub=hub, site="dgx", gpus=4).attach()
    _idle(hub, monkeypatch)
    while killed:
        at += 1
        run_id = hub.runs.submit(RUN).run_id
        hub.scheduler.tick()
        order = dgx.order(TaskKind.RUN)
        works: dict[str, Callable[[], object]] = {
            "beat": lambda order=order: dgx.tell(order, TaskState.DONE),  # type: ignore[misc]
            "submit": lambda: hub.runs.submit(reading(retry=RUN.retry)),
            "cancel": lambda run_id=run_id: hub.runs.cancel(run_id),  # type: ignore[misc]
            "attach": dgx.attach,
        }
        killed = _killed_in(works[call], hub.engine, at)
        works[call]()
        hub.scheduler.tick()
        for order in dgx.orders().values():
            dgx.tell(order, TaskState.CANCELLED if order.stop else TaskState.DONE)
        for run in hub.runs.page(RunQuery(active=True)).runs:
            hub.runs.cancel(run.run_id)
        pass_by(hub, clock, 90, dgx)
        assert hub.runs.page(RunQuery(active=True)).runs == ()
        assert hub.sites.tasks() == []
    assert at > 1


class Worker:
    """An agent in a thread: it begins what it is ordered, tells of it a little later, and minds its capacity."""

    def __init__(self, home: Path, database_url: str, site: str, gpus: int) -> None:
        hub = LocalHub.open(home, database_url, SystemClock(), Terms())
        self.agent = Agent(hub=hub, site=site, gpus=gpus).attach()
        self.begun: list[tuple[str, int]] = []
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"agent of {site}")

    def _run(self) -> None:
        try:
            while not self.stopping.is_set():
                self._work()
                self.stopping.wait(0.02)
        except BaseException as error:  # noqa: BLE001
            self.failure = error
        finally:
            self.agent.hub.close()

    def _work(self) -> None:
        orders = self.agent.orders()
        runs = [order for order in orders.values() if order.run is not None]
        assert sum(order.run.new.gpus for order in runs if order.run) <= self.agent.gpus, "more than there is"
        for order in orders.values():
            if order.run is None:
                self.agent.fill(order)
            elif (order.task_id, order.token) in self.begun:
                self.agent.tell(order, TaskState.DONE)
            else:
                self.begun.append((order.task_id, order.token))
                self.agent.tell(order, TaskState.UNDER_WAY)


def _pass_until(home: Path, database_url: str, stopping: Event) -> None:
    """A hub of its own in a process of its own, that passes over the queue again and again."""
    hub = LocalHub.open(home, database_url, SystemClock(), Terms())
    while not stopping.is_set():
        try:
            hub.scheduler.tick(rethink=True)
        except ForebayError as error:
            assert error.kind == "database-busy", error  # noqa: PT017
    hub.close()


def test_hubs_that_pass_at_the_same_time_start_everything_once(postgres_server: Postgres, tmp_path: Path) -> None:
    url = postgres_server.new_database()
    hub = LocalHub.open(tmp_path / "home", url, SystemClock(), Terms())
    versions = [new_version(hub, name) for name in ("clicks", "users", "items")]
    stopping = _FORK.Event()
    passing = [
        _FORK.Process(target=_pass_until, args=(tmp_path / f"home-{at}", url, stopping), name=f"hub {at}")
        for at in range(2)
    ]
    for process in passing:
        process.start()
    workers = [Worker(tmp_path / f"home-{site}", url, site, gpus) for site, gpus in (("dgx", 2), ("aks", 1))]
    try:
        for worker in workers:
            worker.thread.start()
        runs = [
            hub.runs.submit(reading(versions[at % 3].ref, submitted_by=f"user-{at % 5}")).run_id for at in range(24)
        ]
        for run_id in runs:
            run = hub.runs.get(run_id)
            while not run.state.is_final:
                assert all(worker.failure is None for worker in workers)
                assert all(process.is_alive() for process in passing)
                run = hub.runs.get(run_id, after=run.revision, wait_s=5.0)
            assert run.state is RunState.SUCCEEDED
            assert len(run.attempts) == 1
    finally:
        stopping.set()
        for worker in workers:
            worker.stopping.set()
            worker.thread.join(60)
        for process in passing:
            process.join(60)
    assert [worker.failure for worker in workers] == [None, None]
    begun = [task_id for worker in workers for task_id, _ in worker.begun]
    assert sorted(begun) == sorted(f"run-{run_id}-1" for run_id in runs), "each once, by one site"
    assert [process.exitcode for process in passing] == [0, 0]
    hub.close()


def test_a_served_hub_passes_by_itself(embedded: LocalHub, version: Version) -> None:
    with embedded.scheduler.running():
        dgx = Agent(hub=embedded, site="dgx").attach()
        run = embedded.runs.submit(reading(version.ref))
        _wait_for(embedded, run.run_id, RunState.FILLING)
        dgx.fill(dgx.order(TaskKind.FILL))
        _wait_for(embedded, run.run_id, RunState.STARTING)
    assert "scheduler" not in [thread.name for thread in threading.enumerate()]


def _wait_for(hub: LocalHub, run_id: str, state: RunState) -> None:
    run = hub.runs.get(run_id)
    while run.state is not state:
        run = hub.runs.get(run_id, after=run.revision, wait_s=30.0)


def test_a_run_that_waits_goes_where_it_starts_sooner_when_the_hub_thinks_again(
    embedded: LocalHub, clock: FakeClock
) -> None:
    hub = embedded
    dgx = Agent(hub=hub, site="dgx", gpus=1).attach()
    hub.runs.submit(replace(RUN, estimate_s=36000.0))
    waits = hub.runs.submit(replace(RUN, estimate_s=3600.0))
    aks = Agent(hub=hub, site="aks", gpus=1).attach()
    hub.scheduler.tick()
    assert hub.runs.get(waits.run_id).site == "dgx"
    hub.scheduler.tick(rethink=True)
    moved = hub.runs.get(waits.run_id)
    assert (moved.site, moved.state) == ("aks", RunState.STARTING)
    pass_by(hub, clock, 10, dgx, aks)
    assert len(hub.runs.get(waits.run_id).attempts) == 1


@pytest.fixture
def second(embedded: LocalHub, clock: FakeClock, tmp_path: Path) -> LocalHub:
    """Another hub of the same database."""
    return LocalHub(embedded.engine, tmp_path / "home", embedded.owner, clock, Terms())


def _meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Between the facts of the next pass and its writing, something happens."""
    load = run_facts.load

    def load_and_then(*given: Any, **named: Any) -> run_facts.Facts:
        facts = load(*given, **named)
        monkeypatch.setattr(run_facts, "load", load)
        happens()
        return facts

    monkeypatch.setattr(run_facts, "load", load_and_then)


def test_what_is_cancelled_while_a_pass_thinks_is_not_started(
    embedded: LocalHub, second: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    dgx = Agent(hub=embedded, site="dgx").attach()
    for hub in (embedded, second):
        _idle(hub, monkeypatch)
    run, other = embedded.runs.submit(RUN), embedded.runs.submit(RUN)
    _meanwhile(monkeypatch, lambda: second.runs.cancel(run.run_id))
    embedded.scheduler.tick()
    assert embedded.runs.get(run.run_id).state is RunState.CANCELLED
    assert embedded.runs.get(other.run_id).state is RunState.STARTING
    assert [order.run.run_id for order in dgx.orders().values() if order.run] == [other.run_id]


def test_nothing_starts_for_an_agent_that_was_replaced_while_a_pass_thought(
    embedded: LocalHub, second: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    dgx = Agent(hub=embedded, site="dgx").attach()
    for hub in (embedded, second):
        _idle(hub, monkeypatch)
    run = embedded.runs.submit(RUN)
    _meanwhile(monkeypatch, lambda: replace(dgx, hub=second).attach())
    embedded.scheduler.tick()
    assert embedded.runs.get(run.run_id).attempts == ()
    embedded.scheduler.tick()
    assert attempts_of(embedded.runs.get(run.run_id)) == [("dgx", "under way")]


def test_a_pass_that_was_overtaken_starts_nothing_beside_what_the_other_started(
    embedded: LocalHub, second: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for one: the pass that knows only of the first run would start it beside the shorter second one."""
    Agent(hub=embedded, site="dgx", gpus=1).attach()
    _idle(embedded, monkeypatch)
    first = embedded.runs.submit(replace(RUN, estimate_s=9000.0))
    _meanwhile(monkeypatch, lambda: second.runs.submit(replace(RUN, estimate_s=1.0)))
    embedded.scheduler.tick()
    assert embedded.runs.get(first.run_id).attempts == ()
    assert len([run for run in embedded.runs.page(RunQuery()).runs if run.attempts]) == 1


def test_a_tick_after_the_clock_was_set_back_bounds_the_leases_of_the_dead(
    embedded: LocalHub, clock: FakeClock
) -> None:
    hub, dgx = embedded, Agent(hub=embedded, site="dgx", gpus=4).attach()
    version = new_version(hub, "there")
    ready(hub, dgx.volume_id, version)
    hub.leases.take(dgx.volume_id, version, holder())
    hub.scheduler.tick()
    clock.jump(-86400)
    pass_by(hub, clock, 50, dgx)
    assert len(hub.leases.live(dgx.volume_id)) == 1
    pass_by(hub, clock, 60, dgx)
    assert hub.leases.live(dgx.volume_id) == []


UNEASY: tuple[tuple[str, dict[str, object]], ...] = (
    ("site", {"attached": False}),
    ("site", {"wanted": "draining"}),
    ("site", {"wanted": "down"}),
    ("site", {"state": "down"}),
    ("site", {"reason": "its agent is silent"}),
    ("site", {"seen_at": sa.literal_column("seen_at - 61")}),
    ("site", {"seen_at": sa.literal_column("seen_at + 3600")}),
    ("site", {"volume_id": "nobody's"}),
    ("volume", {"state": "unstable"}),
    ("volume", {"state": "down"}),
)


@pytest.mark.parametrize(("table", "values"), UNEASY)
def test_a_tick_reads_only_sites_that_time_may_have_changed(
    embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, table: str, values: dict[str, object]
) -> None:
    hub = embedded
    _idle(hub, monkeypatch)
    for site in ("one", "two"):
        Agent(hub=hub, site=site).attach()
    hub.scheduler.tick()

    def uneasy() -> list[str]:
        with snapshot(hub.engine) as connection:
            return [row["name"] for row in site_rows.uneasy(connection, clock.now(), SiteTerms())]

    assert uneasy() == []
    changed = {"site": t.site, "volume": t.volume}[table]
    which = t.site.c.name == "one" if table == "site" else t.volume.c.volume_id == "volume-of-one"
    with writing(hub.engine) as connection:
        connection.execute(sa.update(changed).where(which).values(values))
    assert uneasy() == ["one"]


def test_a_site_whose_volume_is_unknown_is_looked_at_until_it_says_so(embedded: LocalHub, clock: FakeClock) -> None:
    hub = embedded

    def uneasy() -> list[str]:
        with snapshot(hub.engine) as connection:
            return [row["name"] for row in site_rows.uneasy(connection, clock.now(), SiteTerms())]

    Agent(hub=hub, site="one").attach()
    with writing(hub.engine) as connection:
        connection.execute(sa.update(t.site).values(volume_id="new"))
    assert uneasy() == ["one"]
    hub.scheduler.tick()
    assert hub.sites.get("one").state is SiteState.DEGRADED
    assert uneasy() == []
    hub.volumes.add("new", "/new", 1 << 30)
    assert uneasy() == ["one"]
    hub.scheduler.tick()
    assert hub.sites.get("one").state is SiteState.UP


def test_a_site_with_a_downtime_is_looked_at(embedded: LocalHub, clock: FakeClock) -> None:
    Agent(hub=embedded, site="one").attach()
    embedded.scheduler.tick()
    embedded.downtimes.plan("one", clock.now() + 3600, clock.now() + 7200, "new disks", "ada")
    with snapshot(embedded.engine) as connection:
        assert [row["name"] for row in site_rows.uneasy(connection, clock.now(), SiteTerms())] == ["one"]


def test_a_pass_asks_no_more_for_many_sites_than_for_one(
    embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, asked = embedded, list[str]()
    _idle(hub, monkeypatch)
    hub.runs.submit(reading(new_version(hub, "clicks").ref))
    sa.event.listen(hub.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    def questions() -> int:
        asked.clear()
        with snapshot(hub.engine) as connection:
            facts = run_facts.load(connection, 0, clock.now(), SiteTerms(), Terms())
        assert len(facts.queue) == 1
        return len(asked)

    Agent(hub=hub, site="one", gpus=4).attach()
    of_one = questions()
    for site in ("two", "three"):
        Agent(hub=hub, site=site, gpus=4).attach()
    assert questions() == of_one
