"""A fill that does not work at one site sends its run to another; only when none is left, the run fails."""

from __future__ import annotations

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.why import why
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.wire.catalog import Version
from forebay.wire.runs import Run, RunState
from forebay.wire.sites import TaskKind, TaskState
from tests.contract.hub.sited import Agent, attempts_of, pass_by, reading, ready

DENIED = "clicks@v1 can't be brought to aks: the lake denies access"


@pytest.fixture
def version(embedded: LocalHub) -> Version:
    manifest = Manifest.registered([Entry(path="clicks.tsv", size_bytes=100)])
    return add_version(embedded, "clicks", manifest, "s3://lake/clicks")


@pytest.fixture
def agents(embedded: LocalHub, version: Version) -> tuple[Agent, Agent]:
    return Agent(hub=embedded, site="aks").attach(), Agent(hub=embedded, site="dgx").attach()


def _deny(agent: Agent) -> None:
    order = agent.order(TaskKind.FILL)
    agent.tell(order, TaskState.FAILED, detail="the lake denies access", kind="lake-denied", todo="Check them.")


def _submitted(hub: LocalHub, **facts: object) -> Run:
    return hub.runs.submit(reading("clicks@v1", **facts))


def test_a_run_goes_elsewhere_when_its_site_is_denied_and_why_says_so(
    embedded: LocalHub, agents: tuple[Agent, Agent]
) -> None:
    hub, (aks, dgx) = embedded, agents
    run = _submitted(hub)
    assert run.site == "aks"
    _deny(aks)
    moved = hub.runs.get(run.run_id)
    assert (moved.site, moved.state, moved.last_error) == ("dgx", RunState.FILLING, DENIED)
    assert why(hub, run.run_id)[0].last_error == DENIED
    (row,) = [row for row in hub.runs.explain(reading("clicks@v1")).rows if row.site == "aks"]
    assert row.why_not == ("clicks@v1 can't be brought here: the lake denies access",)
    assert row.unblock == ("Check them.",)
    assert aks.orders() == {}
    dgx.fill(dgx.order(TaskKind.FILL))
    assert attempts_of(hub.runs.get(run.run_id)) == [("dgx", "under way")]


def test_it_fails_with_the_last_error_when_every_site_has_refused_it_and_a_retry_tries_them_anew(
    embedded: LocalHub, agents: tuple[Agent, Agent], clock: FakeClock
) -> None:
    hub, (aks, dgx) = embedded, agents
    run = _submitted(hub)
    _deny(aks)
    clock.pass_by(1)
    _deny(dgx)
    failed = hub.runs.get(run.run_id)
    told = "clicks@v1 can't be brought to dgx: the lake denies access (nor to aks)"
    assert (failed.state, failed.reason, failed.unblock) == (RunState.FAILED, told, "Check them.")
    assert failed.attempts == ()
    again = hub.runs.retry(run.run_id)
    assert (again.site, again.state) == ("aks", RunState.FILLING)
    aks.fill(aks.order(TaskKind.FILL))
    assert hub.runs.get(run.run_id).state is RunState.STARTING


def test_a_later_run_tries_a_site_that_refused_the_data_where_it_may_be_nowhere_else(
    embedded: LocalHub, agents: tuple[Agent, Agent], clock: FakeClock
) -> None:
    hub, (aks, _) = embedded, agents
    first = _submitted(hub, site="aks")
    _deny(aks)
    assert hub.runs.get(first.run_id).reason == DENIED, "no other site would do"
    clock.pass_by(1)
    second = _submitted(hub, site="aks")
    assert (second.site, second.state) == ("aks", RunState.FILLING)
    aks.fill(aks.order(TaskKind.FILL))
    assert hub.runs.get(second.run_id).state is RunState.STARTING


@pytest.mark.parametrize("kind", ["object-vanished", "object-changed"])
def test_what_is_gone_from_the_lake_fails_a_run_at_once(
    embedded: LocalHub, agents: tuple[Agent, Agent], kind: str
) -> None:
    hub, (aks, dgx) = embedded, agents
    run = _submitted(hub)
    aks.tell(aks.order(TaskKind.FILL), TaskState.FAILED, detail="there is no such object", kind=kind, todo="Register.")
    failed = hub.runs.get(run.run_id)
    assert (failed.state, failed.unblock) == (RunState.FAILED, "Register.")
    assert failed.reason == "clicks@v1 can't be brought to aks: there is no such object"
    assert dgx.orders() == {}
    assert [task.state for task in hub.sites.tasks()] == [], "and nothing is tried for nobody"


def test_a_fill_that_fails_again_and_again_is_waited_for_only_where_no_other_site_will_do(
    embedded: LocalHub, agents: tuple[Agent, Agent], clock: FakeClock
) -> None:
    hub, (aks, dgx) = embedded, agents
    run = _submitted(hub)
    aks.tell(aks.order(TaskKind.FILL), TaskState.FAILED, detail="it is away", kind="lake-away")
    assert hub.runs.get(run.run_id).site == "aks", "once is nothing"
    pass_by(hub, clock, 10, aks, dgx)
    aks.tell(aks.order(TaskKind.FILL), TaskState.FAILED, detail="it is away", kind="lake-away")
    assert hub.runs.get(run.run_id).site == "dgx"
    for _ in range(2):
        dgx.tell(dgx.order(TaskKind.FILL), TaskState.FAILED, detail="it is away", kind="lake-away")
        pass_by(hub, clock, 25, aks, dgx)
    waits = hub.runs.get(run.run_id)
    assert (waits.site, waits.state) == ("dgx", RunState.FILLING)
    assert aks.orders() == {}
    (row,) = [row for row in hub.runs.explain(reading("clicks@v1")).rows if row.site == "dgx"]
    assert row.sources == ("a fill under way",), "it has just been told to try again"
    dgx.tell(dgx.order(TaskKind.FILL), TaskState.FAILED, detail="it is away", kind="lake-away")
    (row,) = [row for row in hub.runs.explain(reading("clicks@v1")).rows if row.site == "dgx"]
    assert (row.sources, row.unblock) == (
        ("a fill that failed",),
        ("clicks@v1 failed to come here: it is away; it is tried again",),
    )
    assert 30 < row.data_s < 45
    ready(hub, aks.volume_id, hub.catalog.resolve("clicks@v1"))
    hub.scheduler.tick(rethink=True)
    assert hub.runs.get(run.run_id).state is RunState.STARTING, "what is there by now was no failure"
