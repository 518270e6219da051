"""Charts and bars of runs: curves over one another, and where a run's time went. Values in, markup out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from forebay.charts import scale
from forebay.charts.plot import Label, Line, plot
from forebay.hub.board.run_stages import Stage
from forebay.hub.web.charted import Chart
from forebay.hub.web.show import html
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.runs.figures import Curve
from forebay.words import duration

POINTS: Final = 40
"""Of long curves so many are in the table that a page shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A curve and whose it is: a letter beside it in the chart ("": there is only one), a name in the table."""

    letter: str
    name: str
    curve: Curve


def overlaid(key: str, name: str, series: Sequence[Series], looks: Sequence[int] = (0,), *, points: int) -> Chart:
    """One chart of all of them, with the numbers of so many points; `looks` are those of the lines, 0: the only one."""
    first = series[0].curve
    xs = [x for each in series for x, _ in each.curve.points]
    ys = [y for each in series for _, y in each.curve.points]
    marks: list[Line | Label] = []
    for number, (each, look) in enumerate(zip(series, looks, strict=True), 1):
        marks.append(Line(points=each.curve.points, series=look))
        if each.letter:
            x = _place(each.curve.points, number, len(series))
            marks.append(Label(text=each.letter, x=x, y=_at(each.curve.points, x), side="middle", rise=7))
    told = ", ".join(f"{each.letter} is {each.name}" if each.letter else each.name for each in series)
    chart = plot(
        key,
        name,
        f"{first.y} by {first.x.lower()}: {told}.",
        x=_axis(first.x, xs),
        y=_axis(first.y, ys),
        marks=marks,
        height=280.0,
    )
    reading = f"{first.y} by {first.x.lower()}."
    return Chart(title=name, reading=reading, drawing=chart, numbers=_numbers(key, name, series, points))


def stages_bar(stages: Sequence[Stage]) -> Markup:
    """All of a run's time in one line, by what it did; the table beside it has the numbers."""
    total = sum(stage.seconds for stage in stages) or 1.0
    at, parts = 0.0, []
    for stage in stages:
        width = 1000 * stage.seconds / total
        parts.append(
            html(
                '<rect class="stage-{}" x="{:.1f}" width="{:.1f}" height="12"></rect>', stage.kind, at, max(1.0, width)
            )
        )
        at += width
    told = ", ".join(f"{stage.kind} {duration(stage.seconds)}" for stage in stages)
    return html(
        '<svg class="stages" viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        told,
        Markup("").join(parts),
    )


def by_name(runs: Mapping[str, Sequence[Curve]]) -> dict[str, list[tuple[str, Curve]]]:
    """Curves of one name and the same axes, by the letters of the runs that have them."""
    found: dict[str, list[tuple[str, Curve]]] = {}
    for letter, curves in runs.items():
        for curve in curves:
            same = found.setdefault(curve.name, [])
            if not same or (same[0][1].x, same[0][1].y) == (curve.x, curve.y):
                same.append((letter, curve))
    return found


def _axis(name: str, values: Sequence[float]) -> scale.Axis:
    if min(values) >= 0 and 0.5 < max(values) <= 1 and min(values) < 0.3:
        return scale.whole(name)
    return scale.around(name, values, tell=lambda value: f"{value:.5g}")


def _place(points: Sequence[tuple[float, float]], number: int, count: int) -> float:
    """Letters stand side by side, so that each can be read where curves lie on one another."""
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    return low + (high - low) * (0.15 + 0.7 * number / (count + 1))


def _at(points: Sequence[tuple[float, float]], x: float) -> float:
    for (left, below), (right, above) in pairwise(points):
        if left <= x <= right and right > left:
            return below + (above - below) * (x - left) / (right - left)
    return points[-1][1]


def _numbers(key: str, name: str, series: Sequence[Series], points: int) -> Table:
    """Of long curves some points, evenly chosen."""
    first = series[0].curve
    keys = (first.x, first.y) if len({"run", first.x, first.y}) == 3 else ("x", "y")
    return Table(
        name=key,
        caption=name,
        columns=(
            Column(key="run", title="Run"),
            *(Column(key=key, title=title, number=True) for key, title in zip(keys, (first.x, first.y), strict=True)),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=each.letter or each.name),
                    Cell(value=x, shown=f"{x:.5g}"),
                    Cell(value=y, shown=f"{y:.5g}"),
                )
            )
            for each in series
            for x, y in _chosen(each.curve.points, max(2, points // len(series)))
        ),
    )


def _chosen(points: Sequence[tuple[float, float]], most: int) -> Sequence[tuple[float, float]]:
    count = min(len(points), most)
    return [points[round(at * (len(points) - 1) / (count - 1))] for at in range(count)]
