"""A database that is lent again is as one that was just made."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from forebay.catalog.engine import open_engine, reading, writing
from forebay.catalog.schema import metadata
from forebay.hub.local import LocalHub
from forebay.testing.cached.clock import FakeClock
from forebay.testing.lent import LentDatabases

pytestmark = pytest.mark.integration


def _rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    engine = open_engine(url)
    with reading(engine) as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))] for table in metadata.sorted_tables
        }
    engine.dispose()
    return found


def test_it_is_lent_again_as_it_was(lent_databases: LentDatabases, tmp_path: Path) -> None:
    with lent_databases.lend() as first:
        fresh = _rows(first)
        hub = LocalHub.open(tmp_path / "home", first, FakeClock())
        number = hub.volumes.add("v1", str(tmp_path / "volume"), 1_000)
        assert _rows(first) != fresh
        left_open = psycopg.connect(first.replace("+psycopg", ""))
        left_open.execute("LOCK TABLE volume")
    with lent_databases.lend() as second:
        assert second == first
        assert _rows(second) == fresh
        with pytest.raises(psycopg.OperationalError):
            left_open.execute("SELECT 1")
        again = LocalHub.open(tmp_path / "again", second, FakeClock())
        assert again.volumes.add("v1", str(tmp_path / "volume"), 1_000) == number, "numbers begin anew"
        again.close()
    hub.close()


def test_two_at_once_are_two(lent_databases: LentDatabases) -> None:
    with lent_databases.lend() as first, lent_databases.lend() as second:
        assert first != second


def test_one_with_other_tables_is_not_lent_again(lent_databases: LentDatabases) -> None:
    with lent_databases.lend() as changed:
        engine = open_engine(changed)
        with writing(engine) as connection:
            connection.execute(sa.text("CREATE INDEX of_a_test ON volume (path)"))
        engine.dispose()
    with lent_databases.lend() as other:
        assert other != changed
