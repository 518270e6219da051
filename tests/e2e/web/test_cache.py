"""The cache's pages in Chromium, on a hub with caches in every state: fit for everybody, and live."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedApp
from forebay.testing.servers import Chromium
from forebay.testing.web.caches import GB, Crowded, volume_of
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.looking import PHONE, WIDE, Eyes
from forebay.wire.access import Role

pytestmark = pytest.mark.e2e

PAGES = (
    "/",
    "/cache?only=all",
    "/cache/aks-gpu",
    "/cache/-/history",
    "/cache/aks-gpu/evict",
    "/cache/aks-gpu/criteo/v3",
    "/cache/gcp-cpu/criteo-features/v2",
    "/cache/dgx-basement/chest-xray/v1",
    "/cache/dgx-basement/chest-xray/v1/evict",
    "/cache/-/warm?ref=clicks-raw&site=aks-gpu",
    "/cache?q=parts&only=all&site=dgx-basement",
    "/cache/dgx-basement/parts/v1",
    "/cache/dgx-basement/parts/v2",
    "/cache/dgx-basement/parts/v5",
    "/cache/dgx-basement/parts/v9/pin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A served hub."""

    url: str
    dashboard: Dashboard
    clock: FakeClock

    def session(self, user: str = "admin", role: Role = Role.ADMIN) -> str:
        return self.dashboard.token_of(user, role)


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    clock = FakeClock(time.time())
    with Dashboard.on(tmp_path_factory.mktemp("hub"), clock) as dashboard:
        Crowded(dashboard.hub, dashboard.access, clock).make()
        with ServedApp(dashboard.made) as served:
            yield Stage(url=served.url, dashboard=dashboard, clock=clock)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_in_every_state_is_fit_for_everybody(path: str, caches: Stage, chromium: Chromium, axe: str) -> None:
    with Eyes.of(chromium, caches.url, caches.session()) as eyes:
        assert eyes.go(path) == 200
        faults = []
        for width, scheme, contrast_only in ((WIDE, "light", False), (WIDE, "dark", True), (PHONE, "dark", False)):
            eyes.at(width, scheme)  # type: ignore[arg-type]
            faults += [f"{width} {scheme}: {fault}" for fault in eyes.faults(contrast_only=contrast_only)]
            if eyes.overflows:
                faults.append(f"{width}: the page scrolls sideways")
        assert faults == []
        assert eyes.complaints == []
        assert eyes.foreign == []


def test_progress_moves_on_an_open_page(caches: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, caches.url, caches.session()) as eyes:
        eyes.go("/cache")
        row = eyes.page.locator("#r-grid-criteo\\@v3")
        assert "62 %" in row.inner_text()
        volume = volume_of("aks-gpu")
        (fill,) = caches.dashboard.hub.fills.open_fills(volume)
        caches.clock.pass_by(2.0)
        told = replace(fill.progress, moved_bytes=fill.progress.moved_bytes + 200 * GB)
        caches.dashboard.hub.fills.renew(fill.fill_id, fill.token, told)
        eyes.page.locator("#r-grid-criteo\\@v3", has_text="81 %").wait_for()
        caches.dashboard.hub.fills.renew(fill.fill_id, fill.token, fill.progress)


def test_an_eviction_is_asked_for_without_scripts(caches: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, caches.url, caches.session("olga", Role.ENGINEER), scripts=False) as eyes:
        eyes.go("/cache?only=stale&site=dgx-basement")
        eyes.page.click("#grid >> text=leaves in")
        eyes.page.click("text=Evict…")
        assert "It frees at most 232.8 GiB" in eyes.page.inner_text("main")
        eyes.page.click("button:has-text('Evict it')")
        assert "dgx-basement lets chest-xray@v1 go." in eyes.page.inner_text("main")
        assert "leaving" in eyes.page.inner_text("#says")
