"""Every page in a real browser: nothing hinders anybody, nothing is asked of another host, nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forebay.testing.servers import Chromium
from forebay.testing.web.looking import PHONE, WIDE, Eyes
from forebay.testing.web.paths import PATHS, WITHOUT_ONE, paths_of
from tests.e2e.web.conftest import Stage

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def at_desk(stage: Stage, chromium: Chromium) -> Iterator[Eyes]:
    """One admin's browser for all pages."""
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        yield eyes


def test_every_page_has_an_address_that_is_looked_at(stage: Stage) -> None:
    found = set()
    for path in paths_of(stage.showcase.runs):
        route, _ = stage.dashboard.site.find(path)
        found.add(route.path)
    there = {route.path for route in stage.dashboard.site.routes if route.method == "GET"}
    assert there - found == WITHOUT_ONE, "a new page belongs in forebay.testing.web.paths"


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_fit_for_everybody(path: str, stage: Stage, at_desk: Eyes, axe: str) -> None:
    (address,) = (found for found, known in zip(paths_of(stage.showcase.runs), PATHS, strict=True) if known == path)
    at_desk.complaints.clear()
    at_desk.at(WIDE, "light")
    assert at_desk.go(address) == 200
    faults = [f"{WIDE} light: {fault}" for fault in at_desk.faults()]
    wide = at_desk.overflows
    assert at_desk.unexported == []
    at_desk.at(PHONE, "dark")
    # What the text says is the same by now: what differs are colours, and what scrolls.
    faults += [f"{PHONE} dark: {fault}" for fault in at_desk.faults(contrast_only=True)]
    assert faults == []
    assert not wide
    assert not at_desk.overflows
    assert at_desk.complaints == []
    assert at_desk.foreign == []


def test_the_way_in_is_fit_for_everybody(stage: Stage, chromium: Chromium, axe: str) -> None:
    with Eyes.of(chromium, stage.url) as eyes:
        for path, status in (("/login", 200), ("/nowhere", 404)):
            assert eyes.go(path) == status
            eyes.at(WIDE, "light")
            assert eyes.faults() == []
            eyes.at(PHONE, "dark")
            assert eyes.faults() == []
            assert not eyes.overflows
        assert eyes.foreign == []
