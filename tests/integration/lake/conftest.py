"""The lakes that every promise must hold on: a folder, SeaweedFS, Azurite."""

from __future__ import annotations

import os
from pathlib import Path

import obstore
import pytest

from forebay.lake.stores import LakeStore
from forebay.testing.servers import SeaweedFS
from tests.integration.lake.lakes import open_s3


@pytest.fixture(params=["file", "seaweedfs", "azurite"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeStore:
    """An empty lake of its own for each test."""
    name = f"lake-{os.urandom(6).hex()}"
    if request.param == "file":
        return LakeStore.open((tmp_path / name).as_uri(), create=True)
    if request.param == "azurite":
        azurite = request.getfixturevalue("azurite_server")
        azurite.make_container(name)
        profile = {"endpoint": azurite.endpoint, "account_name": azurite.account, "account_key": azurite.account_key}
        return LakeStore.open(f"az://{name}", profile)
    store: LakeStore = request.getfixturevalue("seaweedfs_bucket")
    for page in obstore.list(store.requests):
        obstore.delete(store.requests, [meta["path"] for meta in page])
    return store


@pytest.fixture(scope="session")
def seaweedfs_bucket(s3_server: SeaweedFS) -> LakeStore:
    """One bucket for all, because each takes seven of the server's forty volumes."""
    s3_server.make_bucket("lake-tests")
    return open_s3(s3_server.endpoint, s3_server.access_key_id, s3_server.secret_access_key, "lake-tests")
