"""A graph that flows from left to right: boxes in columns, joined by curves. Each box may lead somewhere.

Beside it stands a table of the same; whoever hears the page has that, and the boxes as links in their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from forebay.charts.markup import Markup, element, number

_WIDTH, _HEIGHT = 172.0, 44.0
_ACROSS, _DOWN = 52.0, 14.0
_EDGE = 8.0
_LETTERS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """`column` counts from any number; boxes of one column stand in the order given. `kind` is a class of CSS."""

    key: str
    column: int
    label: str
    fact: str = ""
    href: str = ""
    kind: str = ""


def graph(key: str, title: str, description: str, boxes: Sequence[Box], joins: Sequence[tuple[str, str]]) -> Markup:
    """An SVG image; `key` is unique on its page. Joins of boxes that are not there are left out."""
    places = _places(boxes, joins)
    right = max((x for x, _ in places.values()), default=0.0) + _WIDTH + _EDGE
    bottom = max((y for _, y in places.values()), default=0.0) + _HEIGHT + _EDGE
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        element("g", *(_join(places[a], places[b]) for a, b in joins if a in places and b in places), class_="joins"),
        *(_box(box, *places[box.key]) for box in boxes),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(right)} {number(bottom)}",
        width=right,
        height=bottom,
        class_="graph",
        role="group",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
    )


def _places(boxes: Sequence[Box], joins: Sequence[tuple[str, str]]) -> Mapping[str, tuple[float, float]]:
    """Column by column; in each as near as can be to what its boxes are joined with, so that few curves cross."""
    columns: dict[int, list[Box]] = defaultdict(list)
    for box in boxes:
        columns[box.column].append(box)
    most = max((len(column) for column in columns.values()), default=0)
    near: dict[str, list[str]] = defaultdict(list)
    for a, b in joins:
        near[a].append(b)
        near[b].append(a)
    found: dict[str, tuple[float, float]] = {}
    for place, column in enumerate(sorted(columns)):
        ordered = sorted(enumerate(columns[column]), key=lambda item: (_mean(near[item[1].key], found), item[0]))
        first = _EDGE + (most - len(ordered)) * (_HEIGHT + _DOWN) / 2
        for row, (_, box) in enumerate(ordered):
            found[box.key] = _EDGE + place * (_WIDTH + _ACROSS), first + row * (_HEIGHT + _DOWN)
    return found


def _mean(keys: Sequence[str], found: Mapping[str, tuple[float, float]]) -> float:
    heights = [found[key][1] for key in keys if key in found]
    return sum(heights) / len(heights) if heights else float("inf")


def _join(source: tuple[float, float], target: tuple[float, float]) -> Markup:
    x, y = source[0] + _WIDTH, source[1] + _HEIGHT / 2
    u, v = target[0], target[1] + _HEIGHT / 2
    bend = max(_ACROSS, abs(u - x)) / 2
    points = (x + bend, y, u - bend, v, u, v)
    return element("path", d=f"M{number(x)} {number(y)}C{' '.join(map(number, points))}")


def _box(box: Box, x: float, y: float) -> Markup:
    drawn = (
        element("title", f"{box.label}, {box.fact}" if box.fact else box.label),
        element("rect", x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=6.0),
        element("text", _short(box.label), x=x + 10, y=y + 18, class_="label"),
        element("text", _short(box.fact, 28), x=x + 10, y=y + 34, class_="fact"),
    )
    kind = f"box {box.kind}".rstrip()
    if box.href:
        return element("a", *drawn, href=box.href, class_=kind)
    return element("g", *drawn, class_=kind)


def _short(text: str, letters: int = _LETTERS) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
