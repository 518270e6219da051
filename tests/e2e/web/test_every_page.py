"""Every page in a real browser: nothing hinders anybody, nothing is asked of another host, nothing scrolls sideways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from forebay.testing.servers import Chromium
from forebay.testing.web.acts import WRONG, Wrong, ask_the_palette, fill_in, make_a_token, said
from forebay.testing.web.looking import PHONE, WIDE, Eyes
from forebay.testing.web.paths import PATHS, WITHOUT_ONE, paths_of
from forebay.testing.web.pictures import ACTS, OUTSIDE, PAGES
from tests.e2e.web.conftest import Stage

pytestmark = pytest.mark.e2e

IMAGES = Path(__file__).parents[3] / "docs" / "images"


@pytest.fixture(scope="module")
def at_desk(stage: Stage, chromium: Chromium) -> Iterator[Eyes]:
    """One admin's browser for all pages."""
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        yield eyes


def test_every_page_has_an_address_that_is_looked_at(stage: Stage) -> None:
    missing = _routes_without(stage, paths_of(stage.showcase.ids))
    assert missing == WITHOUT_ONE, "a new page belongs in forebay.testing.web.paths"


def test_every_page_has_its_pictures(stage: Stage) -> None:
    missing = _routes_without(stage, (address.format(**stage.showcase.ids) for address in PAGES.values()))
    assert missing == WITHOUT_ONE, "a new page belongs in forebay.testing.web.pictures"
    names = [*PAGES, *OUTSIDE, *ACTS]
    wanted = {
        f"{name}-{width}-{scheme}.webp" for name in names for width in (WIDE, PHONE) for scheme in ("light", "dark")
    }
    assert {path.name for path in IMAGES.glob("*.webp")} == wanted, "make screenshots"


def _routes_without(stage: Stage, addresses: Iterable[str]) -> set[str]:
    """Pages that none of the addresses leads to."""
    found = {stage.dashboard.site.find(address)[0].path for address in addresses}
    return {route.path for route in stage.dashboard.site.routes if route.method == "GET"} - found


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_fit_for_everybody(path: str, stage: Stage, at_desk: Eyes, axe: str) -> None:
    (address,) = (found for found, known in zip(paths_of(stage.showcase.ids), PATHS, strict=True) if known == path)
    at_desk.complaints.clear()
    at_desk.at(WIDE, "light")
    assert at_desk.go(address) == 200
    assert at_desk.unexported == []
    _is_fit(at_desk)
    assert at_desk.complaints == []
    assert at_desk.foreign == []


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.path)
def test_a_form_with_its_error_is_fit_for_everybody(wrong: Wrong, at_desk: Eyes, axe: str) -> None:
    at_desk.at(WIDE, "light")
    fill_in(at_desk, wrong)
    expect(said(at_desk)).to_have_count(1)
    expect(said(at_desk)).to_contain_text(wrong.told)
    if wrong.beside:
        field = at_desk.page.locator(f"main [name={wrong.beside}][aria-invalid=true]")
        expect(field).to_have_accessible_description(re.compile(re.escape(wrong.told)))
    for name, text in wrong.fields.items():
        expect(at_desk.page.locator(f"main [name={name}]").first).to_have_value(text)
    _is_fit(at_desk)


def test_the_palette_over_a_page_is_fit_for_everybody(at_desk: Eyes, axe: str) -> None:
    at_desk.at(WIDE, "light")
    at_desk.go("/datasets")
    ask_the_palette(at_desk, "crit")
    expect(at_desk.page.locator("#palette")).to_be_visible()
    _is_fit(at_desk)


def test_a_token_that_is_shown_once_is_fit_for_everybody(at_desk: Eyes, axe: str) -> None:
    at_desk.at(WIDE, "light")
    make_a_token(at_desk)
    expect(at_desk.page.locator(".once pre")).to_contain_text("fbt_")
    _is_fit(at_desk)


def _is_fit(eyes: Eyes) -> None:
    """An open page, light on a desk and dark on a phone."""
    faults = [f"{WIDE} light: {fault}" for fault in eyes.faults()]
    wide = eyes.overflows
    eyes.at(PHONE, "dark")
    # What the text says is the same by now: what differs are colours, and what scrolls.
    faults += [f"{PHONE} dark: {fault}" for fault in eyes.faults(contrast_only=True)]
    assert faults == []
    assert not wide
    assert not eyes.overflows


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
