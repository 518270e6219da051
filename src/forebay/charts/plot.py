"""A chart: marks over two axes. Named at the marks themselves, quiet elsewhere; readable from 320 pixels on.

Drawn 360 wide, about as wide as a phone shows it, so that its text is as large as the page's small text there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from forebay.charts.markup import Markup, element, join, number
from forebay.charts.scale import Axis

WIDTH: Final = 360.0
_RIGHT, _TOP, _BOTTOM = 14.0, 30.0, 40.0
_LEAST_LEFT, _LETTER = 36.0, 7.5
Side = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A mark's name, at a place in the axes' values; `rise` moves it up by so many units of the drawing."""

    text: str
    x: float
    y: float
    side: Side = "start"
    rise: float = 0.0
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """(x, y) joined by straight lines. `quiet`: what the others are compared with, dashed.

    `series` counts from 1 where several are told apart, and names a class: `s1`, `s2`, ...
    """

    points: tuple[tuple[float, float], ...]
    quiet: bool = False
    series: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """(x, y, low, high): points with an interval of y each."""

    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """(x, y): bars up from 0, `width` of x wide, each with `texts` above."""

    points: tuple[tuple[float, float], ...]
    texts: tuple[str, ...]
    width: float = 0.7


Mark = Line | Dots | Columns | Label


@dataclass(frozen=True, kw_only=True)
class _Frame:
    x: Axis
    y: Axis
    height: float

    def across(self, value: float) -> float:
        return self.left + self.x.share(value) * (self.right - self.left)

    def up(self, value: float) -> float:
        return self.bottom - self.y.share(value) * (self.bottom - _TOP)

    @cached_property
    def left(self) -> float:
        """Room for the longest tick, at the size it has on a phone."""
        return max(_LEAST_LEFT, 8 + _LETTER * max(len(self.y.tell(value)) for value in self.y.ticks))

    @property
    def bottom(self) -> float:
        return self.height - _BOTTOM

    @property
    def right(self) -> float:
        return WIDTH - _RIGHT


def plot(
    key: str, title: str, description: str, *, x: Axis, y: Axis, marks: Sequence[Mark], height: float = 300.0
) -> Markup:
    """An SVG image. `key` is unique on its page; `title` and `description` say in words what the chart shows."""
    frame = _Frame(x=x, y=y, height=height)
    drawn = [_draw(frame, mark) for mark in sorted(marks, key=lambda mark: isinstance(mark, Label))]
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        _grid(frame),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(WIDTH)} {number(height)}",
        class_="chart",
        role="img",
        aria_labelledby=f"{key}-title",
        aria_describedby=f"{key}-desc",
    )


def bar(share: float) -> Markup:
    """A share between 0 and 1 of the cell's width, beside the number that says how much it is."""
    width = 100 * min(1.0, max(0.0, share))
    return element(
        "svg",
        element("rect", class_="mark", width=width, height=8.0),
        xmlns="http://www.w3.org/2000/svg",
        viewBox="0 0 100 8",
        preserveAspectRatio="none",
        class_="bar",
        aria_hidden="true",
    )


def _grid(frame: _Frame) -> Markup:
    rows = [_row(frame, value) for value in frame.y.ticks]
    columns = [
        element("text", frame.x.tell(value), class_="tick", x=frame.across(value), y=frame.bottom + 15, **_MIDDLE)
        for value in frame.x.ticks
    ]
    return element(
        "g",
        *rows,
        *columns,
        element("path", class_="axis", d=_path([(frame.left, frame.bottom), (frame.right, frame.bottom)])),
        element("text", frame.y.name, class_="name", x=2.0, y=12.0),
        element("text", frame.x.name, class_="name", x=frame.right, y=frame.height - 6, **_END),
    )


_MIDDLE: Final = {"text_anchor": "middle"}
_END: Final = {"text_anchor": "end"}


def _row(frame: _Frame, value: float) -> Markup:
    place = frame.up(value)
    return join(
        element("path", class_="grid", d=_path([(frame.left, place), (frame.right, place)])),
        element("text", frame.y.tell(value), class_="tick", x=frame.left - 6, y=place + 4, **_END),
    )


def _draw(frame: _Frame, mark: Mark) -> Markup:
    match mark:
        case Line():
            path = _path([(frame.across(x), frame.up(y)) for x, y in mark.points])
            more = " quiet" if mark.quiet else f" s{mark.series}" if mark.series else ""
            return element("path", class_=f"line{more}", d=path)
        case Dots():
            return join(*(_dot(frame, *point) for point in mark.points))
        case Columns():
            return join(*(_column(frame, mark.width, *each) for each in zip(mark.points, mark.texts, strict=True)))
        case Label():
            return element(
                "text",
                mark.text,
                class_="label quiet" if mark.quiet else "label",
                x=frame.across(mark.x),
                y=frame.up(mark.y) - mark.rise,
                text_anchor=mark.side,
            )


def _dot(frame: _Frame, x: float, y: float, low: float, high: float) -> Markup:
    across = frame.across(x)
    return join(
        element("path", class_="interval", d=_path([(across, frame.up(low)), (across, frame.up(high))])),
        element("circle", class_="mark", cx=across, cy=frame.up(y), r=3.0),
    )


def _column(frame: _Frame, width: float, point: tuple[float, float], text: str) -> Markup:
    x, y = point
    left, right, top = frame.across(x - width / 2), frame.across(x + width / 2), frame.up(y)
    return join(
        element("rect", class_="mark", x=left, y=top, width=right - left, height=frame.bottom - top),
        element("text", text, class_="label quiet", x=frame.across(x), y=top - 5, **_MIDDLE),
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
