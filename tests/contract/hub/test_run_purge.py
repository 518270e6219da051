"""What goes of runs that ended long ago, on both databases: the logs first, runs that made nothing later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forebay.cache.machine import Terms
from forebay.catalog.engine import writing
from forebay.errors import NotFoundError
from forebay.hub.local import LocalHub
from forebay.hub.run_purge import AT_ONCE, LET_GO, Kept, purge
from forebay.testing.cached import FakeClock
from forebay.wire.catalog import MadeBy, NewVersion
from forebay.wire.runs import Run
from forebay.wire.sites import TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import Agent, reading

DAY_S = 86400.0


@pytest.fixture
def dgx(embedded: LocalHub) -> Agent:
    return Agent(embedded, "dgx").attach()


def _ended(hub: LocalHub, dgx: Agent, text: str = "begun\nover\n") -> Run:
    dgx.beat()
    run = hub.runs.submit(reading("clicks"))
    while not [order for order in dgx.orders().values() if order.kind is TaskKind.RUN]:
        dgx.fill(dgx.order(TaskKind.FILL))
    order = dgx.order(TaskKind.RUN)
    dgx.tell(order, TaskState.UNDER_WAY)
    hub.runs.add_log(run.run_id, 1, order.token, 0, text)
    dgx.tell(order, TaskState.DONE, exit_code=0)
    return hub.runs.get(run.run_id)


def _purge(hub: LocalHub, kept: Kept, now: float) -> int:
    with writing(hub.engine) as connection:
        return purge(connection, kept, now)


def test_logs_go_and_say_so_and_the_run_stays(embedded: LocalHub, dgx: Agent, clock: FakeClock) -> None:
    new_version(embedded, "clicks")
    old = _ended(embedded, dgx)
    clock.pass_by(2 * DAY_S)
    dgx.attach()
    late = _ended(embedded, dgx)
    kept = Kept(logs_s=DAY_S)
    assert _purge(embedded, kept, clock.now()) == 1
    piece = embedded.runs.log(old.run_id, 0, 0, 1000)
    assert (piece.text, piece.is_whole, piece.dropped_bytes) == (LET_GO, True, 0)
    assert embedded.runs.log(late.run_id, 0, 0, 1000).text == "begun\nover\n"
    assert embedded.runs.get(old.run_id) == old
    assert _purge(embedded, kept, clock.now()) == 0, "once"
    assert _purge(embedded, Kept(), clock.now() + 1000 * DAY_S) == 0, "never is never"


def test_a_run_that_waits_or_was_asked_for_again_is_not_old(embedded: LocalHub, clock: FakeClock) -> None:
    new_version(embedded, "clicks")
    run = embedded.runs.submit(reading("clicks"))
    again = embedded.runs.submit(reading("clicks"))
    embedded.runs.cancel(again.run_id)
    embedded.runs.retry(again.run_id)
    clock.pass_by(10 * DAY_S)
    assert _purge(embedded, Kept(logs_s=DAY_S, runs_s=DAY_S), clock.now()) == 0
    assert {item.run_id for item in (embedded.runs.get(run.run_id), embedded.runs.get(again.run_id))} == {
        run.run_id,
        again.run_id,
    }


@pytest.mark.parametrize("environment", ["", "; no requirements; engine process"], ids=["before", "now"])
def test_a_run_goes_when_nothing_names_it_and_one_that_made_a_version_stays(
    embedded: LocalHub, dgx: Agent, clock: FakeClock, environment: str
) -> None:
    version = new_version(embedded, "clicks")
    gone, made = _ended(embedded, dgx), _ended(embedded, dgx)
    embedded.catalog.add_version(
        NewVersion(
            dataset="features",
            manifest_digest=version.manifest_digest,
            origin="registered",
            lake_url="file:///lake",
            made_by=MadeBy(command="python train.py", parameters=f"run {made.run_id}{environment}"),
        )
    )
    clock.pass_by(2 * DAY_S)
    kept = Kept(runs_s=DAY_S)
    assert _purge(embedded, kept, clock.now()) == 1
    with pytest.raises(NotFoundError):
        embedded.runs.get(gone.run_id)
    assert embedded.runs.get(made.run_id) == made
    assert embedded.runs.log(made.run_id, 0, 0, 1000).text == "begun\nover\n"
    assert _purge(embedded, kept, clock.now()) == 0


def test_a_round_is_bounded(embedded: LocalHub, clock: FakeClock) -> None:
    for _ in range(AT_ONCE + 1):
        embedded.runs.cancel(embedded.runs.submit(replace(reading(), gpus=99)).run_id)
    now = clock.now() + 2 * DAY_S
    kept = Kept(runs_s=DAY_S)
    assert [_purge(embedded, kept, now) for _ in range(3)] == [AT_ONCE, 1, 0]


def test_a_hub_does_it_by_itself_every_hour(tmp_path: Path) -> None:
    clock = FakeClock()
    url = f"sqlite:///{tmp_path}/hub.db"
    hub = LocalHub.open(tmp_path / "home", url, clock, Terms(), kept=Kept(runs_s=DAY_S))
    try:
        run = hub.runs.submit(reading())
        hub.runs.cancel(run.run_id)
        clock.pass_by(DAY_S - 10)
        hub.scheduler.tick()
        hub.runs.get(run.run_id)
        clock.pass_by(3601)
        hub.scheduler.tick()
        with pytest.raises(NotFoundError):
            hub.runs.get(run.run_id)
    finally:
        hub.close()
