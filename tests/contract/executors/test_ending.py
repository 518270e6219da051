"""A job ends when it is cancelled, at its limits and with its lease; and then nothing of it is left."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from forebay.runs.executors.fence import since_boot
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job, Lost, Running
from forebay.vouch import identify
from tests.contract.executors.site import FAMILY, ExecutorSite, all_dead, wait_for

pytestmark = pytest.mark.integration

# Another agent, which starts the job that it is given and then waits for its death.
AGENT = """
import pickle, sys
executor, job = pickle.load(sys.stdin.buffer)
executor.start(job)
print("started", flush=True)
sys.stdin.read()
import threading; threading.Event().wait()
"""


def test_cancelling_reaches_all_that_it_started(site: ExecutorSite) -> None:
    job, executor = site.shell(FAMILY + "sleep 1000"), site.agent()
    executor.start(job)
    family = site.family()
    executor.cancel(job.key)
    executor.cancel(job.key)
    assert isinstance(site.finish(executor, job.key), Cancelled)
    assert all_dead(family)
    executor.cancel(job.key)
    assert isinstance(executor.look(job.key), Cancelled)


def test_a_cancelled_job_may_put_its_house_in_order(site: ExecutorSite) -> None:
    script = "trap 'echo saved > saved; exit 0' TERM; touch ready; while :; do sleep 0.1; done"
    job, executor = replace(site.shell(script), grace_s=30.0), site.agent()
    executor.start(job)
    wait_for(lambda: (site.work / "ready").exists())
    executor.cancel(job.key)
    assert isinstance(site.finish(executor, job.key), Cancelled)
    assert site.text("saved") == "saved\n"


def test_what_is_left_when_the_command_ends_is_ended(site: ExecutorSite) -> None:
    job, executor = site.shell(FAMILY + "exit 4"), site.agent()
    executor.start(job)
    status = site.finish(executor, job.key)
    assert isinstance(status, Ended)
    assert status.exit_code == 4
    numbers = [site.text(name).strip() for name in ("orphan", "deaf")]
    assert all(numbers)
    assert all_dead([identity for number in numbers if (identity := identify(int(number))) is not None])


def test_cancelling_what_is_over_changes_nothing(site: ExecutorSite) -> None:
    job, executor = site.job("true"), site.agent()
    executor.start(job)
    status = site.finish(executor, job.key)
    executor.cancel(job.key)
    assert executor.look(job.key) == status


def test_it_ends_at_its_time_limit(site: ExecutorSite) -> None:
    job, executor = replace(site.shell(FAMILY + "sleep 1000"), time_limit_s=3.0), site.agent()
    executor.start(job)
    family = site.family()
    status = site.finish(executor, job.key)
    assert isinstance(status, Ended)
    assert status.cause is Cause.TIME_LIMIT
    assert all_dead(family)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_without_its_agent_it_ends_with_its_lease(site: ExecutorSite, number: signal.Signals) -> None:
    job = replace(site.shell(FAMILY + "sleep 1000"), until=since_boot() + 6.0)
    with _other_agent(site, job) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"started\n"
        agent.send_signal(number)
        family = site.family()
        # Nobody but the job's own watchers may have done this: no executor is asked.
        wait_for(lambda: all_dead(family))
        agent.kill()
    status = site.finish(site.agent(), job.key)
    assert isinstance(status, Lost)
    assert "lease" in status.reason


def test_it_goes_on_while_its_lease_is_renewed_and_ends_when_that_is_taken_back(site: ExecutorSite) -> None:
    job = replace(
        site.shell("touch ready; while [ ! -e go ]; do sleep 0.1; done; touch went; sleep 1000"),
        until=since_boot() + 8,
    )
    executor = site.agent()
    executor.start(job)
    executor.renew(job.key, since_boot() + 1000)
    wait_for(lambda: (site.work / "ready").exists())
    wait_for(lambda: since_boot() > (job.until or 0) + 1)
    (site.work / "go").touch()
    wait_for(lambda: (site.work / "went").exists())
    assert isinstance(executor.look(job.key), Running)
    executor.renew(job.key, 0.0)
    status = site.finish(executor, job.key)
    assert isinstance(status, Lost)
    assert "lease" in status.reason


def test_one_whose_lease_is_over_never_starts(site: ExecutorSite) -> None:
    job, executor = replace(site.shell("touch ran"), until=since_boot() - 1), site.agent()
    executor.start(job)
    assert isinstance(site.finish(executor, job.key), Lost)
    assert not (site.work / "ran").exists()


def test_it_outlives_its_agent(site: ExecutorSite) -> None:
    job = site.shell("touch ready; while [ ! -e go ]; do sleep 0.1; done; exit 6")
    with _other_agent(site, job) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"started\n"
        os.killpg(agent.pid, signal.SIGKILL)
    executor = site.agent()
    assert executor.known() == (job.key,)
    executor.start(job)
    wait_for(lambda: (site.work / "ready").exists())
    (site.work / "go").touch()
    status = site.finish(executor, job.key)
    assert isinstance(status, Ended)
    assert status.exit_code == 6


def _other_agent(site: ExecutorSite, job: Job) -> subprocess.Popen[bytes]:
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert agent.stdin is not None
    agent.stdin.write(pickle.dumps((site.agent(), job)))
    agent.stdin.flush()
    return agent
