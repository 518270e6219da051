"""How often a dataset was opened, day by day, as a chart with its numbers. Values in, markup out."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from forebay.charts.plot import Columns, plot
from forebay.charts.scale import Axis, round_step
from forebay.hub.board.dataset import DayOfUse
from forebay.hub.web import show
from forebay.hub.web.charted import Chart
from forebay.hub.web.table import Cell, Column, Row, Table


def openings_by_day(days: Sequence[DayOfUse]) -> Chart:
    """A column a day."""
    counts = [day.uses for day in days]
    most = max(counts)
    told = [_day(day.begins_at) for day in days]
    peak = counts.index(most)
    texts = tuple(str(most) if index == peak and most else "" for index in range(len(days)))
    chart = plot(
        "use",
        "Openings by day",
        f"{sum(counts)} openings in {len(days)} days, at most {most} in one, on {told[peak]}.",
        x=Axis(
            name="",
            low=-0.6,
            high=len(days) - 0.4,
            ticks=tuple(float(index) for index in range(1, len(days), 7)),
            tell=lambda value: told[int(value)],
        ),
        y=_whole("openings", most),
        marks=[Columns(points=tuple((float(index), float(count)) for index, count in enumerate(counts)), texts=texts)],
        height=200.0,
    )
    return Chart(
        title=f"{show.count(sum(counts), 'opening')} in {len(days)} days",
        reading="How often any version was opened, by day (UTC).",
        drawing=chart,
        numbers=_numbers(days),
    )


def _numbers(days: Sequence[DayOfUse]) -> Table:
    return Table(
        name="openings",
        caption="Openings by day",
        columns=(Column(key="day", title="Day", number=True), Column(key="openings", title="Openings", number=True)),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=f"{_moment(day.begins_at):%Y-%m-%d}", shown=_day(day.begins_at)),
                    Cell(value=day.uses),
                )
            )
            for day in days
        ),
    )


def _whole(name: str, most: int) -> Axis:
    """Up from 0, with ticks at whole numbers."""
    step = max(1.0, round_step(max(most, 1), 4))
    step = 5.0 if step == 2.5 else step
    high = step * -(-max(most, 1) // step)
    ticks = tuple(step * number for number in range(round(high / step) + 1))
    return Axis(name=name, low=0.0, high=high, ticks=ticks, tell=lambda value: f"{value:,.0f}")


def _day(at: float) -> str:
    moment = _moment(at)
    return f"{moment.day} {moment:%b}"


def _moment(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)
