"""Markup that nobody's text can break out of, and that pages may show under the strictest policy."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.charts.markup import Markup, element, join, number
from forebay.errors import InternalError


@given(st.text(), st.text())
def test_any_text_comes_back_as_text_and_never_as_markup(text: str, title: str) -> None:
    read = ET.fromstring(element("g", element("text", text), data_title=title))
    assert [each.tag for each in read.iter()] == ["g", "text"]
    assert list(read.attrib) == ["data-title"]
    assert len(read[0].text or "") <= len(text)


def test_what_looks_like_markup_is_escaped_once() -> None:
    made = element("td", "<b>A & B</b>", element("b", "x"), class_='"n')
    assert made == '<td class="&quot;n">&lt;b&gt;A &amp; B&lt;/b&gt;<b>x</b></td>'
    assert join(made, None, "&") == f"{made}&amp;"


def test_a_template_takes_it_as_it_is() -> None:
    environment = jinja2.Environment(autoescape=True)
    made = environment.from_string("{{ made }}{{ text }}").render(made=element("b", "&"), text="<")
    assert made == "<b>&amp;</b>&lt;"


def test_attributes_that_are_not_there_are_left_out() -> None:
    assert element("br", hidden=True, id=None, open=False) == "<br hidden>"
    assert element("rect", width=1.0, x=2.345, y=-0.001) == '<rect width="1" x="2.35" y="0"></rect>'


@pytest.mark.parametrize("attribute", ["style", "onclick", "ONLOAD", "x y", "a=b", ""])
def test_what_styles_or_runs_something_is_refused(attribute: str) -> None:
    with pytest.raises(InternalError):
        element("g", **{attribute: "x"})


@pytest.mark.parametrize("tag", ["script", "style", "g onload", "<g", ""])
def test_what_is_no_element_of_a_chart_is_refused(tag: str) -> None:
    with pytest.raises(InternalError):
        element(tag)


@given(st.floats(-1e6, 1e6))
def test_a_coordinate_keeps_two_decimals(value: float) -> None:
    told = number(value)
    assert abs(float(told) - value) <= 0.00501
    assert "e" not in told
    assert told != "-0"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_nowhere_is_refused(value: float) -> None:
    with pytest.raises(InternalError):
        number(value)


def test_markup_is_a_string() -> None:
    assert isinstance(element("b", "x"), str)
    assert Markup("<b>").__html__() == "<b>"
