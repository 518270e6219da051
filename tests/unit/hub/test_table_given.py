"""A table as CSV and JSON: what a spreadsheet would run is text, and a moment is one to read."""

from __future__ import annotations

import json

from markupsafe import Markup

from forebay.hub.web import show
from forebay.hub.web.table import Cell, Column, Row, Table, as_csv, as_json

AT = 1_790_000_000.0
COLUMNS = (Column(key="act", title=""), Column(key="what", title="What"), Column(key="at", title="When"))


def given(*cells: Cell) -> tuple[str, object]:
    """The line of CSV, and the object of JSON."""
    table = Table(name="t", caption="T", columns=COLUMNS, rows=(Row(cells=(Cell(value="button"), *cells)),))
    head, line = as_csv(table).splitlines()
    assert head == "what,at"
    return line, json.loads(as_json(table))[0]


def test_a_moment_is_one_of_utc_for_people_and_seconds_for_programs() -> None:
    told = "a,2026-09-21T14:13:20Z", {"what": "a", "at": AT}
    for shown in (show.when(AT, AT + 60.0), show.moment(AT)):
        assert given(Cell(value="a"), Cell(value=AT, shown=shown)) == told
    assert given(Cell(value="a"), Cell(value=0.0, shown=show.when(0.0, AT)))[0] == "a,", "never"
    assert given(Cell(value="a"), Cell(value=0))[0] == "a,0"


def test_only_what_is_shown_as_a_moment_is_one() -> None:
    beside = Markup("opened {}").format(show.when(AT, AT))
    assert given(Cell(value=5, shown=beside), Cell(value=None))[0] == "5,"
    assert given(Cell(value="x", shown=show.when(AT, AT)), Cell(value=None))[0] == "x,"


def test_what_a_spreadsheet_would_run_is_text() -> None:
    assert given(Cell(value="=1+1"), Cell(value=-1))[0] == "'=1+1,-1"
