"""The rows of a table as HTML. A page is mostly these: what all rows have in common is made once for a table. Pure."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup, escape

from forebay.hub.web.show import safe
from forebay.hub.web.table import Cell, Column, Table


def drawn(table: Table) -> Markup:
    """A line for each row; all that is no markup is escaped."""
    head = table.head
    ends = [
        None if column.given else _ends(column, is_head=place == head) for place, column in enumerate(table.columns)
    ]
    return Markup("").join(
        Markup(  # noqa: S704
            f"<tr{_id(table, row.key)}>"
            + "".join(
                f"{around[0]}{_cell(item)}{around[1]}" for around, item in zip(ends, row.cells, strict=True) if around
            )
            + "</tr>\n"
        )
        for row in table.rows
    )


def _ends(column: Column, *, is_head: bool) -> tuple[str, str]:
    """What stands before and after the cells of a column, but for the end of the first tag."""
    tag, scope = ("th", ' scope="row"') if is_head else ("td", "")
    classes = f' class="{escape(column.classes)}"' if column.classes else ""
    return f"<{tag}{scope}{classes}", f"</{tag}>"


def _id(table: Table, key: str) -> str:
    return f' id="r-{escape(table.name)}-{escape(key)}"' if key else ""


def _cell(item: Cell) -> str:
    title = f' title="{escape(item.title)}"' if item.title else ""
    # Markup would be copied twice to be found in need of nothing.
    text = item.shown if type(item.shown) is Markup else escape(item.text)
    return f'{title}><a href="{_to(item.href)}">{text}</a>' if item.href else f"{title}>{text}"


@lru_cache(maxsize=8192, typed=True)
def _to(href: str) -> str:
    return escape(safe(href))
