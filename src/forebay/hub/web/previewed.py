"""How previews look: columns with their distributions, sample rows, how two of them differ. Values in, tables out."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from forebay.charts.bins import bins
from forebay.hub.web import show
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.previews.shift import LARGE, MODERATE, Change, ColumnShift
from forebay.wire.previews import QUANTILES, ColumnPreview, TablePreview

_TOP_SHOWN = 3
_MEDIAN = QUANTILES.index(0.5)


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


def shifts_table(shifts: Sequence[ColumnShift], before: str, after: str) -> Table:
    """How each column changed from one version to another."""
    return Table(
        name="shifts",
        caption=f"Columns of {before} and {after}",
        columns=(
            Column(key="column", title="Column"),
            Column(key="change", title="Change"),
            Column(key="type", title="Type"),
            Column(key="before", title=before),
            Column(key="after", title=after),
            Column(key="psi", title="Shift (PSI)", number=True),
            Column(key="missing", title="Missing", number=True),
            Column(key="median", title="Median", number=True),
        ),
        rows=tuple(_shift_row(shift) for shift in shifts),
        empty="Neither file has columns.",
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


def drifted(shifts: Sequence[ColumnShift]) -> str:
    """The state of the whole in a sentence."""
    changed = sum(shift.change is not Change.SAME for shift in shifts)
    large = sum(shift.psi is not None and shift.psi >= LARGE for shift in shifts)
    moved = sum(shift.psi is not None and MODERATE <= shift.psi < LARGE for shift in shifts)
    if not (changed or large or moved):
        return f"{show.count(len(shifts), 'column')}, and nothing has changed that these rows show."
    parts = [
        f"{show.count(changed, 'change')} of the schema" if changed else "",
        f"{show.count(large, 'column')} of another population" if large else "",
        f"{show.count(moved, 'column')} moved" if moved else "",
    ]
    return f"Of {show.count(len(shifts), 'column')}: {', '.join(part for part in parts if part)}."


def _column_row(column: ColumnPreview, rows: int) -> Row:
    told = [_number(column, column.quantiles[_MEDIAN]) if column.quantiles else None, _number(column, column.mean)]
    return Row(
        cells=(
            Cell(value=column.name, shown=show.mono(column.name or "(no name)")),
            Cell(value=column.type, shown=show.mono(column.type)),
            Cell(value=_in_words(column), shown=distribution(column, rows)),
            Cell(value=column.nulls, shown=_missing(column, rows)),
            _distinct(column),
            _end(column, column.minimum),
            *(Cell(value=text, shown=text or _none()) for text in told),
            _end(column, column.maximum),
        )
    )


def distribution(column: ColumnPreview, rows: int) -> Markup:
    """A small histogram, or the most frequent values with their shares."""
    if column.histogram is not None:
        titles = [
            f"{_number(column, low)} to {_number(column, high)}: {show.count(count, 'row')}"
            for (low, high), count in zip(pairwise(column.histogram.edges), column.histogram.counts, strict=True)
        ]
        label = f"Distribution of {column.name}, {column.minimum} to {column.maximum}"
        # Its own escaped markup, of another module's class.
        return Markup(str(bins(column.histogram.counts, titles, label)))  # noqa: S704
    if not column.top:
        return _none()
    shown = Markup("").join(
        Markup('<li><span class="value">{}</span> <span class="dim">{}</span></li>').format(
            top.value or "(empty)", show.percent(top.count / max(1, rows))
        )
        for top in column.top[:_TOP_SHOWN]
    )
    return Markup('<ul class="often">{}</ul>').format(shown)


def _in_words(column: ColumnPreview) -> str:
    return "; ".join(f"{top.value}: {top.count}" for top in column.top)


def _bin_rows(column: ColumnPreview) -> list[Row]:
    histogram = column.histogram
    name = Cell(value=column.name, shown=show.mono(column.name))
    if histogram is not None:
        return [
            Row(
                cells=(
                    name,
                    Cell(value=low, shown=_number(column, low)),
                    Cell(value=high, shown=_number(column, high)),
                    Cell(value=count, shown=show.whole(count)),
                )
            )
            for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True)
        ]
    return [
        Row(cells=(name, Cell(value=top.value), Cell(value=None), Cell(value=top.count, shown=show.whole(top.count))))
        for top in column.top
    ]


def _shift_row(shift: ColumnShift) -> Row:
    before, after = shift.before, shift.after
    types = [column.type for column in (before, after) if column is not None]
    type_told = types[0] if len(set(types)) == 1 else " → ".join(types)
    return Row(
        cells=(
            Cell(value=shift.name, shown=show.mono(shift.name)),
            Cell(value=shift.change.value, shown=_change(shift)),
            Cell(value=type_told, shown=show.mono(type_told)),
            Cell(value=_summary(before), shown=_side(before)),
            Cell(value=_summary(after), shown=_side(after)),
            Cell(value=shift.psi, shown=f"{shift.psi:.3f}" if shift.psi is not None else _none()),
            _pair(None if before is None else before.nulls, None if after is None else after.nulls),
            Cell(value=f"{_median(before)} → {_median(after)}"),
        )
    )


def _change(shift: ColumnShift) -> Markup:
    """By word and shape: the schema first, then the distribution."""
    match shift.change:
        case Change.ADDED:
            return show.state("partial", "added")
        case Change.REMOVED:
            return show.state("damaged", "removed")
        case Change.RETYPED:
            return show.state("stale", "another type")
        case _:
            pass
    if shift.psi is None:
        return show.state("absent", "not compared")
    if shift.psi >= LARGE:
        return show.state("damaged", "another population")
    return show.state("stale", "moved") if shift.psi >= MODERATE else show.state("ready", "steady")


def _side(column: ColumnPreview | None) -> Markup:
    if column is None:
        return _none()
    rows = sum(column.histogram.counts) if column.histogram else sum(top.count for top in column.top)
    return distribution(column, max(1, rows))


def _summary(column: ColumnPreview | None) -> str:
    return "" if column is None else _in_words(column) or f"{column.minimum} to {column.maximum}"


def _median(column: ColumnPreview | None) -> str:
    return (_number(column, column.quantiles[_MEDIAN]) or "–") if column is not None and column.quantiles else "–"


def _pair(before: int | None, after: int | None) -> Cell:
    told = " → ".join("–" if number is None else show.whole(number) for number in (before, after))
    return Cell(value=told)


def _missing(column: ColumnPreview, rows: int) -> str:
    share = column.nulls / max(1, rows)
    return "<1 %" if 0 < share < 0.01 else show.percent(share)


def _distinct(column: ColumnPreview) -> Cell:
    if column.distinct is None:
        return Cell(value=None, shown=_none())
    about, title = ("", "") if column.is_counted else ("~", "Estimated from the rows that were seen")
    return Cell(value=column.distinct, shown=f"{about}{show.whole(column.distinct)}", title=title)


def _end(column: ColumnPreview, text: str) -> Cell:
    """Long ones are cut to what a column of numbers bears, times to the minute."""
    if column.type.startswith("timestamp"):
        return Cell(value=text, shown=text[:16].replace("T", " ") or _none(), title=text)
    return Cell(value=text, shown=f"{text[:19]}…" if len(text) > 20 else text or _none(), title=text[20:] and text)


def _number(column: ColumnPreview, value: float | None) -> str | None:
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
    return Cell(value=text, shown=_none()) if text is None else Cell(value=text)


def _none() -> Markup:
    return Markup('<span class="dim">–</span>')
