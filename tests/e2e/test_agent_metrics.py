"""`forebay agent --metrics` as its user runs it: numbers and health from the agent's own process, and who gets them."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from forebay.clock import SystemClock
from forebay.hub.access.store import AccessStore
from forebay.sites.state import SiteTerms
from forebay.testing.served import ServedHubs
from forebay.wire.access import NewToken, Role
from forebay.wire.runs import NewRun, RunState
from tests.e2e.program import Program
from tests.e2e.serving import ended, told
from tests.e2e.sites import start_agent, team_with, wait_for

pytestmark = pytest.mark.e2e

SECRET = "scrape-me"
SHORT = SiteTerms(hold_s=4.0, beat_s=0.5, margin_s=1.0)


def values(text: str) -> dict[str, float]:
    """By name and the labels but those of the site and the volume."""
    shown = ("kind", "outcome", "state")
    return {
        " ".join([item.name, *(item.labels[name] for name in shown if name in item.labels)]): item.value
        for family in parsed(text)
        for item in family.samples
    }


def test_an_agent_tells_its_work_its_volume_and_whether_the_hub_hears_it(
    served_hubs: ServedHubs, tmp_path: Path, promtool: Path
) -> None:
    with team_with(served_hubs, tmp_path, SHORT) as team:
        access = AccessStore(team.hub.engine, SystemClock())
        access.bootstrap()
        # With the token that an agent has: it must be enough for all that is measured.
        own = access.make_token(NewToken(user="admin", role=Role.ADMIN, site="dgx")).secret
        served_hubs.admit(team.hub, SystemClock(), own)
        program = Program(tmp_path, FOREBAY_HUB=team.url, FOREBAY_TOKEN=own, FOREBAY_METRICS_TOKEN=SECRET)
        process = start_agent(program, "dgx", "--metrics", "0.0.0.0:0")
        team.agents.append(process)
        url = told(process)["metrics_at"].replace("0.0.0.0", "127.0.0.1")
        root = url.removesuffix("/metrics")

        def scraped() -> str:
            return httpx2.get(url, headers={"Authorization": f"Bearer {SECRET}"}).raise_for_status().text

        wait_for(lambda: httpx2.get(f"{root}/readyz").status_code == 200)
        assert httpx2.get(url).status_code == 401
        assert httpx2.get(f"{root}/other").status_code == 404
        run = team.hub.runs.submit(NewRun(command=("true",), submitted_by="ada"))
        assert team.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED).state is RunState.SUCCEEDED
        wait_for(lambda: "forebay_volume_hub_up" in scraped())
        text = scraped()
        found = values(text)
        assert found["forebay_agent_ready"] == 1
        assert (found["forebay_agent_tasks run"], found["forebay_agent_tasks_ended_total run done"]) == (0, 1)
        assert found["forebay_agent_beat_age_seconds"] >= 0
        assert found["forebay_volume_up"] == found["forebay_volume_hub_up"] == found["forebay_volume_canary_good"] == 1
        assert found["forebay_volume_limit_bytes"] > 0
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        served_hubs.take_back(own)
        wait_for(lambda: httpx2.get(f"{root}/readyz").status_code == 503)
        assert httpx2.get(f"{root}/healthz").status_code == 200
        assert "no beat" in httpx2.get(f"{root}/readyz").text
        after = values(scraped())
        assert after["forebay_agent_ready"] == 0
        assert after["forebay_agent_beats_failed_total"] >= 1
        served_hubs.admit(team.hub, SystemClock(), own)
        wait_for(lambda: httpx2.get(f"{root}/readyz").status_code == 200)
        assert ended(process, signal.SIGTERM) == 0
        served_hubs.take_back(own)


def test_others_need_a_token_and_without_the_setting_nothing_listens(forebay: Program) -> None:
    refused = forebay("agent", "--site", "dgx", "--metrics", "0.0.0.0:0", "--json", code=2).error
    assert refused["kind"] == "metrics-open"
    bad = forebay("agent", "--site", "dgx", "--metrics", "nowhere", "--json", code=2).error
    assert "is not an address" in bad["message"]
    with start_agent(forebay, "dgx") as process:
        try:
            assert told(process)["metrics_at"] == ""
        finally:
            process.kill()
