"""A hub that is killed at any write of a round over the rules, and several hubs at once: OLD-UNTIL-NEW holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from forebay.cache.machine import Terms
from forebay.catalog import retired
from forebay.catalog import schema as t
from forebay.catalog.records import dataset_id
from forebay.clock import SystemClock
from forebay.hub import rule_facts
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
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


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_version_that_is_retired_while_a_round_is_written_is_neither_held_nor_asked_for(
    embedded: LocalHub, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, is_ready: bool
) -> None:
    dgx = Agent(hub=embedded, site="dgx").attach()
    first = new_version(embedded, "criteo")
    if is_ready:
        ready(embedded, dgx.volume_id, first)
    scheduling._idle(embedded, monkeypatch)
    embedded.rules.add(NewRule(ref="criteo", owner="ana"))
    load, count = rule_facts.load, 0

    def load_and_retire(connection: sa.Connection, *given: Any) -> rule_facts.Loaded | None:
        nonlocal count
        count += 1
        loaded = load(connection, *given)
        if count == 2:  # the one in the round's transaction
            owner = dataset_id(connection, "criteo")
            retired.mark(connection, owner, 1, now=clock.now(), release_at=clock.now(), by="ada", reason="wrong")
        return loaded

    monkeypatch.setattr(rule_facts, "load", load_and_retire)
    embedded.scheduler.tick()
    assert count > 2
    with embedded.engine.connect() as connection:
        assert connection.execute(sa.select(t.rule_hold)).all() == []
    assert dgx.orders() == {}
    assert embedded.catalog.resolve("criteo@v1").is_retired


def test_what_a_rule_held_of_a_version_that_is_retired_is_let_go(embedded: LocalHub, clock: FakeClock) -> None:
    dgx = Agent(hub=embedded, site="dgx").attach()
    first = new_version(embedded, "criteo")
    ready(embedded, dgx.volume_id, first)
    embedded.rules.add(NewRule(ref="criteo", owner="ana"))
    embedded.scheduler.tick()
    assert is_kept(embedded, dgx, first)
    next_version(embedded)
    embedded.scheduler.tick()
    assert is_kept(embedded, dgx, first), "OLD-UNTIL-NEW"
    with embedded.engine.begin() as connection:
        owner = dataset_id(connection, "criteo")
        retired.mark(connection, owner, 1, now=clock.now(), release_at=clock.now(), by="ada", reason="by a hub before")
    embedded.scheduler.tick()
    assert not is_kept(embedded, dgx, first)


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
