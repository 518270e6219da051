"""What the first layout wrote must be readable for ever: files and database as they were committed with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.catalog.engine import migrate, open_engine
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from forebay.catalog.store import CatalogStore
from forebay.clock import SystemClock
from forebay.wire.catalog import LineageEdge, MadeBy

RAW = "febae7b4ea0db0711c1f8fcfecadbcaf2852106260a88a87a5fa5276cb38b0fe"
SEAL = "17b24fac1d9b59519e55f305eb00cf14c8f2a39e57662d6a38e8f6920d31c530"
FEATURES = "6526b9a39eba32cc3b70a8079d04c5d832f4c923bb8003916ceca2b7fc64e960"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parent / "layout1", tmp_path / "layout1"))


@pytest.fixture
def catalog(folder: Path) -> Iterator[CatalogStore]:
    engine = open_engine(f"sqlite:///{folder}/forebay.db")
    migrate(engine)
    yield CatalogStore(engine, folder / "files", SystemClock())
    engine.dispose()


def test_IMMUTABLE_digests_of_layout_1_stay_what_they_were(catalog: CatalogStore) -> None:
    raw = Manifest.read(catalog.manifest_path(RAW))
    assert list(raw.entries()) == [
        Entry(path="day_0.tsv", size_bytes=1_000, key="criteo/day_0.tsv", etag='"e0"', version_id="v-0"),
        Entry(path="day_1.tsv", size_bytes=2**40, key="criteo/day_1.tsv", etag='"e1"'),
        Entry(path="größe/étage.txt", size_bytes=0, key="criteo/größe/étage.txt"),
    ]
    assert Manifest.registered(raw.table).manifest_digest == RAW
    features = Manifest.read(catalog.manifest_path(FEATURES))
    assert Manifest.committed(features.table).manifest_digest == FEATURES
    assert features.entry("part-0.parquet").digest == "09" * 32


def test_the_seal_of_layout_1(catalog: CatalogStore) -> None:
    path = catalog.seal_path(RAW)
    assert path is not None
    seal = Seal.read(path)
    assert (seal.seal_digest, seal.manifest_digest) == (SEAL, RAW)
    assert seal.digests.to_pylist() == [bytes([7] * 32), None, bytes(range(32))]


def test_the_database_of_layout_1(catalog: CatalogStore) -> None:
    version = catalog.resolve("criteo@prod")
    assert (version.ref, version.manifest_digest, version.origin) == ("criteo@v1", RAW, "registered")
    assert (version.lake_url, version.profile, version.files, version.size_bytes) == (
        "s3://lake/",
        "team",
        3,
        2**40 + 1_000,
    )
    assert (version.created_by, version.message, version.created_at) == ("ada", "two days", 1_700_000_000.0)
    assert not version.sealed
    features = catalog.resolve("features")
    assert features.sealed
    assert features.made_by == MadeBy(command="python prepare.py", code="0a1b2c", parameters="{}")
    assert catalog.lineage("criteo", 1).downstream == (LineageEdge(parent="criteo@v1", child="features@v1"),)
    assert [move.number for move in catalog.tag_history("criteo")] == [1]
    part = catalog.resolve("criteo@v1[day_*]")
    assert (part.files, part.size_bytes, part.selection) == (2, 2**40 + 1_000, '{"include":["day_*"]}')


def test_the_database_of_layout_1_can_be_written(catalog: CatalogStore) -> None:
    catalog.untag("criteo", "prod", "bob")
    catalog.remove_version("features", 1)
    catalog.remove_version("criteo", 1)
    assert [dataset.versions for dataset in catalog.datasets()] == [0, 0]
