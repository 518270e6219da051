"""Whether a column has one of many names, as one parameter: to bind hundreds takes longer than to look for them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Names(sa.TypeDecorator[frozenset[str]]):
    """An array on PostgreSQL, JSON on SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        on_server = dialect.name == "postgresql"
        return dialect.type_descriptor(sa.ARRAY(sa.Text()) if on_server else sa.Text())

    def process_bind_param(self, value: frozenset[str] | None, dialect: sa.Dialect) -> Any:
        names = value or frozenset()
        return sorted(names) if dialect.name == "postgresql" else _as_json(names)


class _Among(FunctionElement[bool]):
    name = "among"
    type = sa.Boolean()
    inherit_cache = True


def among(column: ColumnElement[str], names: frozenset[str]) -> ColumnElement[bool]:
    """As `column.in_(names)`, on SQLite and PostgreSQL."""
    return _Among(column, sa.bindparam("names", names, _Names(), unique=True))


@lru_cache(maxsize=64)
def _as_json(names: frozenset[str]) -> str:
    return json.dumps(sorted(names))


@compiles(_Among, "sqlite")
def _on_sqlite(element: _Among, compiler: Any, **given: Any) -> str:
    column, names = (compiler.process(clause, **given) for clause in element.clauses)
    return f"({column} IN (SELECT value FROM json_each({names})))"  # noqa: S608 made of clauses


@compiles(_Among, "postgresql")
def _on_postgresql(element: _Among, compiler: Any, **given: Any) -> str:
    column, names = (compiler.process(clause, **given) for clause in element.clauses)
    return f"({column} = ANY ({names}))"
