"""The same round through every kind of lake: list, fetch whole and in ranges, confirm, change, vanish."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import obstore
import pyarrow as pa
import pytest

from forebay.catalog.manifest import Manifest
from forebay.errors import ConflictError, InputError
from forebay.lake import listing
from forebay.lake.confirm import confirm
from forebay.lake.fetch import CHUNK_BYTES, fetch
from forebay.lake.listing import list_objects
from forebay.lake.location import Location, parse_location
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore
from forebay.testing.servers import RcloneS3
from tests.integration.lake.lakes import Waits, fetched, fill, open_s3, whole

pytestmark = pytest.mark.integration

BIG = os.urandom(6 * CHUNK_BYTES + 123)
OBJECTS = {
    "criteo/day_0": BIG,
    "criteo/day_1": b"one",
    "criteo/empty": b"",
    "criteo/deep/sp ace ü%41~{x}+=&.txt": b"odd name",
    "elsewhere": b"?",
}


@pytest.fixture
def stored(lake: LakeStore) -> LakeStore:
    fill(lake, OBJECTS)
    return lake


@pytest.fixture
def local_lake(tmp_path: Path) -> LakeStore:
    return LakeStore.open((tmp_path / "lake").as_uri(), create=True)


def rows(store: LakeStore, tail: str) -> pa.Table:
    location = parse_location(store.root_url + tail)
    return pa.Table.from_batches(list_objects(location, reopened(store, location)), schema=listing.SCHEMA)


def reopened(store: LakeStore, location: Location) -> LakeStore:
    """The root of a local location is the folder that it names, not the lake's."""
    return LakeStore.open(location.root_url) if location.root_url != store.root_url else store


def parts(table: pa.Table) -> list[Part]:
    return [
        Part(
            index=index,
            key=row["key"],
            etag=row["etag"],
            version_id=row["version_id"],
            start=0,
            end=row["size_bytes"],
            object_size_bytes=row["size_bytes"],
        )
        for index, row in enumerate(table.to_pylist())
    ]


def test_what_was_listed_can_be_fetched(stored: LakeStore) -> None:
    table = rows(stored, "/**")

    assert fetched(stored, parts(table)) == OBJECTS
    assert sorted(table["path"].to_pylist()) == sorted(OBJECTS)


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("/criteo/day_*", {"criteo/day_0", "criteo/day_1"}),
        ("/**/*.txt", {"criteo/deep/sp ace ü%41~{x}+=&.txt"}),
        ("/els[e]where", {"elsewhere"}),
    ],
)
def test_patterns_match_keys(stored: LakeStore, tail: str, expected: set[str]) -> None:
    assert {key.removeprefix("criteo/") for key in rows(stored, tail)["path"].to_pylist()} == {
        key.removeprefix("criteo/") for key in expected
    }


def test_a_range_of_an_object(stored: LakeStore) -> None:
    part = replace(whole(stored, "criteo/day_0"), start=CHUNK_BYTES + 1, end=4 * CHUNK_BYTES)
    received = bytearray()

    fetch(stored, part, received.extend)

    assert bytes(received) == BIG[part.start : part.end]


def test_confirm_says_the_lake_is_as_registered(stored: LakeStore) -> None:
    assert confirm(Manifest.registered(rows(stored, "/**")), stored).complete


def test_object_changed_or_vanished_after_registration(stored: LakeStore) -> None:
    changed, vanished = whole(stored, "criteo/day_1"), whole(stored, "elsewhere")
    manifest = Manifest.registered(rows(stored, "/**"))
    obstore.put(stored.requests, changed.key, b"another")
    obstore.delete(stored.requests, vanished.key)

    for part, kind in ((changed, "object-changed"), (vanished, "object-vanished")):
        received = bytearray()
        with pytest.raises(ConflictError) as caught:
            fetch(stored, part, received.extend, patience=Waits().patience())
        assert caught.value.kind == kind
        assert part.key in caught.value.message
        assert received == b""
    confirmation = confirm(manifest, stored)
    assert (confirmation.missing, confirmation.changed) == (("elsewhere",), ("criteo/day_1",))


def test_object_changed_with_the_same_size(stored: LakeStore) -> None:
    part = whole(stored, "criteo/day_1")
    obstore.put(stored.requests, part.key, b"two")

    with pytest.raises(ConflictError) as caught:
        fetch(stored, part, bytes, patience=Waits().patience())

    assert caught.value.kind == "object-changed"


def test_a_local_file_that_is_rewritten_while_it_is_read(local_lake: LakeStore) -> None:
    fill(local_lake, OBJECTS)
    part = whole(local_lake, "criteo/day_0")
    folder = local_lake.folder
    assert folder is not None

    def overwrite(_chunk: bytes) -> None:
        with (folder / part.key).open("r+b") as file:
            file.write(b"other")

    with pytest.raises(ConflictError) as caught:
        fetch(local_lake, part, overwrite, patience=Waits().patience())

    assert caught.value.kind == "object-changed"


@pytest.fixture
def rclone_lake(rclone_s3_server: RcloneS3) -> LakeStore:
    """rclone's S3 server over a folder, which answers 200 to every range."""
    rclone_s3_server.make_bucket("lake-tests")
    for key, body in OBJECTS.items():
        path = rclone_s3_server.root / "lake-tests" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    server = rclone_s3_server
    return open_s3(server.endpoint, server.access_key_id, server.secret_access_key, "lake-tests")


def test_rclone_serves_what_it_lists(rclone_lake: LakeStore) -> None:
    assert fetched(rclone_lake, parts(rows(rclone_lake, "/**"))) == OBJECTS


@pytest.mark.parametrize(("start", "end"), [(0, CHUNK_BYTES), (CHUNK_BYTES, len(BIG)), (5, 6)])
def test_range_ignored_by_rclone_is_said(rclone_lake: LakeStore, start: int, end: int) -> None:
    received = bytearray()

    with pytest.raises(InputError) as caught:
        fetch(rclone_lake, replace(whole(rclone_lake, "criteo/day_0"), start=start, end=end), received.extend)

    assert caught.value.kind == "range-ignored"
    assert "s3://lake-tests/criteo/day_0" in caught.value.message
    assert received == b""
