"""Tables, and figures that show a chart with a table of the same numbers under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.charts.markup import Markup, element, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's head. `words`: its cells are text, else numbers."""

    head: str
    words: bool = False


def numbers(*heads: str) -> tuple[Column, ...]:
    """Columns of numbers."""
    return tuple(Column(head=head) for head in heads)


def table(caption: str, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Markup:
    """One that scrolls sideways in its own frame, by keyboard too. The first cell of a row names it."""
    head = element("tr", *(element("th", each.head, scope="col", class_=_kind(each)) for each in columns))
    body = (_row(columns, cells) for cells in rows)
    whole = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def figure(title: str, reading: str, chart: Markup, numbers: Markup | None) -> Markup:
    """A chart, the sentence that says how to read it, and its numbers, folded away (None: the page shows them)."""
    told = element("figcaption", element("h3", title), element("p", reading))
    folded = None if numbers is None else element("details", element("summary", "Numbers"), numbers)
    return element("figure", told, chart, folded)


def _row(columns: Sequence[Column], cells: Sequence[str]) -> Markup:
    first, *rest = zip(columns, cells, strict=True)
    return element(
        "tr",
        element("th", first[1], scope="row", class_=_kind(first[0])),
        join(*(element("td", cell, class_=_kind(column)) for column, cell in rest)),
    )


def _kind(column: Column) -> str | None:
    return None if column.words else "n"
