"""How a preview looks: columns with their distributions, sample rows. Values in, tables out."""

from __future__ import annotations

import datetime
from itertools import pairwise

from markupsafe import Markup

from forebay.charts.bins import bins
from forebay.hub.web import show
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.wire.previews import QUANTILES, ColumnPreview, TablePreview

_TOP_SHOWN = 3
MEDIAN = QUANTILES.index(0.5)


def columns_table(table: TablePreview) -> Table:
    """A row for each column."""
    return Table(
        name="columns",
        caption="Columns",
        columns=(
            Column(key="column", title="Column"),
            Column(key="type", title="Type"),
            Column(key="distribution", title="Distribution"),
            Column(key="missing", title="Missing", number=True),
            Column(key="distinct", title="Distinct", number=True),
            Column(key="least", title="Least", number=True),
            Column(key="median", title="Median", number=True),
            Column(key="mean", title="Mean", number=True),
            Column(key="greatest", title="Greatest", number=True),
        ),
        rows=tuple(_column_row(column, table.seen_rows) for column in table.columns),
        empty="The file has no columns.",
    )


def sample_table(table: TablePreview) -> Table:
    """The first rows, as they are."""
    names = [column.name for column in table.columns]
    keys = [name if names.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(names, 1)]
    titles = [Column(key=key or "(no name)", title=key or "(no name)") for key in keys]
    rows = (Row(cells=(Cell(value=at), *map(_value, row))) for at, row in enumerate(table.sample, 1))
    return Table(
        name="sample",
        caption="The first rows",
        columns=(Column(key="row", title="Row", number=True), *titles),
        rows=tuple(rows),
        empty="The file has no rows.",
    )


def bins_table(table: TablePreview) -> Table:
    """The numbers of all histograms, and the frequent values."""
    rows = [row for column in table.columns for row in _bin_rows(column)]
    return Table(
        name="bins",
        caption="Distributions as numbers",
        columns=(
            Column(key="column", title="Column"),
            Column(key="from", title="From, or value"),
            Column(key="to", title="Up to"),
            Column(key="rows", title="Rows", number=True),
        ),
        rows=tuple(rows),
        empty="No column has numbers or values that repeat.",
    )


def facts(table: TablePreview) -> list[str]:
    """What the file is, in a few words each."""
    told = [show.count(table.rows, "row")] if table.rows is not None else []
    told.append(show.count(len(table.columns) + table.more_columns, "column"))
    if table.more_columns:
        told.append(f"the first {len(table.columns)} are shown")
    if table.rows != table.seen_rows:
        told.append(f"statistics of {show.count(table.seen_rows, 'row')}")
    if table.bad_rows:
        told.append(f"{show.count(table.bad_rows, 'row')} did not fit the others")
    return told


def _column_row(column: ColumnPreview, rows: int) -> Row:
    told = [number(column, column.quantiles[MEDIAN]) if column.quantiles else None, number(column, column.mean)]
    return Row(
        cells=(
            Cell(value=column.name, shown=show.mono(column.name or "(no name)")),
            Cell(value=column.type, shown=show.mono(column.type)),
            Cell(value=in_words(column), shown=distribution(column, rows)),
            Cell(value=column.nulls, shown=show.part(column.nulls / max(1, rows))),
            _distinct(column),
            _end(column, column.minimum),
            *(Cell(value=text, shown=text or none()) for text in told),
            _end(column, column.maximum),
        )
    )


def distribution(column: ColumnPreview, rows: int) -> Markup:
    """A small histogram, or the most frequent values with their shares."""
    if column.histogram is not None:
        titles = [
            f"{number(column, low)} to {number(column, high)}: {show.count(count, 'row')}"
            for (low, high), count in zip(pairwise(column.histogram.edges), column.histogram.counts, strict=True)
        ]
        label = f"Distribution of {column.name}, {column.minimum} to {column.maximum}"
        # Its own escaped markup, of another module's class.
        return Markup(str(bins(column.histogram.counts, titles, label)))  # noqa: S704
    if not column.top:
        return none()
    shown = Markup("").join(
        Markup('<li><span class="value">{}</span> <span class="dim">{}</span></li>').format(
            top.value or "(empty)", show.percent(top.count / max(1, rows))
        )
        for top in column.top[:_TOP_SHOWN]
    )
    return Markup('<ul class="often">{}</ul>').format(shown)


def in_words(column: ColumnPreview) -> str:
    """The most frequent values with their rows."""
    return "; ".join(f"{top.value}: {top.count}" for top in column.top)


def _bin_rows(column: ColumnPreview) -> list[Row]:
    histogram = column.histogram
    name = Cell(value=column.name, shown=show.mono(column.name))
    if histogram is not None:
        return [
            Row(
                cells=(
                    name,
                    Cell(value=low, shown=number(column, low)),
                    Cell(value=high, shown=number(column, high)),
                    Cell(value=count, shown=show.whole(count)),
                )
            )
            for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True)
        ]
    return [
        Row(cells=(name, Cell(value=top.value), Cell(value=None), Cell(value=top.count, shown=show.whole(top.count))))
        for top in column.top
    ]


def _distinct(column: ColumnPreview) -> Cell:
    if column.distinct is None:
        return Cell(value=None, shown=none())
    about, title = ("", "") if column.is_counted else ("~", "Estimated from the rows that were seen")
    return Cell(value=column.distinct, shown=f"{about}{show.whole(column.distinct)}", title=title)


def _end(column: ColumnPreview, text: str) -> Cell:
    """Long ones are cut to what a column of numbers bears, times to the minute."""
    if column.type.startswith("timestamp"):
        return Cell(value=text, shown=text[:16].replace("T", " ") or none(), title=text)
    return Cell(value=text, shown=f"{text[:19]}…" if len(text) > 20 else text or none(), title=text[20:] and text)


def number(column: ColumnPreview, value: float | None) -> str | None:
    """As people write it; of a time the day, or the minute."""
    if value is None:
        return None
    if column.type.startswith(("timestamp", "date")):
        try:
            moment = datetime.datetime.fromtimestamp(value, datetime.UTC)
        except (OverflowError, ValueError, OSError):
            return f"{value:.4g}"
        return moment.strftime("%Y-%m-%d" if column.type.startswith("date") else "%Y-%m-%d %H:%M")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:.4g}"


def _value(text: str | None) -> Cell:
    return Cell(value=text, shown=none()) if text is None else Cell(value=text)


def none() -> Markup:
    """Where nothing is to be told."""
    return Markup('<span class="dim">–</span>')
