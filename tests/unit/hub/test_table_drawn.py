"""Rows of a table as HTML: what is text stays text, whatever it holds."""

from __future__ import annotations

from markupsafe import Markup

from forebay.hub.web.table import Cell, Column, Row, Table, as_csv, as_json
from forebay.hub.web.table_drawn import drawn

HOSTILE = "\"><script>alert('1')</script>&"
ESCAPED = "&#34;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;"


def table(*rows: Row, name: str = "runs") -> Table:
    columns = (Column(key="mark", title=""), Column(key="name", title="Name"), Column(key="n", title="N", number=True))
    return Table(name=name, caption="Runs", columns=columns, rows=rows)


def test_the_first_titled_column_heads_its_row_and_classes_are_the_columns() -> None:
    row = Row(cells=(Cell(value="x"), Cell(value="one", href="/runs/1", title="a run"), Cell(value=3)), key="1")
    assert drawn(table(row)) == (
        '<tr id="r-runs-1"><td class="mark">x</td>'
        '<th scope="row" title="a run"><a href="/runs/1">one</a></th><td class="n">3</td></tr>\n'
    )


def test_nothing_is_markup_but_what_says_so() -> None:
    hostile = Cell(value=HOSTILE, href=f"/runs/{HOSTILE}", title=HOSTILE)
    told = drawn(table(Row(cells=(hostile, hostile, hostile), key=HOSTILE), name=HOSTILE))
    assert "<script" not in told
    assert told.count(f">{ESCAPED}</a>") == 3
    marked = Row(cells=(Cell(value=1, shown=Markup("<b>1</b>")), Cell(value=None), Cell(value=HOSTILE)))
    assert drawn(table(marked)) == (
        f'<tr><td class="mark"><b>1</b></td><th scope="row"></th><td class="n">{ESCAPED}</td></tr>\n'
    )


def test_what_is_given_in_exports_alone_is_not_drawn() -> None:
    columns = (Column(key="name", title="Name"), Column(key="tags", title="Tags", given=True))
    row = Row(cells=(Cell(value="one"), Cell(value="prod best")))
    made = Table(name="t", caption="T", columns=columns, rows=(row,))
    assert drawn(made) == '<tr><th scope="row">one</th></tr>\n'
    assert as_csv(made) == "name,tags\r\none,prod best\r\n"
    assert '"tags": "prod best"' in as_json(made)


def test_an_address_that_would_run_is_none() -> None:
    told = drawn(table(Row(cells=(Cell(value=1), Cell(value=2, href="javascript:alert(1)"), Cell(value=3)))))
    assert "javascript:" not in told


def test_each_row_is_a_line_and_none_is_nothing() -> None:
    row = Row(cells=(Cell(value=1), Cell(value=2), Cell(value=3)))
    assert drawn(table(row, row)).count("</tr>\n") == 2
    assert drawn(table()) == ""
