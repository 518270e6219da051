"""Names of jobs, and what no engine can run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import InputError
from forebay.runs.executors.clean import clean_environment
from forebay.runs.executors.protocol import Job, JobKey, check

GOOD = Job(
    key=JobKey(run_id="r", attempt=1, token=1),
    command=("true",),
    folder=Path("/work"),
    log_folder=Path("/log"),
    environment={"A": ""},
)


@given(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", fullmatch=True), st.integers(0, 1 << 40), st.integers(0, 1 << 40)
)
def test_a_key_is_found_again_from_its_name(run_id: str, attempt: int, token: int) -> None:
    key = JobKey(run_id=run_id, attempt=attempt, token=token)
    assert JobKey.from_name(key.name) == key


@pytest.mark.parametrize("name", ["", "r", "r.1", ".new-x", "r.01.1", "a/b.1.1", "r.1.1.1", "r.1.-1", "../r.1.1"])
def test_what_is_no_name_is_nobodys(name: str) -> None:
    assert JobKey.from_name(name) is None


@pytest.mark.parametrize("run_id", ["", "a/b", "..", "a b", "a.b", "x" * 101, "-x"])
def test_a_run_that_can_be_no_file_name_has_no_job(run_id: str) -> None:
    with pytest.raises(InputError):
        JobKey(run_id=run_id, attempt=1, token=1)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, command=()),
        replace(GOOD, command=("",)),
        replace(GOOD, command=("a\0b",)),
        replace(GOOD, environment={"A=B": "x"}),
        replace(GOOD, environment={"A": "x\0"}),
        replace(GOOD, folder=Path("work")),
        replace(GOOD, nodes=0),
        replace(GOOD, time_limit_s=0.0),
        replace(GOOD, log_bytes=1),
        replace(GOOD, grace_s=-1.0),
    ],
)
def test_what_no_engine_can_run_is_refused(bad: Job) -> None:
    check(GOOD)
    with pytest.raises(InputError) as caught:
        check(bad)
    assert caught.value.kind == "bad-job"


def test_a_job_sees_nothing_that_could_be_a_secret() -> None:
    agent = {"PATH": "/bin", "LC_ALL": "C", "FOREBAY_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "HTTPS_PROXY": "u:p@x"}
    assert clean_environment(agent) == {"PATH": "/bin", "LC_ALL": "C"}
