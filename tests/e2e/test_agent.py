"""Agents, hubs and runs as processes that are killed, stopped and replaced: each run goes on, or begins anew, once."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay.sites.state import SiteTerms
from forebay.testing.served import ServedHubs
from forebay.wire.runs import Ending, RunState
from tests.e2e.program import Program
from tests.e2e.serving import LIMIT_S, ended, running, told
from tests.e2e.sites import Diary, Team, start_agent, team_with, wait_for

LONG = SiteTerms(hold_s=120.0, beat_s=1.0)
SHORT = SiteTerms(hold_s=8.0, beat_s=0.5, margin_s=1.0)


@pytest.fixture
def calm(served_hubs: ServedHubs, tmp_path: Path) -> Iterator[Team]:
    with team_with(served_hubs, tmp_path, LONG) as team:
        yield team


@pytest.fixture
def hasty(served_hubs: ServedHubs, tmp_path: Path) -> Iterator[Team]:
    """Whoever is silent for some seconds has lost what it had."""
    with team_with(served_hubs, tmp_path, SHORT) as team:
        yield team


@pytest.mark.e2e
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_outlives_its_agent_and_the_next_one_takes_it_up(calm: Team, tmp_path: Path, how: signal.Signals) -> None:
    program, diary = calm.program("a"), Diary(path=tmp_path / "diary")
    first = calm.agent(program, "dgx")
    run = calm.hub.runs.submit(diary.new_run())
    diary.wait_for_attempt(1)
    calm.wait_run(run.run_id, RunState.RUNNING)
    code = ended(first, how)
    assert code == (0 if how is signal.SIGTERM else -how)
    seen = len(diary.lines())
    calm.agent(program, "dgx")
    wait_for(lambda: len(diary.lines()) > seen)
    diary.let_end()
    done = calm.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
    assert done.state is RunState.SUCCEEDED, done
    assert len(done.attempts) == 1
    diary.check_one_at_a_time()
    assert calm.hub.runs.log(run.run_id, 0, 0, 1000).text == "begun\nover\n"


@pytest.mark.e2e
def test_a_drained_agent_ends_after_its_runs_and_begins_none(calm: Team, tmp_path: Path) -> None:
    diary, later = Diary(path=tmp_path / "diary"), Diary(path=tmp_path / "later")
    agent = calm.agent(calm.program("a"), "dgx", "--drain")
    run = calm.hub.runs.submit(diary.new_run())
    diary.wait_for_attempt(1)
    agent.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        agent.wait(2.0)
    waiting = calm.hub.runs.submit(later.new_run())
    diary.let_end()
    assert agent.wait(LIMIT_S) == 0
    assert calm.hub.runs.get(run.run_id).state is RunState.SUCCEEDED
    assert not calm.hub.runs.get(waiting.run_id).state.is_final
    assert later.lines() == []


@pytest.mark.e2e
def test_an_agent_that_is_stopped_beyond_its_hold_loses_its_run_to_another_site(hasty: Team, tmp_path: Path) -> None:
    diary = Diary(path=tmp_path / "diary")
    agents = {site: hasty.agent(hasty.program(site), site) for site in ("a", "b")}
    run = hasty.hub.runs.submit(diary.new_run())
    diary.wait_for_attempt(1)
    site = hasty.hub.runs.get(run.run_id).site
    agents[site].send_signal(signal.SIGSTOP)
    diary.wait_for_attempt(2)
    before = hasty.agent_token(site)
    agents[site].send_signal(signal.SIGCONT)
    wait_for(lambda: hasty.agent_token(site) > before)
    diary.let_end()
    done = hasty.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
    assert done.state is RunState.SUCCEEDED, done
    assert [attempt.ending for attempt in done.attempts] == [Ending.LOST, Ending.SUCCEEDED]
    assert done.attempts[0].site == site != done.attempts[1].site
    assert "end 1" not in diary.lines()
    diary.check_one_at_a_time()
    assert agents[site].poll() is None, "it has the site again, and nothing else to do"


@pytest.mark.e2e
def test_a_second_agent_of_a_site_ends_the_first(hasty: Team, tmp_path: Path) -> None:
    diary, volume = Diary(path=tmp_path / "diary"), tmp_path / "volume"
    first = hasty.agent(hasty.program("a"), "dgx", "--volume", volume)
    run = hasty.hub.runs.submit(diary.new_run())
    diary.wait_for_attempt(1)
    hasty.agent(hasty.program("b"), "dgx", "--volume", volume)
    assert first.wait(LIMIT_S) == 5
    diary.wait_for_attempt(2)
    diary.let_end()
    done = hasty.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
    assert done.state is RunState.SUCCEEDED, done
    diary.check_one_at_a_time()


@pytest.mark.e2e
def test_one_folder_has_one_agent(calm: Team) -> None:
    program = calm.program("a")
    calm.agent(program, "dgx")
    second = start_agent(program, "dgx")
    _, _ = second.communicate(timeout=LIMIT_S)
    assert second.returncode == 5
    assert "agent-runs" in (program.folder / "dgx.log").read_text()


@pytest.mark.e2e
def test_a_run_goes_on_while_its_hub_is_killed_and_started_again(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "a").mkdir()
    hub, diary = Program(tmp_path / "hub"), Diary(path=tmp_path / "diary")
    with running(hub, "--port", "0") as first:
        url = str(told(first)["url"])
        token = hub("token", "make", "-q", "--user", "admin", "--site", "dgx").out.strip()
        agent = start_agent(Program(tmp_path / "a", FOREBAY_HUB=url, FOREBAY_TOKEN=token), "dgx")
        try:
            wait_for(lambda: hub("sites", "ls", "--json").json)
            hub("run", "--detach", "-q", "--", *diary.new_run().command)
            diary.wait_for_attempt(1)
            run_id = hub("runs", "ls", "-q").ids[0]
            ended(first, signal.SIGKILL)
            seen = len(diary.lines())
            with running(hub, "--port", url.rpartition(":")[2]) as second:
                assert told(second)["url"] == url
                wait_for(lambda: len(diary.lines()) > seen)
                diary.let_end()
                wait_for(lambda: hub("runs", "show", run_id, "--json").json["state"] == "succeeded")
        finally:
            agent.kill()
            agent.communicate()
    diary.check_one_at_a_time()
    assert [line for line in diary.lines() if "start" in line or "end" in line] == ["start 1", "end 1"]


@pytest.mark.e2e
def test_up_has_all_of_forebay_and_loses_nothing_at_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "day_0").write_text("1,2,3\n")
    program, diary = Program(tmp_path), Diary(path=tmp_path / "diary")
    with _up(program) as first:
        at = told(first)
        there = Program(tmp_path, FOREBAY_HUB=at["url"], FOREBAY_TOKEN=at["token"])
        there("dataset", "register", "criteo", (tmp_path / "lake").as_uri() + "/")
        ran = there.process("run", "--data", "criteo", "--", "cat", "{criteo}/day_0")
        assert "1,2,3" in ran.out
        assert there("runs", "logs", there("runs", "ls", "-q").ids[0]).out == "1,2,3\n"
        there("run", "--detach", "-q", "--", *diary.new_run().command)
        diary.wait_for_attempt(1)
        assert ended(first, signal.SIGINT) == 0
    left = len(diary.lines())
    assert _states(program) == {"succeeded", "queued"}
    assert len(diary.lines()) == left, "nothing is left running"
    with _up(program) as second:
        assert told(second)["token"] is None
        diary.wait_for_attempt(2)
        diary.let_end()
        wait_for(lambda: _states(program) == {"succeeded"})
        assert ended(second, signal.SIGTERM) == 0
    diary.check_one_at_a_time()


def _states(program: Program) -> set[str]:
    return {item["state"] for item in program("runs", "ls", "--json").json["runs"]}


@contextmanager
def _up(program: Program) -> Iterator[subprocess.Popen[str]]:
    with (
        (program.folder / "up.log").open("ab") as log,
        program.start("up", "--port", "0", "--json", stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
