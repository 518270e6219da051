"""How values look on a page: told in words, and never as markup of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from forebay.hub.web import show
from forebay.hub.web.page import Redirect
from forebay.hub.web.route import Pages, in_order

MARKUP = "<i onclick='x'>&\""


@pytest.mark.parametrize(
    "shown",
    [
        show.state("ready", MARKUP, MARKUP),
        show.copy(MARKUP),
        show.copy("x", MARKUP),
        show.command(MARKUP),
        show.tag(MARKUP),
        show.mono(MARKUP),
        show.link(MARKUP, MARKUP),
        show.link('/"onmouseover="x', "x"),
        show.bar(0.5, MARKUP, MARKUP),
    ],
)
def test_text_stays_text(shown: str) -> None:
    assert "<i" not in shown
    assert not re.search(r'"\s*on[a-z]+=', shown)


@pytest.mark.parametrize(
    ("href", "safe"),
    [
        ("/datasets/a", "/datasets/a"),
        ("?before=3", "?before=3"),
        ("#main", "#main"),
        ("https://dask.example/status", "https://dask.example/status"),
        ("javascript:alert(1)", "#"),
        ("JaVaScRiPt:alert(1)", "#"),
        (" javascript:alert(1)", "#"),
        ("data:text/html,x", "#"),
        ("//evil.example", "#"),
        ("/\\evil.example", "#"),
    ],
)
def test_links_lead_here_or_by_http(href: str, safe: str) -> None:
    assert show.safe(href) == safe


def test_nearly_all_is_not_all_and_what_is_not_known_is_not_nothing() -> None:
    assert [show.percent(share) for share in (0.0, 0.62, 0.9999, 1.0, None)] == ["0 %", "62 %", "99 %", "100 %", "–"]
    assert "dim" in show.size(None)
    assert "0 B" in show.size(0)


def test_times_say_before_and_after() -> None:
    now = 1_800_000_000.0
    assert show.relative(now - 200, now) == "3 min ago"
    assert show.relative(now + 7200, now) == "in 2 h"
    assert 'datetime="2027-01-15T07:56:40Z"' in show.when(now - 200, now)


def test_literal_addresses_come_before_those_with_parameters() -> None:
    pages = Pages()
    for path in ("/sites/{name}", "/sites/where", "/sites", "/{any}"):
        pages.get(path)(lambda _: Redirect(to="/"))
    assert [route.path for route in in_order(pages.routes)] == ["/sites", "/sites/where", "/sites/{name}", "/{any}"]


def test_the_script_stays_small_and_style_stays_in_its_tokens() -> None:
    static = Path(show.__file__).parent / "static"
    assert len((static / "forebay.js").read_text().splitlines()) < 300
    for sheet in sorted((static / "css").glob("[1-9]-*.css")):
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(|hsl\(", sheet.read_text()), (
            f"{sheet.name} has a colour of its own"
        )
