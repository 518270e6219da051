"""Graphs as SVG: where boxes stand, what is joined, and that text stays text."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

from forebay.charts.graph import Box, graph

SVG = "{http://www.w3.org/2000/svg}"


def drawn(boxes: list[Box], joins: list[tuple[str, str]]) -> ElementTree.Element:
    return ElementTree.fromstring(graph("g", "What", "What came of what", boxes, joins))


def corners(root: ElementTree.Element) -> list[tuple[float, float]]:
    return [(float(rect.attrib["x"]), float(rect.attrib["y"])) for rect in root.iter(f"{SVG}rect")]


def test_boxes_stand_in_their_columns_and_none_on_another() -> None:
    boxes = [Box(key=str(number), column=number // 3 - 1, label=f"box {number}") for number in range(9)]
    root = drawn(boxes, [("0", "3"), ("3", "6")])
    found = corners(root)
    assert len(set(found)) == 9
    assert len({x for x, _ in found}) == 3
    width, height = (float(root.attrib[name]) for name in ("width", "height"))
    assert all(0 < x < width and 0 < y < height for x, y in found)
    ys = sorted(y for x, y in found if x == found[0][0])
    assert min(b - a for a, b in itertools.pairwise(ys)) > 44


def test_a_box_stands_near_what_it_is_joined_with() -> None:
    boxes = [Box(key=key, column=column, label=key) for column, keys in enumerate(("ab", "cd")) for key in keys]
    root = drawn(boxes, [("a", "d"), ("b", "c")])
    heights = dict(zip("abcd", (y for _, y in corners(root)), strict=True))
    assert heights["a"] == heights["d"]
    assert heights["b"] == heights["c"]


def test_joins_of_what_is_not_there_are_left_out() -> None:
    root = drawn([Box(key="a", column=0, label="a"), Box(key="b", column=1, label="b")], [("a", "b"), ("a", "z")])
    assert len(list(root.iter(f"{SVG}path"))) == 1


def test_boxes_lead_on_and_their_text_is_text() -> None:
    text = graph("g", "<b>", "", [Box(key="a", column=0, label="<script>" * 9, href="/x?a&b", kind="run")], [])
    assert "<script>" not in text
    assert 'href="/x?a&amp;b"' in text
    assert "…" in text
    assert not re.search(r"style=|\son\w+=", text)


def test_nothing_is_a_picture_too() -> None:
    assert corners(drawn([], [])) == []
