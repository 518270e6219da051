"""Tables as wide as their content needs and as the terminal allows; columns that matter most are never cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forebay.cli.words import clean

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod, RenderableType
    from rich.text import Text


@dataclass(frozen=True, slots=True)
class Column:
    """`keep`: never cut. `right`: numbers. `wrap`: goes on in the next line when there is no room."""

    title: str
    keep: bool = False
    right: bool = False
    wrap: bool = False


def keep(title: str) -> Column:
    """A column that is never cut."""
    return Column(title, keep=True)


def number(title: str) -> Column:
    """A column of numbers: to the right, never cut."""
    return Column(title, keep=True, right=True)


def text(title: str) -> Column:
    """A column that is cut when there is no room."""
    return Column(title)


def wrapped(title: str) -> Column:
    """A column of which nothing may be lost, however long it is."""
    return Column(title, wrap=True)


def print_table(console: Console, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; without a terminal the same, uncut and without trailing blanks."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        # Rich narrows only columns that may wrap; the cells themselves never do.
        justify: JustifyMethod = "right" if column.right else "left"
        table.add_column(Text(column.title, no_wrap=True), justify=justify, no_wrap=column.keep)
    for row in rows:
        cells = zip(columns, map(clean, row), strict=True)
        table.add_row(*(_wrapping(cell) if column.wrap else _cut(cell) for column, cell in cells))
    _print(console, table)


def _wrapping(cell: str) -> Text:
    from rich.text import Text

    return Text(cell, overflow="fold")


def _cut(cell: str) -> Text:
    from rich.text import Text

    return Text(cell, no_wrap=True, overflow="ellipsis")


def print_facts(console: Console, facts: Iterable[tuple[str, str]]) -> None:
    """Name and value, a line each; those without a value are left out. Long values wrap beside their name."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in facts:
        if value:
            grid.add_row(Text(name), Text(clean(value)))
    _print(console, grid)


def say(console: Console, line: str) -> None:
    """One line of words: wrapped between words in a terminal, left alone elsewhere."""
    from rich.text import Text

    console.print(Text(clean(line)), soft_wrap=not console.is_terminal)


def print_tree(console: Console, tree: RenderableType) -> None:
    """A tree of `rich.tree`."""
    _print(console, tree)


def _print(console: Console, what: RenderableType) -> None:
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as captured:
        console.print(what)
    for line in captured.get().splitlines():
        console.out(line.rstrip())
