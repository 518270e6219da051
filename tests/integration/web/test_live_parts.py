"""Pages in which all that changes is in live parts: outside of these a page stays word for word as it was opened."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version, holder
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.team import GB, LAKE, Team, add_team
from forebay.wire.cache import Granted, Progress
from forebay.wire.sites import SiteState, TaskKind


class _Words(HTMLParser):
    """What is inside of `main`: the words of live parts by their ids, and all other words."""

    _EMPTY = frozenset({"area", "br", "hr", "img", "input", "link", "meta", "rect", "path", "use", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, list[str]] = {}
        self.still: list[str] = []
        self._open: list[str] = []
        self._part = ""
        self._part_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "main" or self._open:
            if "data-live" in given:
                assert not self._part, "a live part in another one"
                self._part, self._part_depth = given["id"] or "", len(self._open)
                assert self._part not in self.parts
                self.parts[self._part] = []
            self._note(given.get("href") or given.get("action") or "")
            if tag not in self._EMPTY:
                self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self._open or tag in self._EMPTY:
            return
        assert self._open.pop() == tag
        if self._part and len(self._open) == self._part_depth:
            self._part = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self._note(data)

    def _note(self, text: str) -> None:
        words = " ".join(text.split())
        if words:
            (self.parts[self._part] if self._part else self.still).append(words)


class Page:
    """A page as its reader has it: `parts` are renewed, `still` is not."""

    def __init__(self, dashboard: Dashboard, address: str) -> None:
        answer = dashboard.admin().get(address)
        assert answer.status_code == 200, answer.text
        found = _Words()
        found.feed(answer.text)
        self.live = dashboard.site.find(address)[0].live
        self.parts = {name: " ".join(told) for name, told in found.parts.items()}
        self.still = " ".join(found.still)


def renewed(before: Page, after: Page) -> set[str]:
    """The parts that have changed; nothing else has."""
    assert set(before.live) == set(before.parts) == set(after.parts)
    assert after.still == before.still
    return {name for name, told in after.parts.items() if told != before.parts[name]}


@pytest.fixture
def team(dashboard: Dashboard, clock: FakeClock) -> Team:
    return add_team(dashboard.hub, dashboard.access, clock)


def test_all_that_changes_about_a_site_is_live(dashboard: Dashboard, team: Team, clock: FakeClock) -> None:
    hub = dashboard.hub
    before = Page(dashboard, "/sites/dgx")
    assert "2 runs under way · 2 tasks" in before.parts["says"]
    assert "Drain it" in before.parts["out"]
    hub.sites.ask("dgx", TaskKind.FILL, "criteo@v1", "somebody wants it")
    hub.sites.set_state("dgx", SiteState.DRAINING, "new disks")
    hub.downtimes.plan("dgx", clock.now() + 3600, clock.now() + 7200, "power")
    hub.links.declare("s3://other", "dgx", bandwidth_bytes_s=1e8)
    after = Page(dashboard, "/sites/dgx")
    assert renewed(before, after) == {"says", "acts", "state", "work", "downtimes", "links", "out"}
    assert "2 runs under way · 3 tasks" in after.parts["says"]
    assert "Bring it back" in after.parts["acts"]
    assert "Drain it" not in after.parts["out"]
    assert "power" in after.parts["downtimes"]
    assert "s3://other" in after.parts["links"]


def test_all_that_changes_about_a_version_is_live(dashboard: Dashboard, team: Team) -> None:
    hub = dashboard.hub
    before = Page(dashboard, "/datasets/criteo/v3")
    assert "never opened" in before.parts["says"]
    hub.leases.take("v-dgx", hub.catalog.resolve("criteo@v3"), holder())
    hub.catalog.tag("criteo", "best", 3, "ada")
    after = Page(dashboard, "/datasets/criteo/v3")
    assert renewed(before, after) == {"says", "tags", "places", "users"}
    assert "opened 1 time" in after.parts["says"]
    assert "best" in after.parts["tags"]


def test_the_buttons_of_a_version_are_live(dashboard: Dashboard, team: Team) -> None:
    before = Page(dashboard, "/datasets/criteo/v1")
    assert "Retire…" in before.parts["acts"]
    dashboard.hub.retention.retire("criteo", 1, "wrong labels", "ada")
    after = Page(dashboard, "/datasets/criteo/v1")
    assert renewed(before, after) == {"acts", "stands"}
    assert "Restore…" in after.parts["acts"]
    assert "wrong labels" in after.parts["stands"]


def fill_a_new_version(dashboard: Dashboard) -> None:
    """criteo@v4 is registered, and a fill brings it to gcp: 62 % of it so far."""
    hub, size = dashboard.hub, 100 * GB
    entry = Entry(path="part.parquet", size_bytes=size, etag="criteo-4")
    version = add_version(hub, "criteo", Manifest.registered([entry]), f"{LAKE}/criteo")
    granted = hub.fills.claim("v-gcp", version, holder())
    assert isinstance(granted, Granted)
    so_far = Progress(moved_bytes=62 * GB, present_bytes=0, total_bytes=size)
    hub.fills.renew(granted.fill_id, granted.token, so_far)


def test_all_that_changes_in_the_list_of_datasets_is_live(dashboard: Dashboard, team: Team) -> None:
    before = Page(dashboard, "/datasets?order=changed")
    fill_a_new_version(dashboard)
    after = Page(dashboard, "/datasets?order=changed")
    assert renewed(before, after) == {"says", "datasets"}
    assert "with 5 versions" in after.parts["says"]
    assert "gcp v4" in after.parts["datasets"]


def test_all_that_changes_about_a_dataset_is_live(dashboard: Dashboard, team: Team) -> None:
    hub = dashboard.hub
    before = Page(dashboard, "/datasets/images")
    assert "Use" not in before.parts["use"]
    hub.leases.take("v-dgx", hub.catalog.resolve("images@v1"), holder())
    used = Page(dashboard, "/datasets/images")
    assert renewed(before, used) == {"says", "versions", "use", "users"}
    assert "1 opening in 30 days" in used.parts["use"]
    before = Page(dashboard, "/datasets/criteo")
    fill_a_new_version(dashboard)
    after = Page(dashboard, "/datasets/criteo")
    assert {"says", "versions"} <= renewed(before, after)
    assert "gcp 62 %" in after.parts["versions"]
