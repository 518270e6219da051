"""A served hub on SQLite, a client of it, and plain HTTP requests to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from forebay.cache.machine import Terms
from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.hub import RemoteHub
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.testing.served import ServedHubs
from forebay.wire.catalog import Version
from forebay.wire.http import API
from forebay.wire.hub import Hub

VOLUME = "v1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def local(tmp_path: Path, clock: FakeClock) -> Iterator[LocalHub]:
    """The hub itself."""
    terms = Terms(hold_seconds=10.0, lease_seconds=100.0)
    opened = LocalHub.open(tmp_path / "home", f"sqlite:///{tmp_path}/home/hub.db", clock, terms)
    opened.volumes.add(VOLUME, str(tmp_path / "volume"), 1000)
    yield opened
    opened.close()


@pytest.fixture
def token(local: LocalHub, served_hubs: ServedHubs, clock: FakeClock) -> Iterator[str]:
    """What reaches it."""
    lent = served_hubs.lend(local, clock)
    yield lent
    served_hubs.take_back(lent)


@pytest.fixture
def remote(token: str, served_hubs: ServedHubs, tmp_path: Path) -> Iterator[RemoteHub]:
    opened = RemoteHub(served_hubs.url, token, tmp_path / "client")
    yield opened
    opened.close()


@pytest.fixture
def http(token: str, served_hubs: ServedHubs) -> Iterator[httpx2.Client]:
    """Requests as anybody's program would send them."""
    with httpx2.Client(base_url=served_hubs.url + API, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def new_version(hub: Hub, dataset: str, size_bytes: int = 100) -> Version:
    manifest = Manifest.registered([Entry(path=f"{dataset}.tsv", size_bytes=size_bytes)])
    return add_version(hub, dataset, manifest, "file:///lake")
