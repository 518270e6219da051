"""A chart with the table of its numbers, which its page has among its own: shown folded, given as CSV or JSON."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forebay.charts import markup as charts
from forebay.charts.table import figure
from forebay.hub.web.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`reading` is the sentence that says how to read the drawing."""

    title: str
    reading: str
    drawing: charts.Markup
    numbers: Table


def drawn_chart(chart: Chart, numbers: Markup) -> Markup:
    """The figure, with that markup of its numbers under it."""
    return Markup(figure(chart.title, chart.reading, chart.drawing, charts.Markup(numbers)))  # noqa: S704 charts escape
