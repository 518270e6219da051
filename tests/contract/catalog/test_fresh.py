"""A new database is made in one step, and is what all migrations one after another make: on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import HEAD, REVISION_TABLE, migrate, open_engine, reading, revision, writing
from forebay.catalog.migrations.upgrade import config, upgrade

_CODE = {
    "sqlite": ("SELECT sql FROM sqlite_master WHERE type NOT IN ('table', 'index')",),
    "postgresql": (
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
        "SELECT relkind::text || relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace",
        "SELECT typname FROM pg_type WHERE typnamespace = current_schema()::regnamespace",
    ),
}
"""Everything in a database that is no table: triggers, functions, and of PostgreSQL also sequences, views and types."""


@pytest.fixture
def made(database_url: str) -> Iterator[Engine]:
    """One that was empty."""
    engine = open_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def migrated(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Another database of that kind, on which each migration ran."""
    if database_url.startswith("sqlite"):
        engine = open_engine(f"sqlite:///{tmp_path}/migrated.db")
    else:
        engine = open_engine(request.getfixturevalue("postgres_server").new_database())
    upgrade(engine)
    yield engine
    engine.dispose()


def _everything(engine: Engine) -> dict[str, Any]:
    with reading(engine) as connection:
        inspector = sa.inspect(connection)
        names = inspector.get_table_names()
        tables = {name: _table(inspector, name) for name in names}
        rows = {name: connection.execute(sa.text(f"SELECT * FROM {name}")).all() for name in names}
        code = [sorted(connection.execute(sa.text(query)).scalars()) for query in _CODE[engine.dialect.name]]
    return {"tables": tables, "rows": rows, "code": code}


def _table(inspector: sa.Inspector, name: str) -> dict[str, Any]:
    return {
        "columns": {column["name"]: {**column, "type": repr(column["type"])} for column in inspector.get_columns(name)},
        "primary key": inspector.get_pk_constraint(name),
        "indexes": sorted(inspector.get_indexes(name), key=str),
        "unique": sorted(inspector.get_unique_constraints(name), key=str),
        "foreign keys": sorted(inspector.get_foreign_keys(name), key=str),
        "checks": sorted(inspector.get_check_constraints(name), key=str),
    }


def test_it_is_what_all_migrations_make(made: Engine, migrated: Engine) -> None:
    found = _everything(made)
    assert found == _everything(migrated)
    assert found["tables"].keys() == {*t.metadata.tables, REVISION_TABLE}
    assert found["rows"][REVISION_TABLE] == [(HEAD,)]
    assert found["code"][0]


def test_migrations_make_exactly_the_tables(migrated: Engine) -> None:
    with reading(migrated) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE, "compare_type": True})
        assert compare_metadata(context, t.metadata) == []
        assert revision(connection) == HEAD


def test_making_it_imports_no_alembic(database_url: str) -> None:
    code = (
        "import sys; from forebay.catalog.engine import *; engine = open_engine(sys.argv[1]); migrate(engine);"
        "assert 'alembic' not in sys.modules; engine.dispose()"
    )
    subprocess.run([sys.executable, "-c", code, database_url], check=True)


def test_a_half_old_database_is_migrated_not_made(database_url: str) -> None:
    engine = open_engine(database_url)
    with writing(engine) as connection:
        command.upgrade(config(connection), "0001")
        connection.execute(sa.text("CREATE TABLE of_somebody_else (what text)"))
    migrate(engine)
    with reading(engine) as connection:
        assert revision(connection) == HEAD
    engine.dispose()


def test_a_database_that_others_use_too_gets_the_tables_besides(database_url: str) -> None:
    engine = open_engine(database_url)
    with writing(engine) as connection:
        connection.execute(sa.text("CREATE TABLE of_somebody_else (what text)"))
    migrate(engine)
    with reading(engine) as connection:
        assert revision(connection) == HEAD
        assert "of_somebody_else" in sa.inspect(connection).get_table_names()
    engine.dispose()
