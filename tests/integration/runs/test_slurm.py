"""Slurm: answers that were lost, jobs that wait, nodes that fail, a controller that is away."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from forebay.errors import InputError, UnavailableError
from forebay.runs.executors.fence import since_boot
from forebay.runs.executors.protocol import Cancelled, Ended, Job, Lost, Pending
from forebay.runs.executors.slurm import SlurmExecutor
from forebay.runs.executors.slurm_text import job_name
from forebay.sites.site import Resources
from forebay.testing.servers import Slurm
from tests.contract.executors.site import FAMILY, ExecutorSite, all_dead, log_of, wait_for

pytestmark = pytest.mark.integration


def submissions(server: Slurm, job: Job) -> int:
    return len(server.ask("squeue", "--noheader", "--states=all", f"--name={job_name(job.key)}").splitlines())


def waiting(server: Slurm, site: ExecutorSite) -> tuple[Job, SlurmExecutor]:
    """A job that Slurm keeps in its queue."""
    job = site.shell("echo ran >> ran")
    executor = SlurmExecutor(site.root, environment=server.environment, extra=["--begin=now+1hour"])
    executor.start(job)
    assert isinstance(executor.look(job.key), Pending)
    return job, executor


def test_an_answer_that_was_lost_is_no_second_submission(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    job = slurm_site.shell("echo ran >> ran")
    slurm_site.agent().start(job)
    # The agent died after sbatch and before it wrote down that it had answered.
    (slurm_site.root / job.key.name / "submitted.json").unlink()
    slurm_site.agent().start(job)
    assert isinstance(slurm_site.finish(slurm_site.agent(), job.key), Ended)
    assert submissions(slurm_server, job) == 1


def test_submitted_twice_it_runs_once(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    job = slurm_site.shell("echo ran >> ran; sleep 3")
    executor = SlurmExecutor(slurm_site.root, environment=slurm_server.environment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SlurmExecutor, "_find", lambda self, key: None)
        executor.start(job)
        (slurm_site.root / job.key.name / "submitted.json").unlink()
        executor.start(job)
    assert submissions(slurm_server, job) == 2
    assert isinstance(slurm_site.finish(executor, job.key), Ended)
    wait_for(lambda: not slurm_server.ask("squeue", "--noheader", f"--name={job_name(job.key)}"))
    assert slurm_site.text("ran") == "ran\n"


def test_one_that_waits_is_cancelled_at_once(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    job, executor = waiting(slurm_server, slurm_site)
    executor.cancel(job.key)
    assert isinstance(executor.look(job.key), Cancelled)
    assert "CANCELLED" in slurm_server.ask("squeue", "--states=all", "--format=%T", f"--name={job_name(job.key)}")


def test_one_whose_lease_ends_while_it_waits_leaves_the_queue(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    job, executor = waiting(slurm_server, slurm_site)
    executor.renew(job.key, since_boot() - 1)
    assert isinstance(executor.look(job.key), Lost)
    assert not slurm_server.ask("squeue", "--noheader", f"--name={job_name(job.key)}")


def test_one_whose_node_fails_is_lost(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    job, executor = slurm_site.shell(FAMILY + "sleep 1000"), slurm_site.agent()
    executor.start(job)
    family = slurm_site.family()
    with slurm_server.node_down():
        assert isinstance(slurm_site.finish(executor, job.key), Lost)
    wait_for(lambda: all_dead(family))


def test_what_slurm_refuses_is_the_jobs_fault(slurm_site: ExecutorSite) -> None:
    job = replace(slurm_site.job("true"), resources=Resources(memory_bytes=1 << 60))
    for _ in range(2):
        with pytest.raises(InputError, match="refuses") as caught:
            slurm_site.agent().start(job)
        assert caught.value.kind == "bad-job"
    assert slurm_site.agent().known() == ()


def test_on_several_nodes_it_runs_once_on_each_with_what_it_was_given(slurm_site: ExecutorSite) -> None:
    job = slurm_site.shell(
        'echo "$SLURMD_NODENAME $SLURM_PROCID [$CUDA_VISIBLE_DEVICES] $GIVEN $PWD"; exit $SLURM_PROCID'
    )
    job = replace(job, nodes=2, resources=Resources(gpus=1, cpus=2), environment={"GIVEN": "it's"})
    slurm_site.agent().start(job)
    status = slurm_site.finish(slurm_site.agent(), job.key)
    assert isinstance(status, Ended)
    assert status.exit_code == 1, "the second one's"
    lines = sorted(line for line in log_of(job).splitlines() if "it's" in line)
    assert lines == [f"node 0 [0] it's {slurm_site.work}", f"second 1 [0] it's {slurm_site.work}"]


def test_on_several_nodes_it_is_cancelled_on_each(slurm_site: ExecutorSite) -> None:
    job = replace(slurm_site.shell("echo $$ > on$SLURM_PROCID; exec sleep 1000"), nodes=2)
    executor = slurm_site.agent()
    executor.start(job)
    both = [slurm_site.process(name) for name in ("on0", "on1")]
    executor.cancel(job.key)
    assert isinstance(slurm_site.finish(executor, job.key), Cancelled)
    wait_for(lambda: all_dead(both))


def test_what_slurm_keeps_waiting_has_slurms_reason(slurm_site: ExecutorSite) -> None:
    job, executor = replace(slurm_site.job("true"), nodes=3), slurm_site.agent()
    executor.start(job)

    def says_why() -> bool:
        status = executor.look(job.key)
        return isinstance(status, Pending) and "PartitionNodeLimit" in status.reason

    wait_for(says_why)


def test_while_slurm_is_away_an_end_that_was_left_is_still_told(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    over, runs = slurm_site.shell("exit 3"), slurm_site.shell("while [ ! -e go ]; do sleep 0.1; done")
    here = slurm_site.agent()
    here.start(over)
    here.start(runs)
    wait_for(lambda: (slurm_site.root / over.key.name / "exit").exists())
    text = (slurm_server.folder / "slurm.conf").read_text()
    elsewhere = slurm_site.folder / "slurm.conf"
    elsewhere.write_text(text.replace("SlurmctldPort=", "SlurmctldPort=1\n#").replace("SlurmctldTimeout", "#"))
    elsewhere.write_text(elsewhere.read_text() + "MessageTimeout=2\n")
    away = SlurmExecutor(slurm_site.root, environment={"SLURM_CONF": str(elsewhere)})
    status = away.look(over.key)
    assert isinstance(status, Ended)
    assert status.exit_code == 3
    with pytest.raises(UnavailableError) as caught:
        away.look(runs.key)
    assert caught.value.kind == "engine-away"
    with pytest.raises(UnavailableError):
        away.start(slurm_site.job("true"))


def test_without_its_tools_slurm_is_away(slurm_site: ExecutorSite) -> None:
    executor = SlurmExecutor(slurm_site.root, environment={"PATH": "/nowhere"})
    with pytest.raises(UnavailableError, match="PATH"):
        executor.start(slurm_site.job("true"))
    (key,) = executor.known()
    slurm_site.agent().cancel(key)
    assert isinstance(slurm_site.agent().look(key), Cancelled)


def test_one_that_somebody_takes_out_of_slurm_is_over_and_gone(slurm_site: ExecutorSite, slurm_server: Slurm) -> None:
    job, executor = slurm_site.shell(FAMILY + "sleep 1000"), slurm_site.agent()
    executor.start(job)
    family = slurm_site.family()
    subprocess.run(
        ["scancel", f"--name={job_name(job.key)}"],
        check=True,
        env={"PATH": "/usr/bin", **slurm_server.environment},
    )
    assert isinstance(slurm_site.finish(executor, job.key), Cancelled | Lost)
    wait_for(lambda: all_dead(family))
