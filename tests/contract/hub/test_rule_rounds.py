"""A hub that is killed at any write of a round over the rules, and several hubs at once: OLD-UNTIL-NEW holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.cache.machine import Terms
from forebay.clock import SystemClock
from forebay.hub.local import LocalHub
from forebay.testing.servers import Postgres
from forebay.wire.rules import NewRule, PlaceState
from forebay.wire.sites import TaskKind
from tests.contract.hub import test_scheduler as scheduling
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import Agent, ready
from tests.contract.hub.test_rules import is_kept, next_version


def test_a_hub_that_is_killed_at_any_write_of_a_round_is_gone_on_from(
    embedded: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, at, killed = embedded, 0, True
    dgx = Agent(hub=hub, site="dgx").attach()
    scheduling._idle(hub, monkeypatch)
    older = new_version(hub, "criteo")
    ready(hub, dgx.volume_id, older)
    hub.catalog.tag("criteo", "prod", 1, "ada")
    rule_id = hub.rules.add(NewRule(ref="criteo@prod", owner="ana")).rule_id
    hub.scheduler.tick()
    while killed:
        at += 1
        newer = next_version(hub)
        hub.catalog.tag("criteo", "prod", newer.number, "ada")
        killed = scheduling._killed_in(hub.scheduler.tick, hub.engine, at)
        assert is_kept(hub, dgx, older), "OLD-UNTIL-NEW"
        hub.scheduler.tick()
        order = dgx.order(TaskKind.FILL)
        assert order.ref == newer.ref, "asked for once"
        dgx.fill(order)
        killed |= scheduling._killed_in(hub.scheduler.tick, hub.engine, at)
        assert is_kept(hub, dgx, older) or is_kept(hub, dgx, newer), "OLD-UNTIL-NEW"
        hub.scheduler.tick()
        assert (is_kept(hub, dgx, older), is_kept(hub, dgx, newer)) == (False, True)
        older = newer
    (place,) = hub.rules.get(rule_id).places
    assert (place.ref, place.state) == (older.ref, PlaceState.SATISFIED)
    assert at > 4, "it was killed at many writes"


def test_hubs_that_go_round_at_the_same_time_ask_once_and_let_go_in_time(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    url = postgres_server.new_database()
    hub = LocalHub.open(tmp_path / "home", url, SystemClock(), Terms())
    agent = Agent(hub=hub, site="dgx").attach()
    older = new_version(hub, "criteo")
    ready(hub, agent.volume_id, older)
    hub.catalog.tag("criteo", "prod", 1, "ada")
    hub.rules.add(NewRule(ref="criteo@prod", owner="ana"))
    hub.scheduler.tick()
    stopping = scheduling._FORK.Event()
    hub.engine.dispose()
    passing = [
        scheduling._FORK.Process(target=scheduling._pass_until, args=(tmp_path / f"home-{at}", url, stopping))
        for at in range(2)
    ]
    for process in passing:
        process.start()
    try:
        for _ in range(5):
            newer = next_version(hub)
            hub.catalog.tag("criteo", "prod", newer.number, "ada")
            while not agent.orders():
                agent.beat()
            (order,) = agent.orders().values()
            assert order.ref == newer.ref
            assert is_kept(hub, agent, older), "OLD-UNTIL-NEW"
            agent.fill(order)
            while is_kept(hub, agent, older):
                assert is_kept(hub, agent, newer)
                assert agent.orders() == {}
            older = newer
    finally:
        stopping.set()
        for process in passing:
            process.join(60)
    assert [process.exitcode for process in passing] == [0, 0]
    hub.close()
