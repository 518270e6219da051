"""Ways through the dashboard in a real browser: in and out, without a script, by the keyboard alone, the palette."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedApp
from forebay.testing.servers import Chromium, OpenIdProvider
from forebay.testing.servers.process import free_ports
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.looking import PHONE, WIDE, Eyes
from forebay.wire.access import Role
from tests.e2e.web.conftest import Stage

pytestmark = pytest.mark.e2e


def test_in_with_a_token_and_out_again(stage: Stage, chromium: Chromium) -> None:
    secret = stage.session("ada", Role.SCIENTIST)
    with Eyes.of(chromium, stage.url) as eyes:
        eyes.go("/settings")
        assert eyes.page.url == f"{stage.url}/login?next=/settings"
        eyes.page.get_by_label("Token").fill("fbt_wrong")
        eyes.page.get_by_role("button", name="Log in").click()
        assert eyes.page.get_by_text("This is no token that holds.").is_visible()
        eyes.page.get_by_label("Token").fill(secret)
        eyes.page.get_by_role("button", name="Log in").click()
        eyes.page.wait_for_url("**/settings")
        assert "You are ada, scientist" in eyes.page.inner_text("main")
        (cookie,) = [each for each in eyes.context.cookies() if each["name"] == "forebay_session"]
        assert cookie["value"] != secret
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        eyes.page.get_by_role("button", name="Log out").click()
        eyes.page.wait_for_url("**/login")
        eyes.go("/settings")
        assert eyes.page.url.startswith(f"{stage.url}/login")


def test_the_providers_button_leads_in_and_to_the_page_that_was_wanted(
    tmp_path: Path, openid_provider: OpenIdProvider, chromium: Chromium
) -> None:
    clock = FakeClock(time.time())
    (port,) = free_ports(1)
    # The provider knows the hub by this name, whose cookies are not those of the address.
    url = f"http://localhost:{port}"
    openid_provider.add("u-40", preferred_username="gail", groups=["data"])
    openid_provider.add("u-41", preferred_username="hank", groups=["football"])
    with Dashboard.on(tmp_path, clock) as dashboard:
        dashboard.open_door(url, openid_provider.issuer)
        with ServedApp(dashboard.made, port), Eyes.of(chromium, url) as eyes:
            for subject in ("u-41", "u-40"):
                eyes.go("/datasets?q=clicks&tag=prod")
                assert eyes.page.url.startswith(f"{url}/login?next=")
                eyes.page.get_by_role("link", name="Log in with localhost").click()
                eyes.page.locator("input[name=sub]").fill(subject)
                eyes.page.get_by_role("button", name="Authorize", exact=True).click()
                if subject == "u-41":
                    eyes.page.get_by_text("hank is in no group that may come in").wait_for()
            eyes.page.wait_for_url(f"{url}/datasets?q=clicks&tag=prod")
            eyes.go("/settings")
            assert "You are gail, scientist" in eyes.page.inner_text("main")


def test_the_palette_finds_by_the_keyboard_alone(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session("ada", Role.SCIENTIST)) as eyes:
        eyes.go("/settings")
        eyes.page.keyboard.press("Control+k")
        eyes.page.keyboard.type("crit")
        options = eyes.page.locator("#found").get_by_role("option")
        options.first.wait_for()
        assert options.nth(0).get_attribute("aria-selected") == "true"
        eyes.page.keyboard.press("ArrowDown")
        assert options.nth(1).get_attribute("aria-selected") == "true"
        chosen = options.nth(1).inner_text()
        eyes.page.keyboard.press("Enter")
        eyes.page.wait_for_url("**/datasets/criteo-features")
        assert "criteo-features" in chosen


def test_the_palette_tells_nothing_of_what_is_hidden(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session("ada", Role.SCIENTIST)) as eyes:
        eyes.go("/settings")
        eyes.page.keyboard.press("/")
        eyes.page.keyboard.type("payroll")
        eyes.page.get_by_text("Nothing that you may see is called so.").wait_for()


def test_it_reads_without_a_script(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session("ada", Role.SCIENTIST), scripts=False) as eyes:
        eyes.go("/settings")
        eyes.page.get_by_label("Theme").select_option("dark")
        eyes.page.get_by_role("button", name="Use it").click()
        assert eyes.page.locator("html").get_attribute("data-theme") == "dark"
        eyes.page.get_by_role("link", name="Find", exact=True).click()
        eyes.page.get_by_label("Dataset, version, run or site", exact=True).fill("criteo@v6")
        eyes.page.get_by_role("button", name="Find").click()
        assert eyes.page.get_by_role("link", name="criteo@v6").is_visible()
        assert not eyes.page.locator("[data-copy]").first.is_visible()


_MOVED = """window.moved = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    window.moved.push(...entry.sources.map((source) => source.node?.outerHTML ?? ""));
}).observe({ type: "layout-shift", buffered: true });"""


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/{done0}", "/admin/audit", "/admin/tokens"])
def test_nothing_moves_when_the_script_comes(path: str, stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.page.add_init_script(_MOVED)
        for width in (WIDE, PHONE):
            eyes.at(width, "light")
            eyes.go(path.format(**stage.showcase.runs))
            eyes.until("document.documentElement.classList.contains('scripted')")
            eyes.page.wait_for_timeout(200)
            assert eyes.page.evaluate("window.moved") == []


@pytest.mark.parametrize("scripts", [True, False])
def test_filters_fold_on_a_phone_unless_one_is_set(scripts: bool, stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session(), scripts=scripts) as eyes:
        fold, field = eyes.page.locator(".filters > summary"), eyes.page.get_by_label("Reads")
        eyes.go("/runs")
        assert field.is_visible()
        assert not fold.is_visible()
        eyes.at(PHONE, "light")
        assert not field.is_visible()
        fold.click()
        assert field.is_visible()
        eyes.go("/runs?state=succeeded")
        assert field.is_visible()
        assert "1 set" in fold.inner_text()


def test_the_skip_link_and_the_navigation_are_reached_by_tab(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session("ada", Role.SCIENTIST)) as eyes:
        eyes.at(PHONE, "light")
        eyes.go("/settings")
        eyes.page.keyboard.press("Tab")
        assert eyes.page.evaluate("document.activeElement.textContent") == "Skip to the page"
        eyes.page.keyboard.press("Enter")
        assert eyes.page.evaluate("document.activeElement.id") == "main"
