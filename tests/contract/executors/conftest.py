"""The executors that keep the contract: processes of this machine, and a real Slurm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.executors.site import ExecutorSite


@pytest.fixture(params=["process", "slurm"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExecutorSite]:
    """Empty at first; what it still runs at the end is ended."""
    monkeypatch.setenv("FOREBAY_TOKEN", "the-agents-own-token")
    environment = {}
    if request.param == "slurm":
        environment = request.getfixturevalue("slurm_server").environment
    opened = ExecutorSite(kind=request.param, folder=tmp_path, environment=environment)
    yield opened
    opened.end_all()
