"""A table as values: shown on its page, and given as CSV or JSON at the same address. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

NOTHING = Markup('<span class="dim">–</span>')
"""How a page shows that there is none."""

Value = str | int | float | bool | None

_MOMENT = re.compile(r'<time datetime="([^"]+)"[^>]*>[^<]*</time>')
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `number`: right-aligned; `quiet`: beside what matters more.

    One without a title is for marks or buttons, and in no export; `unseen` is its title for who does not see.
    `given`: in exports alone, for what the page shows as marks beside a name; these come last.
    """

    key: str
    title: str
    number: bool = False
    quiet: bool = False
    unseen: str = "Actions"
    given: bool = False

    @property
    def classes(self) -> str:
        """Of its cells."""
        found = (("n", self.number), ("quiet", self.quiet), ("mark", not self.title))
        return " ".join(name for name, holds in found if holds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """`value` is what exports have; `shown` is what the page has, by default the value."""

    value: Value
    shown: str | Markup | None = None
    href: str = ""
    title: str = ""

    @property
    def text(self) -> str | Markup:
        if self.shown is not None:
            return self.shown
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Cells in the order of the columns. `key` is unique in its table, where a live table needs that."""

    cells: tuple[Cell, ...]
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`more` is the address of the next page; `empty` says what to do where there is no row, and may be Markup."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    more: str = ""
    empty: str | Markup = "Nothing here."

    @property
    def head(self) -> int:
        """The place of the column that names the row: the first that has a title."""
        return next((place for place, column in enumerate(self.columns) if column.title), 0)


def as_csv(table: Table) -> str:
    """With a line of titles. A text that a spreadsheet would run begins with an apostrophe; what is shown as a moment
    is one, of UTC (ISO 8601).
    """
    places = _exported(table)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([table.columns[place].key for place in places])
    for row in table.rows:
        writer.writerow([_harmless(_moment_or_value(row.cells[place])) for place in places])
    return out.getvalue()


def as_json(table: Table) -> str:
    """A list of objects by the columns' keys; moments are Unix seconds."""
    places = _exported(table)
    rows = [{table.columns[place].key: row.cells[place].value for place in places} for row in table.rows]
    return json.dumps(rows, ensure_ascii=False, indent=1, allow_nan=False, default=str) + "\n"


def _exported(table: Table) -> Sequence[int]:
    return [place for place, column in enumerate(table.columns) if column.title]


def _moment_or_value(cell: Cell) -> Value:
    """Nothing for a moment that never was."""
    if not isinstance(cell.value, (int, float)) or not isinstance(cell.shown, Markup):
        return cell.value
    found = _MOMENT.fullmatch(cell.shown)
    return found[1] if found else None if cell.value == 0 and cell.shown == NOTHING else cell.value


def _harmless(value: Value) -> Value:
    if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA):
        return f"'{value}"
    return value
