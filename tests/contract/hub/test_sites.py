"""Sites, their agents and tasks, on both databases and by both faces."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import cast

import pytest

from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError, NotFoundError
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.wire.access import DatasetPolicy
from forebay.wire.cache import HealthReport, Sign
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.sites import Hello, Report, SiteState, TaskKey, TaskKind, TaskState
from tests.contract.hub.sited import RUN, Agent, Behind, pass_by


@pytest.fixture
def hub(hub: Hub, embedded: LocalHub) -> LocalHub:
    """Both faces of it, with the scheduler and the database that are behind them."""
    return cast(LocalHub, Behind(hub, embedded))


@pytest.fixture
def dgx(hub: LocalHub) -> Agent:
    return Agent(hub=hub, site="dgx", labels="gpu-type=a100").attach()


def kind_of(error: pytest.ExceptionInfo[ForebayError]) -> str:
    return error.value.kind


def test_a_site_is_what_its_agent_says_and_is_up(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    site = hub.sites.get("dgx")
    assert (site.state, site.wanted, site.labels, site.gpus) == (SiteState.UP, SiteState.UP, "gpu-type=a100", 2)
    assert (site.seen_at, site.since, site.agent_token) == (clock.now(), clock.now(), dgx.token)
    Agent(hub=hub, site="aks").attach()
    assert [site.name for site in hub.sites.all()] == ["aks", "dgx"]
    dgx.attach(gpus=8, engine="slurm")
    assert (hub.sites.get("dgx").gpus, hub.sites.get("dgx").engine) == (8, "slurm")


def test_an_unknown_site_is_told_with_the_nearest_names(hub: LocalHub, dgx: Agent) -> None:
    with pytest.raises(NotFoundError, match="Did you mean dgx") as caught:
        hub.sites.get("dxg")
    assert kind_of(caught) == "site-not-found"


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"site": "No Site"}, "bad-site"),
        ({"labels": "gpu type=a100"}, "bad-labels"),
        ({"gpus": -1}, "bad-site"),
        ({"protocol": 0}, "protocol-too-old"),
        ({"volume_id": "volume-of-dgx"}, "volume-of-another-site"),
    ],
)
def test_what_can_be_no_site_is_refused(hub: LocalHub, dgx: Agent, facts: dict[str, object], kind: str) -> None:
    hello = Hello(site="aks", volume_id="volume-of-aks")
    with pytest.raises(ForebayError) as caught:
        hub.sites.attach(replace(hello, **facts))  # type: ignore[arg-type]
    assert kind_of(caught) == kind
    assert [site.name for site in hub.sites.all()] == ["dgx"]


def test_a_newer_agent_is_answered_in_the_protocol_that_the_hub_speaks(hub: LocalHub) -> None:
    attached = hub.sites.attach(Hello(site="aks", volume_id="v", protocol=99))
    assert attached.protocol == 1
    assert attached.hold_s > 2 * attached.beat_s


def test_the_last_agent_to_attach_has_the_site(hub: LocalHub, dgx: Agent) -> None:
    old = dgx.token
    dgx.attach()
    assert dgx.token > old
    for ask in (
        lambda: hub.sites.beat("dgx", old, ()),
        lambda: hub.sites.orders("dgx", old, 0, 0.0),
        lambda: hub.sites.leave("dgx", old),
    ):
        with pytest.raises(ConflictError) as caught:
            ask()
        assert kind_of(caught) == "fenced"
    dgx.beat()


def test_a_silent_agent_is_missed_and_must_attach_anew(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    clock.pass_by(61)
    assert hub.sites.get("dgx").state is SiteState.DOWN
    assert hub.sites.get("dgx").reason == "its agent is silent"
    dgx.beat()
    assert hub.sites.get("dgx").state is SiteState.UP, "nobody has taken anything from it"
    pass_by(hub, clock, 90)
    assert hub.sites.get("dgx").reason == "its agent has gone"
    with pytest.raises(ConflictError):
        dgx.beat()
    dgx.attach()
    assert hub.sites.get("dgx").state is SiteState.UP


def test_trouble_that_comes_back_soon_is_since_when_it_first_came(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    pass_by(hub, clock, 600, dgx)
    hub.sites.leave("dgx", dgx.token)
    since = hub.sites.get("dgx").since
    for _ in range(3):
        clock.pass_by(10)
        dgx.attach()
        clock.pass_by(10)
        hub.sites.leave("dgx", dgx.token)
    assert hub.sites.get("dgx").since == since


def test_the_health_of_its_volume_is_a_sites_health(hub: LocalHub, dgx: Agent) -> None:
    hub.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.BAD, reason="EIO"))
    assert hub.sites.get("dgx").state is SiteState.DEGRADED
    hub.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.GONE, reason="not mounted"))
    hub.scheduler.tick()
    site = hub.sites.get("dgx")
    assert (site.state, site.reason) == (SiteState.DOWN, "its volume is down: not mounted")
    for _ in range(3):
        hub.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.GOOD))
    hub.scheduler.tick()
    assert hub.sites.get("dgx").state is SiteState.UP


def test_what_somebody_wants_of_a_site_outlives_its_agents(hub: LocalHub, dgx: Agent) -> None:
    hub.sites.set_state("dgx", SiteState.DRAINING, "new disks")
    hub.sites.leave("dgx", dgx.token)
    dgx.attach()
    site = hub.sites.get("dgx")
    assert (site.state, site.reason) == (SiteState.DRAINING, "new disks")
    assert hub.sites.set_state("dgx", SiteState.UP, "").state is SiteState.UP
    with pytest.raises(InputError) as caught:
        hub.sites.set_state("dgx", SiteState.DEGRADED, "")
    assert kind_of(caught) == "bad-state"


def test_prices_are_kept(hub: LocalHub, dgx: Agent) -> None:
    site = hub.sites.set_prices("dgx", 2.5, 0.1)
    assert (site.gpu_hour_price, site.cpu_hour_price) == (2.5, 0.1)
    dgx.attach()
    assert hub.sites.get("dgx").gpu_hour_price == 2.5
    for bad in (-1.0, float("inf"), float("nan")):
        with pytest.raises(InputError) as caught:
            hub.sites.set_prices("dgx", bad, 0.0)
        assert kind_of(caught) in ("bad-price", "bad-number"), "a client sends no infinity"


def test_a_site_is_removed_once_nothing_is_there_and_its_tokens_go_on_growing(hub: LocalHub, dgx: Agent) -> None:
    with pytest.raises(ConflictError) as caught:
        hub.sites.remove("dgx")
    assert kind_of(caught) == "site-in-use"
    hub.sites.leave("dgx", dgx.token)
    old = dgx.token
    hub.sites.remove("dgx")
    assert hub.sites.all() == []
    with pytest.raises(NotFoundError):
        hub.sites.get("dgx")
    with pytest.raises(NotFoundError):
        hub.sites.beat("dgx", old, ())
    assert dgx.attach().token > old
    with pytest.raises(ConflictError):
        hub.sites.beat("dgx", old, ())


def test_a_site_with_a_run_under_way_stays(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    hub.runs.submit(RUN)
    dgx.attach()
    pass_by(hub, clock, 40)
    with pytest.raises(ConflictError):
        hub.sites.remove("dgx")


# Orders


def test_orders_wait_until_there_are_others(hub: LocalHub, dgx: Agent) -> None:
    first = hub.sites.orders("dgx", dgx.token, 0, 0.0)
    assert hub.sites.orders("dgx", dgx.token, first.revision, 0.05) == first
    found = []
    waits = threading.Thread(
        target=lambda: found.append(hub.sites.orders("dgx", dgx.token, first.revision, 60.0)), name="waits for orders"
    )
    waits.start()
    hub.runs.submit(RUN)
    waits.join(60)
    (orders,) = found
    assert orders.revision > first.revision
    assert [order.kind for order in orders.orders] == [TaskKind.RUN]


def test_who_waits_for_orders_learns_that_it_is_fenced(hub: LocalHub, dgx: Agent) -> None:
    revision, old = hub.sites.orders("dgx", dgx.token, 0, 0.0).revision, dgx.token
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            hub.sites.orders("dgx", old, revision, 60.0)
        except ConflictError as error:
            caught.append(error)

    waits = threading.Thread(target=wait, name="waits for orders")
    waits.start()
    dgx.attach()
    waits.join(60)
    assert len(caught) == 1


def test_looking_for_orders_is_no_heartbeat(hub: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    clock.pass_by(61)
    dgx.orders()
    assert hub.sites.get("dgx").state is SiteState.DOWN


# Tasks


def test_a_task_is_ordered_done_and_then_known_no_more(hub: LocalHub, dgx: Agent, version: Version) -> None:
    task = hub.sites.ask("dgx", TaskKind.FILL, "clicks", "for tomorrow", by="ada")
    assert (task.ref, task.state, task.asked_by, task.token) == ("clicks@v1", TaskState.ORDERED, "ada", 1)
    order = dgx.order(TaskKind.FILL)
    assert (order.task_id, order.ref, order.stop) == (task.task_id, "clicks@v1", False)
    dgx.tell(order, TaskState.UNDER_WAY, done_bytes=40, total_bytes=100)
    (seen,) = hub.sites.tasks("dgx")
    assert (seen.state, seen.done_bytes, seen.total_bytes) == (TaskState.UNDER_WAY, 40, 100)
    dgx.fill(order)
    assert hub.sites.tasks() == []
    assert dgx.orders() == {}
    assert dgx.tell(order, TaskState.DONE) == (TaskKey(task_id=order.task_id, token=1),), "told twice, heard twice"


def test_what_is_wanted_already_is_found(hub: LocalHub, dgx: Agent, version: Version) -> None:
    first = hub.sites.ask("dgx", TaskKind.FILL, "clicks@v1", "")
    assert hub.sites.ask("dgx", TaskKind.FILL, "clicks", "").task_id == first.task_id
    other = hub.sites.ask("dgx", TaskKind.EVICT, "clicks@v1", "")
    scrub = hub.sites.ask("dgx", TaskKind.SCRUB, "", "")
    assert len({first.task_id, other.task_id, scrub.task_id}) == 3
    assert len(hub.sites.tasks("dgx")) == 3


def test_what_can_not_be_asked_is_refused(hub: LocalHub, dgx: Agent, version: Version) -> None:
    AccessStore(hub.engine, FakeClock()).set_policy(DatasetPolicy(dataset="clicks", sites=("aks",)))
    with pytest.raises(NotAllowedError) as residency:
        hub.sites.ask("dgx", TaskKind.FILL, "clicks", "")
    assert kind_of(residency) == "residency"
    with pytest.raises(NotFoundError) as missing:
        hub.sites.ask("nowhere", TaskKind.FILL, "clicks", "")
    assert kind_of(missing) == "site-not-found"
    with pytest.raises(InputError) as run:
        hub.sites.ask("dgx", TaskKind.RUN, "", "")
    assert kind_of(run) == "bad-task"
    hub.sites.leave("dgx", dgx.token)
    with pytest.raises(ConflictError) as down:
        hub.sites.ask("dgx", TaskKind.SCRUB, "", "")
    assert kind_of(down) == "site-down"


def test_what_is_withdrawn_is_told_to_stop_and_ends_when_its_agent_says_so(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    task = hub.sites.ask("dgx", TaskKind.FILL, "clicks", "")
    hub.sites.withdraw(task.task_id, "a mistake")
    order = dgx.order(TaskKind.FILL)
    assert order.stop
    assert hub.sites.tasks()[0].reason == "it is told to end: a mistake"
    dgx.tell(order, TaskState.CANCELLED)
    assert hub.sites.tasks() == []
    assert hub.sites.withdraw(task.task_id, "again").state is TaskState.CANCELLED
    with pytest.raises(NotFoundError) as caught:
        hub.sites.withdraw("nothing", "")
    assert kind_of(caught) == "task-not-found"


def test_the_next_agent_gets_an_order_anew_unless_it_goes_on_with_it(
    hub: LocalHub, dgx: Agent, version: Version
) -> None:
    hub.sites.ask("dgx", TaskKind.FILL, "clicks", "")
    order = dgx.order(TaskKind.FILL)
    dgx.attach(TaskKey(task_id=order.task_id, token=order.token))
    assert dgx.order(TaskKind.FILL).token == order.token
    dgx.attach()
    again = dgx.order(TaskKind.FILL)
    assert again.token == order.token + 1
    dgx.tell(order, TaskState.FAILED, detail="from before")
    assert hub.sites.tasks()[0].last_error == "", "an older token's report counts no more"


def test_a_site_that_is_down_does_nothing_and_goes_on_when_it_is_up(
    hub: LocalHub, dgx: Agent, version: Version, clock: FakeClock
) -> None:
    hub.sites.ask("dgx", TaskKind.FILL, "clicks", "")
    hub.sites.set_state("dgx", SiteState.DOWN, "a fire")
    order = dgx.order(TaskKind.FILL)
    assert order.stop
    dgx.tell(order, TaskState.CANCELLED)
    pass_by(hub, clock, 20, dgx)
    assert dgx.orders() == {}
    (task,) = hub.sites.tasks()
    assert (task.state, bool(task.unblock)) == (TaskState.WAITING, True)
    hub.sites.set_state("dgx", SiteState.UP, "")
    assert dgx.order(TaskKind.FILL).token == 2


def test_an_agents_texts_are_kept_whatever_is_in_them(hub: LocalHub, dgx: Agent, version: Version) -> None:
    hub.sites.ask("dgx", TaskKind.FILL, "clicks", "\0 why \ud800")
    dgx.tell(dgx.order(TaskKind.FILL), TaskState.FAILED, detail="\0" + "x" * 100_000)
    (task,) = hub.sites.tasks()
    assert len(task.last_error) < 10_000


def test_reports_on_what_never_was_are_heard_and_forgotten(hub: LocalHub, dgx: Agent) -> None:
    for name in ("nothing", "run-", "run-x", "run-nothing-1", "run-nothing-x"):
        report = Report(task_id=name, token=1, state=TaskState.DONE)
        assert dgx.beat(report) == (TaskKey(task_id=name, token=1),)


def test_a_run_is_among_the_tasks_of_its_site(hub: LocalHub, dgx: Agent) -> None:
    run = hub.runs.submit(RUN)
    (task,) = hub.sites.tasks("dgx")
    assert (task.kind, task.run_id, task.state) == (TaskKind.RUN, run.run_id, TaskState.ORDERED)
    with pytest.raises(InputError):
        hub.sites.withdraw(task.task_id, "")
