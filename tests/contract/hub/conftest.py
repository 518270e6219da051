"""A hub on each database, and both its faces: in this process, and served over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forebay.cache.machine import Terms
from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version, migrated_database
from forebay.testing.lent import LentDatabases
from forebay.testing.served import ServedHubs
from forebay.testing.servers import Postgres
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

VOLUME = "v1"
LIMIT_BYTES = 1000


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        (tmp_path / "home").mkdir()
        shutil.copy(migrated_database(), tmp_path / "home" / "hub.db")
        yield f"sqlite:///{tmp_path}/home/hub.db"
        return
    lent: LentDatabases = request.getfixturevalue("lent_databases")
    with lent.lend() as url:
        yield url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def embedded(database_url: str, tmp_path: Path, clock: FakeClock) -> Iterator[LocalHub]:
    opened = LocalHub.open(tmp_path / "home", database_url, clock, Terms(hold_seconds=10.0, lease_seconds=100.0))
    opened.volumes.add(VOLUME, str(tmp_path / "volume"), LIMIT_BYTES)
    yield opened
    opened.close()
    shutil.rmtree(tmp_path / "home", ignore_errors=True)


@pytest.fixture(params=["embedded", "remote"])
def hub(
    request: pytest.FixtureRequest, embedded: LocalHub, served_hubs: ServedHubs, clock: FakeClock, tmp_path: Path
) -> Iterator[Hub]:
    if request.param == "embedded":
        yield embedded
        return
    with served_hubs.client_of(embedded, clock, tmp_path / "client") as remote:
        yield remote


@pytest.fixture
def version(hub: Hub) -> Version:
    return new_version(hub, "clicks")


def new_version(hub: Hub, dataset: str, size_bytes: int = 100) -> Version:
    manifest = Manifest.registered([Entry(path=f"{dataset}.tsv", size_bytes=size_bytes)])
    return add_version(hub, dataset, manifest, "file:///lake")


def filled_hub(
    request: pytest.FixtureRequest,
    folder: Path,
    clock: FakeClock,
    fill: Callable[[LocalHub, AccessStore, FakeClock], object],
) -> Iterator[LocalHub]:
    """One for a whole module, on the database that `request.param` names, which nothing in it changes."""
    url = f"sqlite:///{folder}/hub.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.new_database()
    hub = LocalHub.open(folder, url, clock)
    access = AccessStore(hub.engine, clock)
    access.bootstrap()
    fill(hub, access, clock)
    yield hub
    hub.close()
