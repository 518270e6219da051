"""Agents and hubs one release apart: what protocol 1 said is read for ever, what a later hub adds is passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forebay.fsio import Disk
from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.journal import Journal, Note
from forebay.sites.agent.machine import step
from forebay.sites.agent.state import Agent
from forebay.sites.agent.told import reports
from forebay.wire.codec import from_json, to_json
from forebay.wire.sites import Attached, Beaten, Hello, Orders, Report, TaskKind, TaskState
from tests.compat.make_agent1 import FOLDER, SAID

KINDS: dict[str, Any] = {
    "hello": Hello,
    "attached": Attached,
    "orders": Orders,
    "reports": list[Report],
    "beaten": Beaten,
    "note": Note,
}


def recorded(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def with_more(value: Any) -> Any:
    """As a later release says it: every object has a field that nobody here knows."""
    if isinstance(value, dict):
        return {name: with_more(item) for name, item in value.items()} | {"later_field": {"any": [1, None]}}
    return [with_more(item) for item in value] if isinstance(value, list) else value


def within(old: Any, new: Any) -> bool:
    """Whether all that was said then is said now."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and within(item, new[name]) for name, item in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(within, old, new))
    return bool(old == new)


@pytest.mark.parametrize("name", KINDS)
def test_what_was_said_then_is_read_as_it_was_meant(name: str) -> None:
    assert from_json(KINDS[name], recorded(name)) == SAID[name]


@pytest.mark.parametrize("name", KINDS)
def test_who_reads_protocol_1_finds_all_of_it_in_what_is_said_now(name: str) -> None:
    assert within(recorded(name), to_json(SAID[name]))


@pytest.mark.parametrize("name", KINDS)
def test_what_a_later_release_adds_is_passed_over(name: str) -> None:
    assert from_json(KINDS[name], with_more(recorded(name))) == SAID[name]


def test_a_kind_of_task_that_a_later_hub_has_is_reported_as_failed_and_delays_nothing() -> None:
    said = with_more(recorded("orders"))
    said["orders"] = [{**said["orders"][0], "task_id": "x", "kind": "defragment"}, *said["orders"]]
    orders = from_json(Orders, said)
    assert orders.orders[0].kind is TaskKind.UNKNOWN
    agent: Agent = Agent()
    effects: tuple[do.Effect, ...] = ()
    for event in (
        seen.TimePassed(),
        seen.Attached(sent_at=0.0, terms=from_json(Attached, with_more(recorded("attached")))),
        seen.OrdersCame(agent_token=3, orders=orders),
    ):
        agent, effects = step(agent, event, 0.0)
    started = [effect.order.task_id for effect in effects if isinstance(effect, do.StartTask)]
    assert started == ["f", "e", "run-9890377b5865461e99c774b54351684c-2"]
    told = {item.task_id: item for item in reports(agent, 0.0)}["x"]
    assert (told.state, told.kind) == (TaskState.FAILED, "unknown-task")


def test_a_word_where_a_class_has_no_unknown_is_still_refused() -> None:
    with pytest.raises(ValueError, match=r"Orders\.state"):
        from_json(Orders, {**recorded("orders"), "state": "hibernating"})


def test_an_agent_takes_up_what_one_of_the_release_before_had_noted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Disk())
    (tmp_path / "tasks" / "f.1.json").write_text(json.dumps(with_more(recorded("note"))))
    (held,) = journal.held().values()
    assert held.report is not None
    assert held.report.state is TaskState.DONE
