"""The report in a real browser: it calls nobody, complains of nothing, and fits a phone as well as a desk and paper."""

from __future__ import annotations

import pytest

from forebay.ctr.report.files import write_report
from forebay.testing.servers import Chromium
from tests.unit.ctr.report.samples import sample

pytestmark = pytest.mark.integration

# Of every shown text in the charts and the page: is it large enough, and inside the window?
_SMALLEST = """() => Math.min(...[...document.querySelectorAll('svg.chart text')].map(
    text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
_TALLEST_APART = """() => Math.max(...[...document.querySelectorAll('.charts')].map(row => {
    const tops = [...row.querySelectorAll('svg.chart')].map(chart => chart.getBoundingClientRect().top);
    return Math.max(...tops) - Math.min(...tops); }))"""
_BACKGROUND = "() => getComputedStyle(document.body).backgroundColor"
_SHOWN_TABLES = "() => [...document.querySelectorAll('table')].filter(table => table.checkVisibility()).length"
_CUT = """() => [...document.querySelectorAll('svg.chart')].flatMap(chart => {
    const frame = chart.getBoundingClientRect();
    return [...chart.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1;
    }).map(text => text.textContent); })"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    features = "a-name-of-a-data-set-that-is-longer-than-most-and-has-no-space-to-break-at@v1234"
    return write_report(folder, sample(features=features)).as_uri()


def test_the_page_in_a_browser(chromium: Chromium, page: str) -> None:
    for width in (375, 320, 768, 1200, 2560):
        with chromium.visit(page, width=width) as visit:
            assert not visit.overflows, f"at {width} px"
            assert visit.page.evaluate(_SMALLEST) >= 9.0, f"at {width} px"
            assert visit.page.evaluate(_CUT) == [], f"at {width} px"
            assert visit.requests == [page]
            assert visit.complaints == []
            if width > 760:
                assert visit.page.evaluate(_TALLEST_APART) < 1, f"at {width} px"


def test_dark_unfolded_by_keyboard_and_on_paper(chromium: Chromium, page: str) -> None:
    with chromium.visit(page, scheme="dark") as visit:
        assert visit.page.evaluate(_BACKGROUND) == "rgb(17, 21, 23)"
        shown = visit.page.evaluate(_SHOWN_TABLES)
        visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_function(f"({_SHOWN_TABLES})() == {shown + 1}")
        # On paper nothing can be unfolded, and the ground is white.
        visit.page.emulate_media(media="print")
        assert visit.page.evaluate(_BACKGROUND) == "rgb(251, 251, 250)"
        assert visit.page.evaluate(_SHOWN_TABLES) == visit.page.evaluate("document.querySelectorAll('table').length")
        assert visit.complaints == []
