"""What a child took is the child's own: not the measuring program's memory, and all of its children's CPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.process import CommandFailedError, measure

BURN = "sum(range(3_000_000))"


def test_the_memory_is_not_that_of_the_program_that_measures() -> None:
    ballast = bytearray(b"x") * (300 << 20)
    small = measure(["/bin/true"])
    assert len(ballast) > small.peak_bytes
    assert 0 < small.peak_bytes < 100 << 20


def test_the_memory_is_that_of_the_largest_process() -> None:
    large = measure([sys.executable, "-c", "len(bytearray(b'x') * (200 << 20))"])
    assert large.peak_bytes > 200 << 20


def test_the_cpu_of_grandchildren_counts() -> None:
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}], check=True)"
    own, of_child = measure([sys.executable, "-c", "pass"]), measure([sys.executable, "-c", grandchild])
    assert of_child.cpu_s > own.cpu_s


def test_a_sync_is_in_the_time(tmp_path: Path) -> None:
    usage = measure(["/bin/true"], synced=tmp_path)
    assert usage.wall_s > usage.sync_s > 0


def test_a_command_that_fails_is_no_measurement_and_says_why() -> None:
    with pytest.raises(CommandFailedError, match=r"(?s)exit status 3.*the reason"):
        measure([sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"])
