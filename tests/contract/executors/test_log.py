"""A job's log: one stream, followed while it is written, never larger than its bound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forebay.runs.executors.logs import read_log
from forebay.runs.executors.protocol import Ended
from tests.contract.executors.site import ExecutorSite, log_of, wait_for

pytestmark = pytest.mark.integration


def test_both_streams_are_one_in_order(site: ExecutorSite) -> None:
    job, executor = site.shell("for i in 1 2 3; do echo out $i; echo err $i >&2; done"), site.agent()
    executor.start(job)
    site.finish(executor, job.key)
    assert log_of(job) == "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n"


def test_it_is_followed_while_it_is_written(site: ExecutorSite) -> None:
    job, executor = site.shell("echo one; while [ ! -e go ]; do sleep 0.1; done; echo two"), site.agent()
    assert read_log(job.log_folder).data == b"", "nothing is there before"
    executor.start(job)
    part = wait_for(lambda: found if (found := read_log(job.log_folder)).data else None)
    assert part.data == b"one\n"
    (site.work / "go").touch()
    part = wait_for(lambda: found if (found := read_log(job.log_folder, part.next_offset)).data else None)
    assert (part.offset, part.data, part.missing_bytes) == (4, b"two\n", 0)
    site.finish(executor, job.key)


def test_of_one_that_is_too_long_beginning_and_end_are_kept(site: ExecutorSite) -> None:
    bound = 128 << 10
    job = replace(site.shell("seq -f %09.0f 1 200000"), log_bytes=bound)
    executor = site.agent()
    executor.start(job)
    assert isinstance(site.finish(executor, job.key), Ended)
    assert sum(path.stat().st_size for path in job.log_folder.iterdir() if path.name.isdigit()) <= bound
    text = log_of(job)
    assert text.startswith("000000001\n000000002\n")
    assert text.endswith("000199999\n000200000\n")
    assert f"{200_000 * 10 - sum(map(len, _kept(job.log_folder)))} bytes are missing" in text


def _kept(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir() if path.name.isdigit()]
