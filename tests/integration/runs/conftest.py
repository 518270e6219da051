"""Sites for these tests, of one kind each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.testing.servers import Slurm
from tests.contract.executors.site import ExecutorSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ExecutorSite]:
    """Of processes."""
    opened = ExecutorSite(kind="process", folder=tmp_path, environment={})
    yield opened
    opened.end_all()


@pytest.fixture
def slurm_site(tmp_path: Path, slurm_server: Slurm) -> Iterator[ExecutorSite]:
    opened = ExecutorSite(kind="slurm", folder=tmp_path, environment=slurm_server.environment)
    yield opened
    opened.end_all()
