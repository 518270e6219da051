"""Processes: whichever of its watchers dies, no part of a job goes on; devices have one holder; limits are held."""

from __future__ import annotations

import errno
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from forebay.errors import CapacityError, InputError, UnavailableError
from forebay.fsio import Disk
from forebay.runs.executors.fence import since_boot
from forebay.runs.executors.job_folder import JobFolder
from forebay.runs.executors.process import ProcessExecutor
from forebay.runs.executors.processes import send
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job, Lost, Pending, Running
from forebay.sites.site import Resources
from forebay.vouch import seen_dead, this_process
from tests.contract.executors.site import FAMILY, ExecutorSite, all_dead, wait_for

pytestmark = pytest.mark.integration


def watchers(site: ExecutorSite, job: Job) -> tuple[str, str]:
    """The guard and the watcher of a job that runs."""
    site.running(site.agent(), job.key)
    folder = JobFolder.of(site.root, job.key)
    taken, watching = folder.read("taken.json"), folder.read("watcher.json")
    assert taken is not None
    assert watching is not None
    return taken["guard"], watching["watcher"]


@pytest.mark.parametrize("who", ["watcher", "guard"])
def test_when_one_of_its_watchers_is_killed_the_other_ends_it(site: ExecutorSite, who: str) -> None:
    job = site.shell(FAMILY + "sleep 1000")
    site.agent().start(job)
    family = site.family()
    guard, watcher = watchers(site, job)
    assert send(watcher if who == "watcher" else guard, signal.SIGKILL)
    # No executor is asked.
    wait_for(lambda: (site.root / job.key.name / "end.json").exists())
    assert all_dead(family)
    status = site.agent().look(job.key)
    assert isinstance(status, Lost)


def test_when_both_are_killed_the_next_look_ends_it(site: ExecutorSite) -> None:
    job = site.shell(FAMILY + "sleep 1000")
    site.agent().start(job)
    family = site.family()
    # Stopped first: neither can do a thing about the other's death.
    both = watchers(site, job)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        assert all(send(process, number) for process in both)
    wait_for(lambda: all_dead(list(both)))
    assert isinstance(site.agent().look(job.key), Lost)
    assert all_dead(family)


def test_a_watcher_that_does_nothing_is_replaced_by_its_guard_when_the_lease_is_over(site: ExecutorSite) -> None:
    job = replace(site.shell(FAMILY + "sleep 1000"), until=since_boot() + 5, grace_s=0.0)
    site.agent().start(job)
    family = site.family()
    _, watcher = watchers(site, job)
    assert send(watcher, signal.SIGSTOP)
    wait_for(lambda: all_dead(family))
    assert isinstance(site.finish(site.agent(), job.key), Lost)


def test_one_that_no_supervisor_took_waits_to_be_started_again(site: ExecutorSite) -> None:
    """As an agent leaves it that was killed in the middle of `start`."""
    job, executor = site.shell("echo ran >> ran"), ProcessExecutor(site.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessExecutor, "_supervise", lambda self, folder: None)
        executor.start(job)
    assert isinstance(executor.look(job.key), Pending)
    assert executor.known() == (job.key,)
    executor.start(job)
    assert isinstance(site.finish(executor, job.key), Ended)
    assert site.text("ran") == "ran\n"


def test_one_that_was_cancelled_before_it_was_taken_never_runs(site: ExecutorSite) -> None:
    job, executor = site.shell("echo ran >> ran"), ProcessExecutor(site.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessExecutor, "_supervise", lambda self, folder: None)
        executor.start(job)
    executor.cancel(job.key)
    assert isinstance(executor.look(job.key), Cancelled)
    executor.start(job)
    # A supervisor that was late.
    executor._supervise(JobFolder.of(site.root, job.key))
    assert isinstance(executor.look(job.key), Cancelled)
    assert site.text("ran") == ""


def test_one_of_an_earlier_start_of_the_machine_is_lost(site: ExecutorSite) -> None:
    job, executor = site.job("true"), ProcessExecutor(site.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessExecutor, "_supervise", lambda self, folder: None)
        executor.start(job)
    guard = {"guard": "0b0b0b0b-another-boot/4026531836/4026531834/17-2500"}
    (site.root / job.key.name / "taken.json").write_text(json.dumps(guard))
    status = executor.look(job.key)
    assert isinstance(status, Lost)
    assert "anew" in status.reason


def test_one_of_another_container_is_over_when_its_lease_is(site: ExecutorSite) -> None:
    job, executor = replace(site.job("true"), until=since_boot() + 100), ProcessExecutor(site.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessExecutor, "_supervise", lambda self, folder: None)
        executor.start(job)
    boot = this_process().partition("/")[0]
    (site.root / job.key.name / "taken.json").write_text(json.dumps({"guard": f"{boot}/1/2/17-2500"}))
    assert isinstance(executor.look(job.key), Running)
    executor.renew(job.key, since_boot() - 1)
    assert isinstance(executor.look(job.key), Running), "it may not have ended itself yet"
    executor.renew(job.key, since_boot() - 1000)
    assert isinstance(executor.look(job.key), Lost)


def test_an_ended_job_that_is_started_again_asks_for_no_gpu(site: ExecutorSite) -> None:
    executor = site.agent()
    first = replace(site.job("true"), resources=Resources(gpus=2))
    executor.start(first)
    status = site.finish(executor, first.key)
    executor.start(replace(site.shell("sleep 1000"), resources=Resources(gpus=2)))
    executor.start(first)
    assert executor.look(first.key) == status


def test_a_disk_that_refuses_is_told_as_such(site: ExecutorSite) -> None:
    job, executor = site.job("true"), ProcessExecutor(site.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disk, "sync", _full)
        with pytest.raises(UnavailableError, match="No space") as caught:
            executor.start(job)
    assert caught.value.kind == "engine-away"
    assert os.listdir(site.root) == []


def _full(disk: Disk, descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_gpu_has_one_holder_until_nothing_of_its_job_is_left(site: ExecutorSite) -> None:
    executor = site.agent()
    script = "echo $CUDA_VISIBLE_DEVICES > $GIVEN; while [ ! -e go ]; do sleep 0.1; done"
    first, second, third = (
        replace(site.shell(script), environment={"GIVEN": name}, resources=Resources(gpus=1)) for name in "abc"
    )
    executor.start(first)
    executor.start(second)
    with pytest.raises(CapacityError) as caught:
        site.agent().start(third)
    assert caught.value.kind == "no-free-gpu"
    wait_for(lambda: site.text("a") and site.text("b"))
    assert {site.text("a"), site.text("b")} == {"0\n", "1\n"}
    executor.cancel(second.key)
    site.finish(executor, second.key)
    executor.start(third)
    wait_for(lambda: site.text("c"))
    assert site.text("c") == site.text("b")


def test_it_gets_as_many_cpus_as_it_asks_for(site: ExecutorSite) -> None:
    job = replace(site.job("sh", "-c", "nproc > cpus"), resources=Resources(cpus=1))
    site.agent().start(job)
    site.finish(site.agent(), job.key)
    assert site.text("cpus") == "1\n"


def test_it_ends_when_it_holds_more_memory_than_it_asked_for(site: ExecutorSite) -> None:
    hungry = "held = bytearray(200 << 20); import time; time.sleep(1000)"
    job = replace(site.job("python3", "-c", hungry), resources=Resources(memory_bytes=100 << 20))
    site.agent().start(job)
    status = site.finish(site.agent(), job.key)
    assert isinstance(status, Ended)
    assert status.cause is Cause.MEMORY_LIMIT


def test_pages_that_its_processes_share_count_once(site: ExecutorSite) -> None:
    many = "import os, time; held = bytearray(os.urandom(60 << 20)); [os.fork() for _ in range(2)]; time.sleep(3)"
    job = replace(site.job("python3", "-c", many), resources=Resources(memory_bytes=160 << 20))
    site.agent().start(job)
    status = site.finish(site.agent(), job.key)
    assert isinstance(status, Ended)
    assert (status.cause, status.exit_code) == (Cause.EXITED, 0), status.reason


def test_more_nodes_than_this_one_are_refused(site: ExecutorSite) -> None:
    with pytest.raises(InputError):
        site.agent().start(replace(site.job("true"), nodes=2))


def test_what_ended_leaves_no_process_and_no_open_door(site: ExecutorSite) -> None:
    job = site.job("true")
    site.agent().start(job)
    site.finish(site.agent(), job.key)
    taken = JobFolder.of(site.root, job.key).read("taken.json")
    assert taken is not None
    wait_for(lambda: seen_dead(taken["guard"]))
    assert (site.root / job.key.name).stat().st_mode & 0o077 == 0, "its environment may hold secrets of its user"
    site.agent().forget(job.key)
    assert os.listdir(site.root) == []


def test_a_full_disk_loses_its_log_and_not_the_job(site: ExecutorSite) -> None:
    job = site.shell("echo ran; exit 3")
    job.log_folder.mkdir()
    Path(job.log_folder / "00000000").symlink_to("/dev/full")
    site.agent().start(job)
    status = site.finish(site.agent(), job.key)
    assert isinstance(status, Ended)
    assert status.exit_code == 3
    assert "the disk refused 4 bytes of its log" in status.reason
