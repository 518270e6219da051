"""A chart draws every mark inside its frame, says in words what it shows, and looks only by classes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.charts import look, scale
from forebay.charts.plot import WIDTH, Columns, Dots, Label, Line, Mark, bar, plot
from forebay.charts.table import Column, figure, numbers, table

SVG = "{http://www.w3.org/2000/svg}"
POINTS = st.lists(st.tuples(st.floats(-2, 3), st.floats(-2, 3)), min_size=1, max_size=20)


def drawn(*marks: Mark) -> ET.Element:
    axes = scale.whole("share of rows"), scale.whole("share of clicks")
    return ET.fromstring(plot("k", "Title <1>", "What it says", x=axes[0], y=axes[1], marks=marks))


def test_a_chart_says_what_it_shows() -> None:
    svg = drawn(Line(points=((0, 0), (1, 1))))
    assert svg.get("role") == "img"
    words = {each.get("id"): each.text for each in svg.iter() if each.get("id")}
    assert words == {svg.get("aria-labelledby"): "Title <1>", svg.get("aria-describedby"): "What it says"}
    texts = [each.text for each in svg.iter(f"{SVG}text")]
    assert texts.count("0.4") == 2
    assert texts[-2:] == ["share of clicks", "share of rows"]


@given(POINTS)
def test_nothing_is_drawn_outside_of_the_frame(points: list[tuple[float, float]]) -> None:
    line = Line(points=tuple(points))
    dots = Dots(points=tuple((x, y, y - 0.1, y + 0.1) for x, y in points))
    columns = Columns(points=tuple(points), texts=("",) * len(points), width=0.1)
    svg = drawn(line, dots, columns)
    places = [
        tuple(map(float, place.split()))
        for path in svg.iter(f"{SVG}path")
        for place in re.split("[ML]", path.get("d") or "")[1:]
    ]
    places += [(float(each.get("cx") or -1), float(each.get("cy") or -1)) for each in svg.iter(f"{SVG}circle")]
    for each in svg.iter(f"{SVG}rect"):
        x, y, width, height = (float(each.get(name) or -1) for name in ("x", "y", "width", "height"))
        assert width >= 0
        assert height >= 0
        places += [(x, y), (x + width, y + height)]
    assert all(0 <= x <= WIDTH and 0 <= y <= 300 for x, y in places)


def test_higher_values_are_higher_and_labels_are_on_top() -> None:
    svg = drawn(Label(text="AUC", x=0.5, y=0.5, rise=10), Dots(points=((0.2, 0.3, 0.2, 0.4), (0.4, 0.9, 0.8, 1.0))))
    first, second = svg.iter(f"{SVG}circle")
    assert float(first.get("cx") or 0) < float(second.get("cx") or 0)
    assert float(first.get("cy") or 0) > float(second.get("cy") or 0)
    assert list(svg)[-1].text == "AUC"


def test_columns_need_a_text_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        drawn(Columns(points=((0.1, 0.5),), texts=()))


@pytest.mark.parametrize(("share", "width"), [(0.25, "25"), (-1, "0"), (7, "100")])
def test_a_bar_is_as_long_as_its_share(share: float, width: str) -> None:
    (mark,) = ET.fromstring(bar(share))
    assert mark.get("width") == width


def test_a_table_names_its_columns_and_rows_and_can_be_reached_by_keyboard() -> None:
    read = ET.fromstring(table("Rows by day", (Column(head="Day", words=True), *numbers("Rows")), [("4", "1,000")]))
    assert (read.get("tabindex"), read.get("role"), read.get("aria-label")) == ("0", "region", "Rows by day")
    assert [each.text for each in read.iter("caption")] == ["Rows by day"]
    assert [(each.text, each.get("scope")) for each in read.iter("th")] == [
        ("Day", "col"),
        ("Rows", "col"),
        ("4", "row"),
    ]
    assert [(each.text, each.get("class")) for each in read.iter("td")] == [("1,000", "n")]


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        table("x", numbers("A", "B"), [("1",)])


def test_a_figure_folds_its_numbers_away_or_leaves_them_to_the_page() -> None:
    numbers_table = table("x", numbers("A"), [("1",)])
    folded = ET.fromstring(figure("Title", "Reading", bar(1), numbers_table))
    assert [each.tag.removeprefix(SVG) for each in folded] == ["figcaption", "svg", "details"]
    assert folded.find("details/div/table") is not None
    assert ET.fromstring(figure("Title", "Reading", bar(1), None)).find("details") is None


def colours(css: str, scheme: str) -> dict[str, str]:
    light, _, dark = css.partition("@media screen")
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(scheme: str) -> None:
    of = colours(look.TOKENS, scheme)
    for behind in ("--bg", "--surface"):
        for name, least in (("--ink", 4.5), ("--soft", 4.5), ("--accent", 4.5), ("--faint", 3.0)):
            low, high = sorted((luminance(of[behind]), luminance(of[name])))
            assert (high + 0.05) / (low + 0.05) >= least, f"{name} on {behind}"


def test_only_tokens_hold_colours_and_every_token_used_is_there() -> None:
    assert re.search(r"#[0-9a-f]{3}", look.CHARTS) is None
    used = set(re.findall(r"var\((--[\w-]+)\)", look.CHARTS))
    assert used <= set(re.findall(r"(--[\w-]+):", look.TOKENS))
    assert set(colours(look.TOKENS, "light")) == set(colours(look.TOKENS, "dark"))
