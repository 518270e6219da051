"""One parameter for many names chooses what a parameter for each would."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading
from forebay.hub.board.among import among
from forebay.hub.local import LocalHub
from tests.contract.hub.conftest import new_version

NAMES = ("clicks", "images", "it-s", "z")


@pytest.mark.parametrize(
    "names",
    [frozenset(), frozenset({"clicks"}), frozenset({"it's", '"', "images", "nowhere"}), frozenset(NAMES)],
    ids=len,
)
def test_it_is_as_in_is(embedded: LocalHub, names: frozenset[str]) -> None:
    for name in NAMES:
        new_version(embedded, name)
    column = t.dataset.c.name

    def chosen(condition: sa.ColumnElement[bool]) -> set[str]:
        with reading(embedded.engine) as connection:
            return set(connection.execute(sa.select(column).where(condition)).scalars())

    assert chosen(among(column, names)) == chosen(column.in_(names)) == names & set(NAMES)
    assert chosen(~among(column, names)) == set(NAMES) - names


def test_other_names_are_another_parameter_of_the_same_statement(embedded: LocalHub) -> None:
    new_version(embedded, "clicks")
    with reading(embedded.engine) as connection:
        found = [
            connection.execute(sa.select(t.dataset.c.name).where(among(t.dataset.c.name, frozenset({name})))).all()
            for name in ("clicks", "images", "clicks")
        ]
    assert [len(rows) for rows in found] == [1, 0, 1]
