"""Dashboard, rules and pages hold to the metrics that there are; Prometheus' own tool tries the rules."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.metrics.agent_families import AGENT
from forebay.metrics.family import Family, Kind
from forebay.metrics.hub_families import HUB, STANDARD
from forebay.metrics.volume_families import VOLUME

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
ALL = (*HUB, *VOLUME, *AGENT)
NAMES = {name for family in ALL for name in family.series} | set(STANDARD) | {"up"}
ROWS = ["Hub", "Runs", "Sites", "Fills", "Cache", "Volumes"]
_NAME = re.compile(r"\b(?:forebay_[a-z0-9_]+|process_[a-z0-9_]+|forebay:[a-z0-9_:]+)")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "forebay.json").read_text())
    return found


def recorded() -> set[str]:
    return set(re.findall(r"- record: (\S+)", RULES.read_text()))


def alerts() -> list[str]:
    return re.findall(r"- alert: (\S+)", RULES.read_text())


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def run(promtool: Path, *arguments: str | Path) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_names_follow_prometheus_and_ours_and_no_label_can_name_what_is_hidden(family: Family) -> None:
    assert re.fullmatch(r"forebay_(hub|volume|agent)_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
    allowed = {"volume", "path", "site", "host", "version", "route", "method", "status", "state", "held", "found"}
    assert set(family.labels) <= allowed | {"outcome", "source", "reason", "change", "action", "kind"}
    assert not family.meaning.endswith(".")


def test_no_two_families_have_one_name() -> None:
    names = [family.name for family in ALL]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("script", ["grafana_dashboard", "metrics_reference"])
def test_what_is_made_from_the_code_is_up_to_date(script: str) -> None:
    made = runpy.run_path(str(ROOT / "scripts" / f"{script}.py"))
    file: Path = made["FILE"] if "FILE" in made else made["PAGE"]
    assert file.read_text() == made["render"](), f"bring it up to date: python scripts/{script}.py"


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    for expression in expressions():
        names = set(_NAME.findall(expression))
        assert names <= NAMES | recorded()
        assert names or "up{" in expression


def test_the_rules_ask_only_for_what_there_is() -> None:
    words = "\n".join(line for line in RULES.read_text().splitlines() if "runbook:" not in line)
    assert set(_NAME.findall(words)) <= NAMES | recorded()
    assert set(_NAME.findall((DEPLOY / "prometheus" / "rules_test.yml").read_text())) <= NAMES | recorded()


def test_every_metric_that_matters_is_on_the_dashboard_or_in_a_rule() -> None:
    asked = "\n".join([*expressions(), RULES.read_text(), json.dumps(dashboard()["templating"])])
    unseen = {family.name for family in (*HUB, *AGENT) if family.name not in asked}
    # What the dashboard has from another one: seconds beside bytes, failures beside answers, bytes beside their rate.
    assert unseen == {
        "forebay_hub_statements_failed_total",
        "forebay_hub_filled_bytes_total",
        "forebay_hub_download_seconds_total",
        "forebay_hub_volume_changes_total",
        "forebay_agent_info",
    }


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    board = dashboard()
    assert {"title", "uid", "panels", "templating", "time", "schemaVersion"} <= board.keys()
    assert {item["name"] for item in board["templating"]["list"]} == {"datasource", "volume"}
    assert [item["title"] for item in board["panels"] if item["type"] == "row"] == ROWS
    numbers = [item["id"] for item in board["panels"]]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies over another panel"
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("timeseries", "stat", "gauge")
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [item["refId"] for item in panel["targets"]] == [chr(65 + at) for at in range(len(panel["targets"]))]


def test_every_expression_of_the_dashboard_is_promql(promtool: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    made = [
        {"record": f"try:{at}", "expr": expression.replace("$__rate_interval", "5m").replace("$volume", ".*")}
        for at, expression in enumerate(expressions())
    ]
    rules.write_text(json.dumps({"groups": [{"name": "try", "rules": made}]}))
    assert f"{len(made)} rules found" in run(promtool, "check", "rules", rules)


def test_the_rules_and_their_own_tests(promtool: Path) -> None:
    run(promtool, "check", "rules", RULES)
    run(promtool, "check", "config", "--syntax-only", DEPLOY / "prometheus" / "prometheus.yml")
    assert "SUCCESS" in run(promtool, "test", "rules", DEPLOY / "prometheus" / "rules_test.yml")


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_tested_says_what_to_do_and_has_its_page(alert: str) -> None:
    rule = RULES.read_text().partition(f"- alert: {alert}\n")[2].partition("- alert: ")[0]
    assert re.search(r"severity: (critical|warning)\}", rule)
    for word in ("summary:", "description:", f"runbook: docs/runbook.md#{alert.lower()}\n"):
        assert word in rule
    assert f"\n## {alert}\n" in (ROOT / "docs" / "runbook.md").read_text()
    assert f'alertname="{alert}"' in (DEPLOY / "prometheus" / "rules_test.yml").read_text()


def test_the_runbook_has_no_page_for_an_alert_that_is_none() -> None:
    assert re.findall(r"^## (Forebay\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE) == alerts()
