"""Tables, filters and figures as values: what names a row, what is set, how far two numbers are apart."""

from __future__ import annotations

import pytest

from forebay.hub.web.forms import Field, Form
from forebay.hub.web.run_words import difference
from forebay.hub.web.table import Column, Table


def test_a_row_is_named_by_its_first_column_with_a_title() -> None:
    mark, name, number = Column(key="a", title=""), Column(key="b", title="B"), Column(key="c", title="C", number=True)
    for columns, head in (((name, number), 0), ((mark, name), 1), ((mark,), 0)):
        assert Table(name="t", caption="T", columns=columns, rows=()).head == head
    assert [column.classes for column in (mark, name, number)] == ["mark", "", "n"]
    assert Column(key="d", title="D", number=True, quiet=True).classes == "n quiet"


def test_what_a_filter_says_of_itself_is_not_set() -> None:
    orders = (("name", "Name"), ("size", "Size"))
    fields = (
        Field(name="q", label="Name", kind="search"),
        Field(name="order", label="First", kind="select", value="name", options=orders),
        Field(name="kind", label="", kind="hidden", value="table"),
    )
    form = Form(action="/", button="Filter", fields=fields)
    assert form.set_fields == 0
    chosen = (
        Field(name="q", label="Name", kind="search", value="criteo"),
        Field(name="order", label="First", kind="select", value="size", options=orders),
        Field(name="all", label="all", kind="checkbox", value="yes"),
    )
    assert Form(action="/", button="Filter", fields=(*fields, *chosen)).set_fields == 3


@pytest.mark.parametrize(
    ("value", "first", "told"),
    [
        (0.81954, 0.84733, "0.02779"),
        (1.147, 1.0069, "0.1401"),
        (32_000.0, 32_000.0, "0"),
        (8_000.0, 6_500.0, "1,500"),
        (0.038625, 0.038625, "0"),
        (1.5e-07, 1.2e-07, "3e-08"),
        (12_345.6, 12_345.61, "0.01"),
    ],
)
def test_a_difference_has_the_digits_of_what_it_lies_between(value: float, first: float, told: str) -> None:
    assert difference(round(value - first, 12), value, first) == told
