"""A site that is cut off, and a token in the wrong hands: no run is there twice, and nobody speaks for another site."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from forebay.wire.access import AuditQuery, NewToken, Outcome, Role
from forebay.wire.runs import Ending, RunState
from forebay.wire.sites import SiteState
from tests.e2e.serving import LIMIT_S
from tests.e2e.sites import Diary, wait_for
from tests.topology.checks import check_ONCE, check_VERIFIED, reading
from tests.topology.conftest import Stage

pytestmark = pytest.mark.integration


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_agent_that_is_cut_off_for_longer_than_its_hold_is_fenced_and_its_run_goes_on_elsewhere_ONCE(
    stage: Stage, day: Mapping[str, bytes], tmp_path: Path
) -> None:
    diary = Diary(path=tmp_path / "diary")
    with stage(hold="10s") as team:
        run = team.submit(reading(diary, team.add_dataset("clicks", day)))
        diary.wait_for_attempt(1)
        cut = team.wait_run(run.run_id, RunState.RUNNING).site
        before = team.record(cut)
        assert before is not None
        team.sites[cut].link.cut()
        diary.wait_for_attempt(2)
        team.sites[cut].link.mend()
        wait_for(lambda: (found := team.record(cut)) and found.agent_token > before.agent_token)
        team.wait_site(cut, SiteState.UP)
        diary.let_end()
        done = team.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
        assert [attempt.ending for attempt in done.attempts] == [Ending.LOST, Ending.SUCCEEDED], done
        assert done.attempts[1].site != cut
        assert "end 1" not in diary.lines()
        check_ONCE([diary])
        check_VERIFIED(team, [done])


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_run_outlives_a_cut_that_is_shorter_than_the_hold(
    stage: Stage, day: Mapping[str, bytes], tmp_path: Path
) -> None:
    diary = Diary(path=tmp_path / "diary")
    with stage(hold="2min") as team:
        run = team.submit(reading(diary, team.add_dataset("clicks", day), site="farthest"))
        diary.wait_for_attempt(1)
        team.sites["farthest"].link.cut()
        seen = len(diary.lines())
        wait_for(lambda: len(diary.lines()) > seen + 100)
        diary.let_end()
        wait_for(lambda: "end 1" in diary.lines())
        team.sites["farthest"].link.mend()
        done = team.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
        assert [attempt.ending for attempt in done.attempts] == [Ending.SUCCEEDED], done
        check_ONCE([diary])
        check_VERIFIED(team, [done])


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_stolen_token_of_an_agent_is_refused_at_another_site_and_that_is_written_down(stage: Stage) -> None:
    with stage() as team:
        stolen = team.hub.access.make_token(NewToken(user="admin", role=Role.ENGINEER, site="near"))
        thief = team.sites["farthest"]
        thief.end_agent(signal.SIGTERM)
        before = team.record("farthest")
        process = thief.start("agent", "--site", "farthest", FOREBAY_TOKEN=stolen.secret)
        process.communicate(timeout=LIMIT_S)
        assert process.returncode == 4
        lines = team.hub.access.audit(AuditQuery(outcome=Outcome.REFUSED)).records
        assert {line.token_id for line in lines} == {stolen.token.token_id}
        assert all(line.reason and line.source for line in lines)
        after = team.record("farthest")
        assert before is not None
        assert after is not None
        assert after.agent_token == before.agent_token, "nobody has taken the site over"
        assert after.volume_id == before.volume_id
        thief.start_agent()
        team.wait_site("farthest", SiteState.UP)
