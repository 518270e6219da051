"""A hub with pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.web.dashboard import Dashboard


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_790_000_000.0)


@pytest.fixture
def dashboard(tmp_path: Path, clock: FakeClock) -> Iterator[Dashboard]:
    with Dashboard.on(tmp_path / "home", clock) as made:
        yield made
