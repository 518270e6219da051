"""One catalog on each database and on both its faces: in this process, and served over HTTP.

Tests that reach behind the catalog, into the folder of its files, take `embedded`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from forebay.cache.machine import Terms
from forebay.catalog.engine import migrate, open_engine
from forebay.catalog.store import CatalogStore
from forebay.hub.local import LocalHub
from forebay.testing.lent import LentDatabases
from forebay.testing.served import ServedHubs
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import Shelf, TickingClock


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """The kind."""
    return str(request.param)


@pytest.fixture
def database_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path}/db/forebay.db"
    return str(request.getfixturevalue("postgres_server").new_database())


@pytest.fixture
def engine(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Of a database of its own with all tables."""
    with contextlib.ExitStack() as stack:
        if database == "sqlite":
            url = f"sqlite:///{tmp_path}/db/forebay.db"
        else:
            lent: LentDatabases = request.getfixturevalue("lent_databases")
            url = stack.enter_context(lent.lend())
        opened = open_engine(url, busy_seconds=20)
        stack.callback(opened.dispose)
        migrate(opened)
        yield opened


@pytest.fixture
def embedded(engine: Engine, tmp_path: Path) -> CatalogStore:
    return CatalogStore(engine, tmp_path / "files", TickingClock())


@pytest.fixture(params=["embedded", "remote"])
def catalog(
    request: pytest.FixtureRequest, engine: Engine, embedded: CatalogStore, served_hubs: ServedHubs, tmp_path: Path
) -> Iterator[Catalog]:
    if request.param == "embedded":
        yield embedded
        return
    clock = TickingClock()
    hub = LocalHub(engine, tmp_path / "files", "owner", clock, Terms())
    with served_hubs.client_of(hub, clock, tmp_path / "client") as remote:
        yield remote.catalog


@pytest.fixture
def shelf(catalog: Catalog, tmp_path: Path) -> Shelf:
    return Shelf(catalog, tmp_path)


@pytest.fixture
def embedded_shelf(embedded: CatalogStore, tmp_path: Path) -> Shelf:
    return Shelf(embedded, tmp_path)
