"""One catalog on each database: every test of this folder that takes `catalog` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from forebay.catalog.engine import migrate, open_engine
from forebay.catalog.store import CatalogStore
from tests.contract.catalog.shelf import Shelf, TickingClock


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/db/forebay.db"
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    opened = open_engine(database_url, busy_seconds=20)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def catalog(engine: Engine, tmp_path: Path) -> CatalogStore:
    return CatalogStore(engine, tmp_path / "files", TickingClock())


@pytest.fixture
def shelf(catalog: CatalogStore, tmp_path: Path) -> Shelf:
    return Shelf(catalog, tmp_path)
