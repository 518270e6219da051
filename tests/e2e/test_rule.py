"""`forebay rule` on a hub of one's own, with a site whose agent a test speaks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.clock import SystemClock
from forebay.hub.local import LocalHub
from forebay.wire.sites import TaskKind
from tests.contract.hub.sited import Agent, ready
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def test_a_rule_is_made_listed_told_and_ended(forebay: Program, days: Path) -> None:
    assert forebay("rule", "ls").out.startswith("No rule yet.")
    forebay("dataset", "register", "criteo", days.as_uri())
    forebay("dataset", "tag", "criteo@v1", "prod")
    hub = LocalHub.open(forebay.home, f"sqlite:///{forebay.home}/hub.db", SystemClock())
    dgx = Agent(hub=hub, site="dgx", labels="gpu=8").attach()
    wanted = ("rule", "add", "criteo@prod", "--at", "gpu>=4", "--until", "30d", "-m", "nightly")
    (rule_id,) = forebay(*wanted, "-q").ids
    (found,) = forebay("rule", "ls", "--json").json
    assert (found["rule_id"], found["ref"], found["at"], found["message"]) == (
        rule_id,
        "criteo@prod",
        "gpu>=4",
        "nightly",
    )
    (place,) = found["places"]
    assert (place["site"], place["ref"], place["state"]) == ("dgx", "criteo@v1", "filling")
    assert dgx.order(TaskKind.FILL).ref == "criteo@v1"
    assert "0 of 1" in forebay("rule", "ls").out
    for words in ("criteo@prod", "gpu>=4", "filling", "dgx has been told"):
        assert words in forebay("rule", "show", rule_id).out
    told = {item["what"]: item for item in forebay("why", "criteo@v1", "--json").json}
    assert told["rule"]["thing"] == f"{rule_id} (criteo@prod at gpu>=4, by {found['owner']}) for criteo@v1"
    assert (told["fill"]["state"], told["replica"]["state"]) == ("ordered", "absent")
    assert [item["what"] for item in forebay("why", rule_id, "--json").json] == ["rule"]
    ready(hub, dgx.volume_id, hub.catalog.resolve("criteo"))
    hub.scheduler.tick()
    assert "1 of 1" in forebay("rule", "ls").out
    refused = forebay("rule", "rm", rule_id, code=2)
    assert "--yes" in refused.err
    assert forebay("rule", "rm", rule_id, "--yes", "-q").ids == [rule_id]
    assert forebay("rule", "show", rule_id, "--json", code=3).error["kind"] == "rule-not-found"
    assert forebay("rule", "add", "criteo@stable", "--json", code=3).error["kind"] == "tag-not-found"
    hub.close()
