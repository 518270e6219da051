"""What starts runs once, with what it was given and no more; its end is told as it was."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from forebay.errors import ConflictError, InputError, NotFoundError
from forebay.runs.executors.protocol import Cause, Ended, JobKey
from forebay.sites.site import Resources
from tests.contract.executors.site import ExecutorSite, log_of

pytestmark = pytest.mark.integration


def test_started_twice_it_runs_once(site: ExecutorSite) -> None:
    job = site.shell("echo ran >> ran")
    executor = site.agent()
    executor.start(job)
    executor.start(job)
    assert isinstance(site.finish(executor, job.key), Ended)
    executor.start(job)
    assert isinstance(executor.look(job.key), Ended)
    assert site.text("ran") == "ran\n"


def test_started_by_many_at_once_it_runs_once(site: ExecutorSite) -> None:
    job = site.shell("echo ran >> ran")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: site.agent().start(job), range(6)))
    site.finish(site.agent(), job.key)
    assert site.text("ran") == "ran\n"


def test_another_job_under_the_same_key_is_refused(site: ExecutorSite) -> None:
    job, executor = site.job("true"), site.agent()
    executor.start(job)
    with pytest.raises(ConflictError) as caught:
        executor.start(replace(job, command=("false",)))
    assert caught.value.kind == "job-differs"


def test_exit_codes_and_signals_are_told(site: ExecutorSite) -> None:
    executor = site.agent()
    wanted = {
        "exit 0": (Cause.EXITED, 0, 0),
        "exit 3": (Cause.EXITED, 3, 0),
        "kill -SEGV $$": (Cause.SIGNALLED, 139, signal.SIGSEGV),
        "kill -KILL $$": (Cause.SIGNALLED, 137, signal.SIGKILL),
    }
    jobs = {script: site.shell(script) for script in wanted}
    for job in jobs.values():
        executor.start(job)
    for script, job in jobs.items():
        status = site.finish(executor, job.key)
        assert isinstance(status, Ended)
        assert (status.cause, status.exit_code, status.signal_number) == wanted[script]


def test_a_command_or_a_folder_that_is_not_there_is_said(site: ExecutorSite) -> None:
    executor = site.agent()
    nameless, homeless = site.job("no-such-command-here"), replace(site.job("true"), folder=site.folder / "nowhere")
    for job in (nameless, homeless):
        executor.start(job)
    status = site.finish(executor, nameless.key)
    assert isinstance(status, Ended)
    assert (status.cause, status.exit_code) == (Cause.NOT_STARTED, 127)
    assert "no such command" in status.reason
    status = site.finish(executor, homeless.key)
    assert isinstance(status, Ended)
    assert status.cause is Cause.NOT_STARTED
    assert "working directory" in status.reason


def test_it_sees_what_it_was_given_and_nothing_of_the_agents(site: ExecutorSite) -> None:
    awkward = 'it\'s "two"\nlines $HOME `id` @run@ é'
    job = site.job(
        "sh", "-c", 'printf "%s" "$0" > word; pwd > where; env -0 > env; cat /proc/$PPID/environ > above', awkward
    )
    job = replace(job, environment={"GIVEN": awkward})
    executor = site.agent()
    executor.start(job)
    assert isinstance(site.finish(executor, job.key), Ended), log_of(job)
    assert site.text("word") == awkward
    assert site.text("where") == f"{site.work}\n"
    seen = dict(entry.split("=", 1) for entry in site.text("env").split("\0") if entry)
    assert seen["GIVEN"] == awkward
    assert {"PATH", "HOME"} <= seen.keys()
    assert "FOREBAY_TOKEN" not in seen
    assert "the-agents-own-token" not in site.text("above") + site.text("env")


def test_it_sees_the_gpus_that_it_got(site: ExecutorSite) -> None:
    executor = site.agent()
    counts = (0, 1, 2)
    for count in counts:
        script = f'echo "[$CUDA_VISIBLE_DEVICES]" > gpus{count}'
        job = replace(site.shell(script), resources=Resources(gpus=count, cpus=1, memory_bytes=1 << 30))
        executor.start(job)
        site.finish(executor, job.key)
    assert [site.text(f"gpus{count}") for count in counts] == ["[]\n", "[0]\n", "[0,1]\n"]


def test_more_gpus_than_there_are_are_refused(site: ExecutorSite) -> None:
    with pytest.raises(InputError) as caught:
        site.agent().start(replace(site.job("true"), resources=Resources(gpus=3)))
    assert caught.value.kind == "bad-job"


def test_what_nobody_started_is_unknown(site: ExecutorSite) -> None:
    executor = site.agent()
    key = JobKey(run_id="never", attempt=1, token=1)
    for ask in (executor.look, executor.cancel, lambda key: executor.renew(key, 0.0)):
        with pytest.raises(NotFoundError) as caught:
            ask(key)
        assert caught.value.kind == "job-unknown"
    executor.forget(key)
    assert executor.known() == ()


def test_a_new_agent_knows_the_jobs_and_forgets_those_that_are_over(site: ExecutorSite) -> None:
    waiting, over = site.shell("while [ ! -e go ]; do sleep 0.1; done; exit 5"), site.job("true")
    first = site.agent()
    for job in (waiting, over):
        first.start(job)
    site.running(first, waiting.key)
    site.finish(first, over.key)
    second = site.agent()
    assert second.known() == tuple(sorted([waiting.key, over.key]))
    with pytest.raises(ConflictError) as caught:
        second.forget(waiting.key)
    assert caught.value.kind == "job-runs"
    second.forget(over.key)
    assert second.known() == (waiting.key,)
    (site.work / "go").touch()
    status = site.finish(site.agent(), waiting.key)
    assert isinstance(status, Ended)
    assert status.exit_code == 5
    assert over.log_folder.is_dir(), "a log is its owner's"
