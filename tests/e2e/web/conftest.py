"""The showcase behind a real server, one for all tests, with a clock that goes on from now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedApp
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.showcase import Showcase
from forebay.wire.access import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A served hub with something on every page."""

    url: str
    showcase: Showcase
    dashboard: Dashboard

    def session(self, user: str = "admin", role: Role = Role.ADMIN) -> str:
        """A session's secret."""
        return self.dashboard.token_of(user, role)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    clock = FakeClock(time.time())
    with Dashboard.on(tmp_path_factory.mktemp("hub"), clock) as dashboard:
        showcase = Showcase(dashboard, clock).make()
        with ServedApp(dashboard.made) as served:
            yield Stage(url=served.url, showcase=showcase, dashboard=dashboard)
