"""What Slurm says is understood, and what is said to it holds nothing that a job's words could turn."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.runs.executors.log_shape import shape_for
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, Job, JobKey, Lost
from forebay.runs.executors.slurm_text import (
    Phase,
    Seen,
    end_of,
    end_without_word,
    foremost,
    is_passing,
    options,
    parse_accounts,
    parse_number,
    parse_queue,
    script,
)
from forebay.sites.site import Resources

JOB = Job(
    key=JobKey(run_id="r1", attempt=2, token=3),
    command=("python", "train.py", "it's"),
    folder=Path("/shared/w"),
    log_folder=Path("/shared/l"),
    resources=Resources(gpus=2, cpus=8, memory_bytes=(1 << 30) + 1),
    nodes=2,
    time_limit_s=3600.0,
    grace_s=30.0,
)

# As Slurm 22.05 printed it.
QUEUE = """\
17|PENDING|Resources
18|PENDING|(null)
19|RUNNING|None
20|CANCELLED|None
21|NODE_FAIL|NodeDown
22|PENDING|ReqNodeNotAvail, UnavailableNodes:node[1-2]
"""

ACCOUNTS = """\
12|COMPLETED
13|CANCELLED by 1000
14|OUT_OF_MEMORY
"""


def test_the_lines_of_squeue_and_sacct_are_understood() -> None:
    seen = parse_queue(QUEUE)
    assert [one.phase for one in seen] == [
        Phase.WAITS,
        Phase.WAITS,
        Phase.RUNS,
        Phase.OVER,
        Phase.OVER,
        Phase.WAITS,
    ]
    assert seen[-1].reason == "ReqNodeNotAvail, UnavailableNodes:node[1-2]"
    assert parse_queue("") == ()
    assert parse_accounts(ACCOUNTS) == (
        Seen(number="12", state="COMPLETED"),
        Seen(number="13", state="CANCELLED", reason="by 1000"),
        Seen(number="14", state="OUT_OF_MEMORY"),
    )
    assert parse_accounts("Slurm accounting storage is disabled\n") == ()


@pytest.mark.parametrize(
    ("said", "number"),
    [("42\n", "42"), ("42;cluster\n", "42"), ("sbatch: a hint\n42\n", "42"), ("", ""), ("error: no\n", "")],
)
def test_the_number_of_a_submitted_job_is_understood(said: str, number: str) -> None:
    assert parse_number(said) == number


def test_of_several_submissions_the_one_that_runs_matters() -> None:
    over, waits, runs = (
        Seen(number="9", state="COMPLETED"),
        Seen(number="10", state="PENDING"),
        Seen(number="8", state="RUNNING"),
    )
    assert foremost(()) is None
    assert foremost((over, waits, runs)) is runs
    assert foremost((over, waits)) is waits


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("exited 0\n", Ended(reason="it ended with exit code 0", cause=Cause.EXITED, exit_code=0)),
        ("lease 143\n", Lost(reason="its lease ran out: nobody renewed it in time")),
        ("cancelled 143\n", Cancelled(reason="it was cancelled")),
        ("", None),
        ("exited", None),
        ("exited x\n", None),
    ],
)
def test_the_end_that_a_script_left_is_understood(text: str, status: object) -> None:
    assert end_of(text) == status


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "FAILED", "COMPLETED", "DEADLINE"])
def test_an_end_of_which_nothing_is_known_is_lost(state: str) -> None:
    assert isinstance(end_without_word(Seen(number="1", state=state)), Lost)
    assert isinstance(end_without_word(None), Lost)


def test_slurms_own_limits_are_told_as_ours() -> None:
    for state, cause in (("TIMEOUT", Cause.TIME_LIMIT), ("OUT_OF_MEMORY", Cause.MEMORY_LIMIT)):
        status = end_without_word(Seen(number="1", state=state))
        assert isinstance(status, Ended)
        assert status.cause is cause
    assert isinstance(end_without_word(Seen(number="1", state="CANCELLED", reason="by 0")), Cancelled)


def test_that_slurm_is_away_is_told_from_its_refusal() -> None:
    assert is_passing(
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
    )
    assert is_passing("slurm_load_jobs error: Socket timed out on send/recv operation")
    assert not is_passing("sbatch: error: Batch job submission failed: Requested node configuration is not available")
    assert not is_passing("sbatch: error: Invalid generic resource (gres) specification")


def test_what_it_needs_is_asked_for() -> None:
    asked = options(JOB, Path("/shared/jobs/100%"), ("--partition=gpu",))
    assert {
        "--nodes=2",
        "--cpus-per-task=8",
        "--mem=1025M",
        "--gres=gpu:2",
        "--time=63",
        "--no-requeue",
        "--job-name=forebay.r1.2.3",
        "--output=/shared/jobs/100%%/slurm.log",
    } <= set(asked)
    assert asked[-1] == "--partition=gpu"
    bare = options(replace(JOB, resources=Resources(), nodes=1, time_limit_s=None), Path("/j"))
    assert not any(word.startswith(("--mem", "--gres", "--time", "--cpus")) for word in bare)


def test_on_several_nodes_slurm_starts_it_on_each() -> None:
    several = script(JOB, Path("/j"), shape_for(1 << 20), "m")
    assert "srun --export=ALL --kill-on-bad-exit=1 --cpus-per-task=8 -- python train.py" in several
    assert "srun" not in script(replace(JOB, nodes=1), Path("/j"), shape_for(1 << 20), "m")


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=6)
@given(st.lists(WORDS, max_size=12), WORDS)
def test_the_words_of_a_job_reach_its_command_as_they_are(words: list[str], value: str) -> None:
    show = "import os, sys; sys.stdout.buffer.write(os.fsencode(chr(0).join([*sys.argv[1:], os.environ['GIVEN']])))"
    job = replace(JOB, command=("python3", "-c", show, *words), environment={"GIVEN": value}, nodes=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = replace(job, folder=folder, log_folder=folder / "log", time_limit_s=None)
        (folder / "log").mkdir()
        (folder / "until").write_text("inf\n")
        text = script(job, folder, shape_for(1 << 20), "m").replace("sleep 1\n", "sleep 0.01\n")
        subprocess.run(["bash"], input=os.fsencode(text), check=True, cwd=folder)
        assert (folder / "exit").read_text() == "exited 0\n"
        assert (folder / "log" / "00000000").read_bytes() == os.fsencode("\0".join([*words, value]))
