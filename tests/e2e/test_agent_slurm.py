"""An agent before a real Slurm: what a run needs is filled, its job goes to sbatch once, whoever dies meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from forebay.runs.executors.protocol import JobKey
from forebay.runs.executors.slurm_text import job_name
from forebay.sites.state import SiteTerms
from forebay.testing.served import ServedHubs
from forebay.testing.servers import Slurm
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ParentVersion
from forebay.wire.runs import DataUse, Ending, NewRun, Output, Run, RunState
from tests.e2e.program import Program
from tests.e2e.serving import ended
from tests.e2e.sites import Diary, Team, team_with, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

CLUSTER = ("--engine", "slurm", "--capacity", "gpus=4,cpus=64,memory=64GB")


@pytest.fixture
def team(served_hubs: ServedHubs, tmp_path: Path) -> Iterator[Team]:
    with team_with(served_hubs, tmp_path, SiteTerms(hold_s=40.0, beat_s=0.5, margin_s=1.0)) as made:
        yield made


@pytest.fixture
def program(team: Team, slurm_server: Slurm) -> Program:
    """At the cluster's head, with its tools."""
    return team.program("head", **slurm_server.environment)


def jobs_of(server: Slurm, run: Run) -> list[str]:
    """How each job that Slurm ever had of a run is."""
    names = [job_name(JobKey(run_id=run.run_id, attempt=item.number, token=item.token)) for item in run.attempts]
    return server.ask("squeue", "--noheader", "--states=all", "--format=%T", f"--name={','.join(names)}").split()


def registered(program: Program) -> None:
    lake = program.folder / "lake"
    lake.mkdir()
    (lake / "day_0").write_text("1,2,3\n")
    program("dataset", "register", "criteo", f"{lake.as_uri()}/")


def reading_run(diary: Diary) -> NewRun:
    return replace(
        diary.new_run('cat "{criteo}/day_0"; echo "gpu $CUDA_VISIBLE_DEVICES"; cp "{criteo}/day_0" "{model}/weights"'),
        data=(DataUse(name="criteo", ref="criteo"),),
        outputs=(Output(name="model", dataset="criteo-model"),),
        gpus=1,
    )


def test_a_run_is_filled_started_followed_and_taken_up_again_and_its_output_committed(
    team: Team, program: Program, slurm_server: Slurm, tmp_path: Path
) -> None:
    diary = Diary(path=tmp_path / "diary")
    registered(program)
    first = team.agent(program, "dgx", *CLUSTER)
    run = team.hub.runs.submit(reading_run(diary))
    diary.wait_for_attempt(1)
    begun = team.wait_run(run.run_id, RunState.RUNNING)
    assert jobs_of(slurm_server, begun) == ["RUNNING"]
    data = team.hub.catalog.resolve("criteo")
    volume = team.hub.sites.get("dgx").volume_id
    replica = team.hub.replicas.get(volume, data)
    assert replica is not None
    assert replica.state is ReplicaState.READY
    assert [lease.holder.purpose for lease in team.hub.leases.live(volume)] == [f"run {run.run_id}"]
    wait_for(lambda: team.hub.runs.log(run.run_id, 0, 0, 1000).text == "begun\n")
    ended(first, signal.SIGKILL)
    seen = len(diary.lines())
    team.agent(program, "dgx", *CLUSTER)
    wait_for(lambda: len(diary.lines()) > seen)
    diary.let_end()
    done = team.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
    assert done.state is RunState.SUCCEEDED, done
    assert len(done.attempts) == 1
    assert len(jobs_of(slurm_server, done)) == 1
    diary.check_one_at_a_time()
    assert team.hub.runs.log(run.run_id, 0, 0, 1000).text == "begun\n1,2,3\ngpu 0\nover\n"
    assert done.made == ("criteo-model@v1",)
    made = team.hub.catalog.resolve("criteo-model@v1")
    assert made.parents == (ParentVersion(dataset="criteo", number=data.number),)
    assert made.made_by.parameters.startswith(f"run {run.run_id}; ")


def test_it_is_cancelled_by_an_agent_that_came_after_the_one_that_started_it(
    team: Team, program: Program, slurm_server: Slurm, tmp_path: Path
) -> None:
    diary = Diary(path=tmp_path / "diary")
    first = team.agent(program, "dgx", *CLUSTER)
    run = team.hub.runs.submit(diary.new_run())
    diary.wait_for_attempt(1)
    ended(first, signal.SIGKILL)
    team.agent(program, "dgx", *CLUSTER)
    team.hub.runs.cancel(run.run_id, "enough", "ada")
    done = team.wait_run(run.run_id, RunState.CANCELLED)
    assert [item.ending for item in done.attempts] == [Ending.CANCELLED]
    left = len(diary.lines())
    wait_for(lambda: "RUNNING" not in jobs_of(slurm_server, done))
    assert len(jobs_of(slurm_server, done)) == 1
    assert len(diary.lines()) == left, "it had ended when the hub was told so"
    assert "end 1" not in diary.lines()


def test_with_its_agent_dead_beyond_the_hold_its_job_ends_and_the_next_agent_begins_it_anew(
    served_hubs: ServedHubs, slurm_server: Slurm, tmp_path: Path
) -> None:
    diary = Diary(path=tmp_path / "diary")
    with team_with(served_hubs, tmp_path, SiteTerms(hold_s=16.0, beat_s=0.5, margin_s=1.0)) as team:
        program = team.program("head", **slurm_server.environment)
        first = team.agent(program, "dgx", *CLUSTER)
        run = team.hub.runs.submit(diary.new_run())
        diary.wait_for_attempt(1)
        ended(first, signal.SIGKILL)
        team.wait_run(run.run_id, RunState.QUEUED)
        team.agent(program, "dgx", *CLUSTER)
        diary.wait_for_attempt(2)
        diary.let_end()
        done = team.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)
        assert [item.ending for item in done.attempts] == [Ending.LOST, Ending.SUCCEEDED], done
        assert len(jobs_of(slurm_server, done)) == 2
    diary.check_one_at_a_time()
