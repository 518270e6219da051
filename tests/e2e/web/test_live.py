"""Live parts in real browsers: what one does the other sees without a reload, and who may not see it does not."""

from __future__ import annotations

import pytest

from forebay.testing.servers import Chromium
from forebay.testing.web.looking import Eyes
from forebay.testing.web.showcase import HIDDEN
from forebay.wire.access import Role
from forebay.wire.sites import SiteState
from tests.e2e.web.conftest import Stage

pytestmark = pytest.mark.e2e


def test_two_browsers_see_what_happens_each_as_far_as_they_may(stage: Stage, chromium: Chromium) -> None:
    with (
        Eyes.of(chromium, stage.url, stage.session()) as admin,
        Eyes.of(chromium, stage.url, stage.session("ada", Role.SCIENTIST)) as ada,
    ):
        for eyes in (admin, ada):
            eyes.go("/")
            eyes.page.evaluate("window.notReloaded = true")
            assert "criteo@v5" not in eyes.page.inner_text("main")
        stage.showcase.filling(stage.showcase.gcp, "criteo@v5", 0.3)
        stage.showcase.filling(stage.showcase.dgx, f"{HIDDEN}@v1", 0.3)
        for eyes in (admin, ada):
            eyes.page.get_by_text("criteo@v5").first.wait_for()
            assert eyes.page.evaluate("window.notReloaded")
        admin.page.get_by_text(f"{HIDDEN}@v1").first.wait_for()
        assert HIDDEN not in ada.page.inner_text("main")
        assert admin.complaints == ada.complaints == []


def test_a_reader_who_is_in_a_live_part_stays_there(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go("/")
        link = eyes.page.locator("[data-live] a").first
        link.focus()
        href = link.get_attribute("href")
        stage.showcase.filling(stage.showcase.gcp, "criteo@v4", 0.1)
        eyes.page.get_by_text("criteo@v4").first.wait_for()
        assert eyes.page.evaluate("document.activeElement.getAttribute('href')") == href


def test_who_logged_out_elsewhere_is_told_nothing_more(stage: Stage, chromium: Chromium) -> None:
    secret = stage.session("olga", Role.ENGINEER)
    with Eyes.of(chromium, stage.url, secret) as eyes:
        eyes.go("/")
        eyes.until("stream !== null && stream.readyState === EventSource.OPEN")
        for token in stage.dashboard.access.tokens("olga"):
            stage.dashboard.access.revoke_token(token.token_id)
        eyes.until("stream === null")
        stage.showcase.filling(stage.showcase.gcp, "criteo@v3", 0.1)
        assert "criteo@v3" not in eyes.page.inner_text("main")


def test_the_page_of_a_version_shows_a_fill_as_it_goes(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go("/datasets/criteo/v2")
        eyes.page.evaluate("window.notReloaded = true")
        assert "37 %" not in eyes.page.inner_text("#places")
        stage.showcase.filling(stage.showcase.gcp, "criteo@v2", 0.37)
        eyes.page.locator("#places").get_by_text("37 %").first.wait_for()
        assert eyes.page.evaluate("window.notReloaded")
        assert eyes.complaints == []


def test_the_page_of_a_dataset_shows_a_fill_as_it_goes(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go("/datasets/criteo")
        eyes.page.evaluate("window.notReloaded = true")
        assert "29 %" not in eyes.page.inner_text("#versions")
        stage.showcase.filling(stage.showcase.gcp, "criteo@v1", 0.29)
        eyes.page.locator("#versions").get_by_text("29 %").first.wait_for()
        assert eyes.page.evaluate("window.notReloaded")
        assert eyes.complaints == []


def test_what_somebody_has_written_is_not_swapped_away(stage: Stage, chromium: Chromium) -> None:
    """A site is drained by somebody else while one writes why it should be, and looks elsewhere for a moment."""
    sites = stage.dashboard.hub.sites
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go("/sites/gcp-cpu")
        eyes.page.locator("#out input[name=reason]").fill("new disks")
        eyes.page.evaluate("document.activeElement.blur()")
        try:
            sites.set_state("gcp-cpu", SiteState.DRAINING, "power cut")
            eyes.page.locator("#acts").get_by_text("Bring it back").wait_for()
            eyes.page.locator("#state").get_by_text("power cut").wait_for()
            assert eyes.page.locator("#out input[name=reason]").input_value() == "new disks"
        finally:
            sites.set_state("gcp-cpu", SiteState.UP, "")
        assert eyes.complaints == []


def test_a_stream_that_the_hub_ends_says_why_and_the_page_goes_on(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go("/")
        eyes.until("stream !== null && stream.readyState === EventSource.OPEN")
        why = "JSON.stringify({why: 'Too many <b>pages</b> are open.'})"
        eyes.page.evaluate(f"stream.dispatchEvent(new MessageEvent('over', {{data: {why}}}))")
        assert eyes.page.inner_text("#main > .notice") == "Too many <b>pages</b> are open."
        eyes.page.evaluate("watch()")
        assert eyes.page.evaluate("stream === null"), "it does not come back by itself"
        assert eyes.page.get_by_role("heading", name="Overview").is_visible()


def test_what_comes_as_it_is_there_already_changes_nothing(stage: Stage, chromium: Chromium) -> None:
    """A frame that took the place of its like would load anew, and be white for a moment."""
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go(f"/runs/{stage.showcase.runs['done0']}")
        eyes.page.evaluate("window.frame = document.querySelector('iframe.report')")
        eyes.until("came.has('report')")
        assert eyes.page.evaluate("document.querySelector('iframe.report') === frame")
        eyes.page.evaluate("stopWatching(); came.delete('figures'); watch()")
        eyes.until("came.has('figures')")
        assert eyes.page.evaluate("document.querySelector('iframe.report') === frame"), "not with a new stream either"


def test_numbers_that_were_opened_stay_open_when_their_chart_is_drawn_anew(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go(f"/runs/{stage.showcase.runs['running']}")
        eyes.until("came.has('figures')")
        eyes.page.locator("#figures figure summary").first.click()
        folded = "document.getElementById('figures').outerHTML.replace(' open=\"\"', '')"
        eyes.page.evaluate(f"swap('figures', {folded} + ' ')")
        opened = "[...document.querySelectorAll('#figures details')].map((item) => item.open)"
        assert eyes.page.evaluate(opened)[0]
        eyes.page.evaluate(f"swap('figures', {folded}.replace('>Numbers<', '>Others<'))")
        assert not eyes.page.evaluate(opened)[0], "of another one nothing is known"


def test_what_came_while_somebody_read_there_comes_once_they_have_done(stage: Stage, chromium: Chromium) -> None:
    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go(f"/runs/{stage.showcase.runs['running']}")
        eyes.until("came.has('now')")
        eyes.page.evaluate("getSelection().selectAllChildren(document.querySelector('#now p'))")
        eyes.page.evaluate("swap('now', '<section id=now data-live>It has ended.</section>')")
        assert "It has ended." not in eyes.page.inner_text("#now")
        eyes.page.evaluate("getSelection().removeAllRanges()")
        eyes.until("document.getElementById('now').textContent === 'It has ended.'")


def test_a_log_is_followed_from_its_end_and_stays_where_somebody_reads(stage: Stage, chromium: Chromium) -> None:
    run_id = stage.showcase.runs["running"]
    runs = stage.showcase.hub.runs

    def write(text: str) -> None:
        attempt = runs.get(run_id).attempts[-1]
        runs.add_log(run_id, attempt.number, attempt.token, runs.log(run_id, 0, 0, 1 << 20).next_offset, text)
        eyes.page.get_by_text(text.strip().splitlines()[-1]).wait_for()

    with Eyes.of(chromium, stage.url, stage.session()) as eyes:
        eyes.go(f"/runs/{run_id}/log")
        eyes.until("came.has('log')")
        eyes.page.evaluate("window.log = () => document.querySelector('div.log')")
        write("".join(f"further {number}\n" for number in range(50)))
        assert eyes.page.evaluate("log().scrollTop") == 0, "its end"
        eyes.page.evaluate("log().scrollTop = -300")
        before = eyes.page.evaluate("placeIn(log())")
        write("".join(f"beyond {number}\n" for number in range(50)))
        after = eyes.page.evaluate("placeIn(log())")
        assert not before["atEnd"]
        assert abs(after["top"] - before["top"]) < 2
        assert eyes.page.evaluate("log().scrollTop") < -300
        assert eyes.complaints == []
