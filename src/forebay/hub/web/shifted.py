"""How two previews of a file differ: each column on both sides, drawn alike, and what is to be said of it.

Values in, tables out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from forebay.charts.bins import bins
from forebay.hub.web import show
from forebay.hub.web.previewed import MEDIAN, distribution, in_words, none, number
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.previews.beside import Beside, beside
from forebay.previews.drift import LEAST_ROWS, Verdict
from forebay.previews.shift import Change, ColumnShift
from forebay.wire.previews import ColumnPreview

_TOP_SHOWN = 4

Judged = Sequence[tuple[ColumnShift, Verdict]]
_STATES = {
    Verdict.NOT_COMPARED: ("absent", "not compared"),
    Verdict.STEADY: ("ready", "steady"),
    Verdict.MOVED: ("stale", "moved"),
    Verdict.DRIFTED: ("damaged", "another population"),
    Verdict.MOVES_ON: ("absent", "moves on by itself"),
    Verdict.TOO_FEW: ("absent", "too few rows to say"),
}


def shifts_table(judged: Judged, before: str, after: str) -> Table:
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
            Column(key="values", title="Values", given=True),
        ),
        rows=tuple(_row(shift, verdict) for shift, verdict in judged),
        empty="Neither file has columns.",
    )


def in_short(judged: Judged) -> str:
    """The state of the whole in a sentence."""
    changed = sum(shift.change is not Change.SAME for shift, _ in judged)
    found = Counter(verdict for _, verdict in judged)
    columns = show.count(len(judged), "column")
    parts = [
        (changed, f"{show.count(changed, 'change')} of the schema"),
        (found[Verdict.DRIFTED], f"{show.count(found[Verdict.DRIFTED], 'column')} of another population"),
        (found[Verdict.MOVED], f"{show.count(found[Verdict.MOVED], 'column')} moved"),
        (
            found[Verdict.MOVES_ON],
            f"{show.count(found[Verdict.MOVES_ON], 'column')} of times or keys, which move on by themselves",
        ),
        (found[Verdict.TOO_FEW], f"{show.count(found[Verdict.TOO_FEW], 'column')} with too few rows to say"),
    ]
    told = ", ".join(text for count, text in parts if count)
    return f"Of {columns}: {told}." if told else f"{columns}, and nothing has changed that these rows show."


def by_what(judged: Judged) -> str:
    """How the words of the table come about."""
    told = (
        "Shift is the population stability index: below 0.1 nothing to see, from 0.25 on another population. "
        "Times and keys move on by themselves, which is no drift."
    )
    is_few = any(verdict is Verdict.TOO_FEW for _, verdict in judged)
    return f"{told} Of fewer than {LEAST_ROWS} rows chance alone may move it." if is_few else told


def _row(shift: ColumnShift, verdict: Verdict) -> Row:
    before, after = shift.before, shift.after
    types = [column.type for column in (before, after) if column is not None]
    type_told = types[0] if len(set(types)) == 1 else " → ".join(types)
    drawn = _drawn(before, after)
    return Row(
        cells=(
            Cell(value=shift.name, shown=show.mono(shift.name)),
            Cell(value=shift.change.value, shown=_change(shift, verdict)),
            Cell(value=type_told, shown=show.mono(type_told)),
            Cell(value=_summary(before), shown=drawn[0]),
            Cell(value=_summary(after), shown=drawn[1]),
            Cell(value=shift.psi, shown=f"{shift.psi:.3f}" if shift.psi is not None else none()),
            _pair(*(None if column is None else show.whole(column.nulls) for column in (before, after))),
            _pair(*(_median(column) for column in (before, after))),
            Cell(value=verdict.value),
        )
    )


def _change(shift: ColumnShift, verdict: Verdict) -> Markup:
    """By word and shape: the schema first, then the values."""
    kind, told = _STATES[verdict]
    match shift.change:
        case Change.ADDED:
            return show.state("partial", "added")
        case Change.REMOVED:
            return show.state("damaged", "removed")
        case Change.RETYPED:
            is_drift = verdict is Verdict.DRIFTED
            return show.state("damaged" if is_drift else "stale", "another type", told if is_drift else "")
        case _:
            return show.state(kind, told)


def _drawn(before: ColumnPreview | None, after: ColumnPreview | None) -> tuple[Markup, Markup]:
    """Both sides: over common edges where both are numbers, with the same values where both have frequent ones."""
    if before is not None and after is not None:
        if before.histogram is not None and after.histogram is not None:
            whole = all(column.type.startswith(("int", "uint")) for column in (before, after))
            if (common := beside(before.histogram, after.histogram, whole=whole)) is not None:
                most = max(*common.before, *common.after)
                sides = ((before, common.before), (after, common.after))
                last = common.edges[-1] - (1 if whole else 0)
                first, second = (_histogram(column, common, shares, most, last) for column, shares in sides)
                return first, second
        elif before.top and after.top:
            values = _values(before, after)
            return _often(before, values), _often(after, values)
    return _alone(before), _alone(after)


def _histogram(column: ColumnPreview, common: Beside, shares: Sequence[float], most: float, greatest: float) -> Markup:
    """With the ends of the range below it, the least and the greatest of both sides."""
    titles = [
        f"{number(column, low)} to {number(column, high)}: {show.part(share)} of the values"
        for (low, high), share in zip(pairwise(common.edges), shares, strict=True)
    ]
    first, last = number(column, common.edges[0]), number(column, greatest)
    label = f"Distribution of {column.name} between {first} and {last}; it has {column.minimum} to {column.maximum}"
    # Its own escaped markup, of another module's class.
    drawn = Markup(str(bins(shares, titles, label, most=most)))  # noqa: S704
    return Markup('{}<span class="ends" aria-hidden="true"><span>{}</span><span>{}</span></span>').format(
        drawn, first, last
    )


def _values(before: ColumnPreview, after: ColumnPreview) -> tuple[str, ...]:
    """The values that are told of both, the most frequent ones of either first."""
    shares = Counter[str]()
    for column in (before, after):
        rows = _told_rows(column)
        for top in column.top:
            shares[top.value] = max(shares[top.value], round(1e6 * top.count / rows))
    return tuple(value for value, _ in shares.most_common(_TOP_SHOWN))


def _often(column: ColumnPreview, values: Sequence[str]) -> Markup:
    told, rows = {top.value: top.count for top in column.top}, _told_rows(column)
    return Markup('<ul class="often">{}</ul>').format(
        Markup("").join(
            Markup('<li><span class="value">{}</span> <span class="dim">{}</span></li>').format(
                value or "(empty)", show.percent(told[value] / rows) if value in told else "–"
            )
            for value in values
        )
    )


def _alone(column: ColumnPreview | None) -> Markup:
    if column is None:
        return none()
    return distribution(column, sum(column.histogram.counts) if column.histogram else _told_rows(column))


def _told_rows(column: ColumnPreview) -> int:
    return max(1, sum(top.count for top in column.top))


def _summary(column: ColumnPreview | None) -> str:
    return "" if column is None else in_words(column) or f"{column.minimum} to {column.maximum}"


def _median(column: ColumnPreview | None) -> str | None:
    return number(column, column.quantiles[MEDIAN]) if column is not None and column.quantiles else None


def _pair(before: str | None, after: str | None) -> Cell:
    """Before and after, which a narrow column has one below the other."""
    was, now = before or "–", after or "–"
    if before is None and after is None:
        return Cell(value=f"{was} → {now}", shown=none())
    shown = Markup('<span class="q">{} →</span> <span class="q">{}</span>').format(was, now)
    return Cell(value=f"{was} → {now}", shown=shown)
