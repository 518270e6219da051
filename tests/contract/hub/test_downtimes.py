"""Downtimes on both databases and both faces: planned, under way, over; and what a site grants meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.errors import ConflictError, InputError, NotAllowedError, NotFoundError, UnavailableError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Agent as AgentOf
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.access import AuditQuery, DatasetPolicy, Role
from forebay.wire.cache import HealthReport, Sign
from forebay.wire.downtimes import Downtime
from forebay.wire.hub import Hub
from forebay.wire.runs import DataUse, RunState
from forebay.wire.sites import SiteState, TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import GB, RUN, Agent, Behind, pass_by, reading, ready

HOUR_S = 3600.0
GOOD = HealthReport(sign=Sign.GOOD)


@pytest.fixture
def behind(hub: Hub, embedded: LocalHub) -> Behind:
    return Behind(hub, embedded)


@pytest.fixture
def dgx(behind: Behind) -> Agent:
    return Agent(behind, "dgx").attach()  # type: ignore[arg-type]


def _plan(hub: Behind | LocalHub, clock: FakeClock, begins_s: float = HOUR_S, lasts_s: float = HOUR_S) -> Downtime:
    now = clock.now()
    return hub.downtimes.plan("dgx", now + begins_s, now + begins_s + lasts_s, "new disks", "ana")


def test_what_is_planned_is_listed_until_it_is_cancelled(behind: Behind, dgx: Agent, clock: FakeClock) -> None:
    later, sooner = _plan(behind, clock, 2 * HOUR_S), _plan(behind, clock)
    assert behind.downtimes.all() == behind.downtimes.all("dgx") == [sooner, later]
    assert (sooner.reason, sooner.planned_by, sooner.planned_at) == ("new disks", "ana", clock.now())
    assert behind.downtimes.cancel("dgx", later.downtime_id[:8]) == later
    assert behind.downtimes.all() == [sooner]
    for missing in (lambda: behind.downtimes.cancel("dgx", later.downtime_id), lambda: behind.downtimes.all("aks")):
        with pytest.raises(NotFoundError):
            missing()
    with pytest.raises(InputError) as caught:
        behind.downtimes.plan("dgx", clock.now() + 5, clock.now() + 1, "")
    assert caught.value.kind == "bad-downtime"


def test_a_site_drains_in_the_window_and_is_back_after_a_good_canary(
    behind: Behind, dgx: Agent, clock: FakeClock
) -> None:
    behind.volumes.report_health(dgx.volume_id, GOOD)
    _plan(behind, clock, 40.0, 40.0)
    pass_by(behind, clock, 30, dgx, step_s=30.0)  # type: ignore[arg-type]
    assert behind.sites.get("dgx").state is SiteState.UP
    before = behind.sites.orders("dgx", dgx.token, 0, 0.0).revision
    pass_by(behind, clock, 20, dgx, step_s=20.0)  # type: ignore[arg-type]
    site = behind.sites.get("dgx")
    assert site.state is SiteState.DRAINING
    assert site.reason.startswith("down for new disks until ")
    assert site.reason.endswith(" UTC by ana")
    assert behind.sites.orders("dgx", dgx.token, 0, 0.0).revision > before, "its agent is told"
    pass_by(behind, clock, 40, dgx, step_s=40.0)  # type: ignore[arg-type]
    assert behind.sites.get("dgx").state is SiteState.DEGRADED
    assert len(behind.downtimes.all()) == 1, "it is not back yet"
    behind.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.BAD, reason="EIO"))
    behind.scheduler.tick()
    assert behind.sites.get("dgx").reason == "its volume is unstable: EIO"
    for _ in range(3):
        behind.volumes.report_health(dgx.volume_id, GOOD)
    behind.scheduler.tick()
    assert behind.sites.get("dgx").state is SiteState.UP
    assert behind.downtimes.all() == []


def test_one_that_is_cancelled_under_way_has_the_site_back_at_once(
    behind: Behind, dgx: Agent, clock: FakeClock
) -> None:
    planned = _plan(behind, clock, 0.0)
    assert behind.sites.get("dgx").state is SiteState.DRAINING
    run = behind.runs.submit(RUN)
    assert behind.runs.get(run.run_id).state is RunState.QUEUED
    behind.downtimes.cancel("dgx", planned.downtime_id)
    assert behind.sites.get("dgx").state is SiteState.UP
    assert behind.runs.get(run.run_id).state is RunState.STARTING


def test_before_it_only_runs_that_end_in_time_begin_and_the_others_go_elsewhere(
    behind: Behind, dgx: Agent, clock: FakeClock
) -> None:
    _plan(behind, clock, begins_s=1800.0)
    long, short = behind.runs.submit(RUN), behind.runs.submit(replace(RUN, time_limit_s=600.0))
    behind.scheduler.tick()
    assert behind.runs.get(short.run_id).state is RunState.STARTING
    waits = behind.runs.get(long.run_id)
    assert waits.state is RunState.QUEUED
    assert "it will be down for new disks from" in waits.reason
    assert "--time-limit" in waits.unblock
    (row,) = behind.runs.explain(RUN).rows
    assert "it will be down for new disks from" in row.why_not[0]
    Agent(behind, "aks").attach()  # type: ignore[arg-type]
    assert behind.runs.get(long.run_id).site == "aks"


def test_a_run_that_was_placed_there_moves_when_a_downtime_is_planned(
    behind: Behind, dgx: Agent, clock: FakeClock
) -> None:
    version = new_version(behind, "clicks")  # type: ignore[arg-type]
    run = behind.runs.submit(reading(version.ref))
    assert behind.runs.get(run.run_id).site == "dgx"
    Agent(behind, "aks").attach()  # type: ignore[arg-type]
    assert behind.runs.get(run.run_id).site == "dgx"
    _plan(behind, clock, begins_s=600.0)
    assert behind.runs.get(run.run_id).site == "aks"


def test_what_runs_goes_on_and_what_it_needs_is_granted(behind: Behind, dgx: Agent, clock: FakeClock) -> None:
    mine, other = new_version(behind, "clicks"), new_version(behind, "other")  # type: ignore[arg-type]
    for version in (mine, other):
        ready(behind, dgx.volume_id, version)  # type: ignore[arg-type]
    kept = behind.leases.take(dgx.volume_id, other, holder())
    run = behind.runs.submit(replace(RUN, data=(DataUse(name="data", ref=mine.ref),)))
    order = dgx.order(TaskKind.RUN)
    dgx.tell(order, TaskState.UNDER_WAY)
    _plan(behind, clock, 0.0)
    assert not dgx.order(TaskKind.RUN).stop
    behind.leases.take(dgx.volume_id, mine, holder())
    behind.leases.renew(kept.lease_id)
    with pytest.raises(UnavailableError) as caught:
        behind.leases.take(dgx.volume_id, other, holder())
    assert caught.value.kind == "site-draining"
    assert "The site dgx is down until" in caught.value.message
    with pytest.raises(ConflictError):
        behind.replicas.begin_evict(dgx.volume_id, other, "why")
    dgx.tell(order, TaskState.DONE)
    assert behind.runs.get(run.run_id).state is RunState.SUCCEEDED
    with pytest.raises(UnavailableError):
        behind.leases.take(dgx.volume_id, mine, holder())


def test_no_fill_begins_in_it_and_one_that_was_asked_for_says_what_it_waits_for(
    behind: Behind, dgx: Agent, clock: FakeClock
) -> None:
    version = new_version(behind, "clicks")  # type: ignore[arg-type]
    planned = _plan(behind, clock, 0.0)
    with pytest.raises(UnavailableError) as caught:
        behind.fills.claim(dgx.volume_id, version, holder())
    assert caught.value.kind == "site-draining"
    task = behind.sites.ask("dgx", TaskKind.FILL, version.ref, "")
    assert task.state is TaskState.WAITING
    assert "dgx is draining: down for new disks" in task.reason
    assert task.unblock == "the site comes up again"
    assert TaskKind.FILL not in {order.kind for order in dgx.orders().values()}
    behind.downtimes.cancel("dgx", planned.downtime_id)
    assert dgx.order(TaskKind.FILL).ref == version.ref


def test_a_drained_site_grants_nothing_new_either(behind: Behind, dgx: Agent) -> None:
    version = new_version(behind, "clicks")  # type: ignore[arg-type]
    ready(behind, dgx.volume_id, version)  # type: ignore[arg-type]
    behind.sites.set_state("dgx", SiteState.DRAINING, "it moves")
    with pytest.raises(UnavailableError) as caught:
        behind.leases.take(dgx.volume_id, version, holder())
    assert caught.value.message == "The site dgx is draining; it grants no new lease."
    behind.sites.set_state("dgx", SiteState.UP, "")
    behind.leases.take(dgx.volume_id, version, holder())


def test_a_removed_site_takes_its_downtimes_with_it(behind: Behind, dgx: Agent, clock: FakeClock) -> None:
    _plan(behind, clock)
    behind.sites.leave("dgx", dgx.token)
    behind.sites.remove("dgx")
    assert behind.downtimes.all() == []
    dgx.attach()
    assert behind.downtimes.all("dgx") == []


def test_a_site_has_a_bounded_number_of_them(
    embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forebay.sites.downtime.MOST", 2)
    Agent(embedded, "dgx").attach()
    for hour in (1, 2):
        _plan(embedded, clock, hour * HOUR_S)
    with pytest.raises(ConflictError) as caught:
        _plan(embedded, clock)
    assert caught.value.kind == "too-many-downtimes"


def test_engineers_plan_them_everybody_sees_them_and_reasons_name_nothing_hidden(
    embedded: LocalHub, clock: FakeClock
) -> None:
    Agent(embedded, "dgx").attach()
    new_version(embedded, "secret", GB)
    access = AccessStore(embedded.engine, clock)
    for name, role in {"root": Role.ADMIN, "ed": Role.ENGINEER, "eve": Role.SCIENTIST}.items():
        access.add_user(name, role)
    access.join_team("ads", ["ed"])
    access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    root, eve = (Guarded(embedded, access, Person(user=who, role=role)) for who, role in _ROLES)
    ed = Guarded(embedded, access, Person(user="ed", role=Role.ENGINEER, teams=frozenset({"ads"})))
    now = clock.now()
    planned = ed.downtimes.plan("dgx", now, now + HOUR_S, "until secret@v1 is gone", by="somebody else")
    assert planned.planned_by == "ed"
    assert planned.reason == "until secret@v1 is gone"
    assert [item.reason for item in root.downtimes.all("dgx")] == ["until secret@v1 is gone"]
    assert [(item.downtime_id, item.reason) for item in eve.downtimes.all()] == [(planned.downtime_id, "")]
    assert "secret" not in eve.sites.get("dgx").reason
    clicks = new_version(embedded, "clicks")
    with pytest.raises(UnavailableError) as refused:
        ed.fills.claim("volume-of-dgx", clicks, holder())
    assert "secret" not in f"{refused.value}", "an error may be anybody's to read"
    agent = Guarded(embedded, access, AgentOf(site="dgx", user="root"))
    for who in (eve, agent):
        with pytest.raises(NotAllowedError):
            who.downtimes.cancel("dgx", planned.downtime_id)
        with pytest.raises(NotAllowedError):
            who.downtimes.plan("dgx", now, now + HOUR_S, "mine")
    elsewhere = Guarded(embedded, access, AgentOf(site="aks", user="root"))
    assert elsewhere.downtimes.all() == []
    assert len(agent.downtimes.all()) == 1
    ed.downtimes.cancel("dgx", planned.downtime_id)
    calls = [line.call for line in root.access.audit(AuditQuery(user="ed")).records]
    assert calls == ["downtimes.cancel", "fills.claim", "downtimes.plan"]


_ROLES = (("root", Role.ADMIN), ("eve", Role.SCIENTIST))
