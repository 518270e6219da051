"""A directory becomes a version in the lake: each blob once, the manifest last, no byte under a wrong digest."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest

from forebay.catalog.manifest import Manifest
from forebay.digest import digest_bytes
from forebay.errors import ConflictError, DamagedError, NotFoundError
from forebay.lake import publish as publishing
from forebay.lake.part import Part
from forebay.lake.publish import Published, prepare, publish
from forebay.lake.stores import LakeStore
from forebay.testing.servers import SeaweedFS
from tests.integration.lake.lakes import fetched, open_s3

pytestmark = pytest.mark.integration

PREFIX = "roots/team/"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "out"
    (directory / "deep").mkdir(parents=True)
    (directory / "big").write_bytes(os.urandom(publishing.PART_BYTES * 2 + 5))
    (directory / "deep" / "small").write_bytes(b"small")
    (directory / "twin").write_bytes(b"small")
    (directory / "empty").touch()
    return directory


@pytest.fixture
def local_lake(tmp_path: Path) -> LakeStore:
    return LakeStore.open((tmp_path / "lake").as_uri(), create=True)


def send(directory: Path, store: LakeStore) -> Published:
    return publish(prepare(directory, store, prefix=PREFIX), store, dataset="features")


def keys(store: LakeStore) -> set[str]:
    return {meta["path"] for page in obstore.list(store.requests) for meta in page}


def test_published_files_can_be_fetched_and_hash_to_their_digests(directory: Path, lake: LakeStore) -> None:
    published = send(directory, lake)

    assert (published.sent_files, published.present_files) == (3, 1)
    parts = [
        Part(
            index=0,
            key=entry.key,
            etag=entry.etag,
            version_id=entry.version_id,
            start=0,
            end=entry.size_bytes,
            object_size_bytes=entry.size_bytes,
        )
        for entry in published.manifest.entries()
    ]
    got = fetched(lake, parts)
    for entry in published.manifest.entries():
        assert got[entry.key] == (directory / entry.path).read_bytes()
        assert digest_bytes(got[entry.key]).hex() == entry.digest


def test_the_manifest_in_the_lake_is_the_published_one(directory: Path, lake: LakeStore, tmp_path: Path) -> None:
    published = send(directory, lake)

    (tmp_path / "copy").write_bytes(obstore.get(lake.requests, published.manifest_key).bytes())
    assert published.manifest_key == f"{PREFIX}manifests/features/{published.manifest.manifest_digest}.parquet"
    assert Manifest.read(tmp_path / "copy").manifest_digest == published.manifest.manifest_digest


def test_files_already_there_are_not_sent_again(directory: Path, lake: LakeStore) -> None:
    first = send(directory, lake)
    (directory / "new").write_bytes(b"new")

    second = send(directory, lake)

    assert (second.sent_files, second.sent_bytes) == (1, 3)
    assert second.present_bytes == first.sent_bytes + first.present_bytes


def test_a_dry_run_sends_nothing(directory: Path, local_lake: LakeStore) -> None:
    publication = prepare(directory, local_lake, prefix=PREFIX)

    assert len(publication.missing) == 3
    assert publication.missing_bytes == publishing.PART_BYTES * 2 + 10
    assert keys(local_lake) == set()


def test_progress_counts_all_bytes(directory: Path, local_lake: LakeStore) -> None:
    counts = {"hashed": 0, "sent": 0}

    def count(stage: str, size_bytes: int) -> None:
        counts[stage] += size_bytes

    publication = prepare(directory, local_lake, on_progress=count)
    publish(publication, local_lake, dataset="features", on_progress=count)

    assert counts == {"hashed": publication.manifest.size_bytes, "sent": publication.missing_bytes}


@pytest.mark.parametrize("name", ["big", "little"])
def test_a_file_that_changes_before_it_is_sent_leaves_no_wrong_blob(
    directory: Path, lake: LakeStore, name: str
) -> None:
    (directory / "little").write_bytes(b"little")
    publication = prepare(directory, lake, prefix=PREFIX)
    status = (directory / name).stat()
    with (directory / name).open("r+b") as file:
        file.write(b"other")
    os.utime(directory / name, ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.raises(ConflictError) as caught:
        publish(publication, lake, dataset="features")

    assert caught.value.kind == "file-changed"
    # On a local file system blobs have their names only when all of them are durable.
    named = {key for key in keys(lake) if "/blobs/" in key and not key.endswith(".partial")}
    assert all(digest_bytes(bytes(obstore.get(lake.requests, key).bytes())).hex() == key[-64:] for key in named)
    assert not any("/manifests/" in key for key in keys(lake))


def test_a_damaged_blob_is_replaced(directory: Path, lake: LakeStore) -> None:
    published = send(directory, lake)
    key = published.manifest.entry("deep/small").key
    obstore.put(lake.requests, key, b"sma")

    again = send(directory, lake)

    assert again.sent_files == 1
    assert obstore.get(lake.requests, key).bytes() == b"small"


def test_a_lake_that_keeps_something_else_is_noticed(
    directory: Path, local_lake: LakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_send", lambda store, blob: obstore.put(store.requests, blob.key, b"short"))

    with pytest.raises(DamagedError) as caught:
        send(directory, local_lake)

    assert caught.value.kind == "blob-mismatch"
    assert not any("manifests" in key for key in keys(local_lake))


def test_two_committers_at_once(directory: Path, lake: LakeStore) -> None:
    publications = [prepare(directory, lake, prefix=PREFIX) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        published = list(pool.map(lambda one: publish(one, lake, dataset="features"), publications))

    assert len({one.manifest_key for one in published}) == 1
    assert len(keys(lake)) == 4


def test_many_files_are_compared_by_one_listing(
    directory: Path, lake: LakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_LOOKED_UP", 0)
    send(directory, lake)

    assert send(directory, lake).sent_files == 0


def test_cancelling_stops_and_repeating_finishes(directory: Path, local_lake: LakeStore) -> None:
    publication = prepare(directory, local_lake)
    sent: list[int] = []

    with pytest.raises(CancelledError):
        publish(
            publication,
            local_lake,
            dataset="features",
            cancelled=lambda: bool(sent),
            on_progress=lambda _stage, size_bytes: sent.append(size_bytes),
        )

    assert not any("manifests" in key for key in keys(local_lake))
    assert publish(prepare(directory, local_lake), local_lake, dataset="features").present_files >= 1


def test_a_missing_bucket_is_named(directory: Path, s3_server: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_LOOKED_UP", 0)
    store = open_s3(s3_server.endpoint, s3_server.access_key_id, s3_server.secret_access_key, "no-such-bucket")

    with pytest.raises(NotFoundError, match="s3://no-such-bucket"):
        prepare(directory, store)
