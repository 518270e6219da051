"""What `list_objects` and `confirm` say about a lake, on an S3 origin and on a local folder."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from forebay.catalog.manifest import Manifest
from forebay.errors import ForebayError, InputError, NotAllowedError, NotFoundError, UnavailableError
from forebay.lake import confirm as confirming
from forebay.lake import listing
from forebay.lake.confirm import confirm
from forebay.lake.listing import Listed, list_objects
from forebay.lake.location import parse_location
from forebay.lake.stores import LakeStore
from forebay.testing.awkward import AwkwardOrigin, Fault, Hold, Reset, Status, Truncate
from tests.integration.lake.lakes import IMPATIENT, Waits, error_of, open_awkward

pytestmark = pytest.mark.integration


@pytest.fixture
def store(awkward_origin: AwkwardOrigin) -> LakeStore:
    for day in range(3):
        awkward_origin.put(f"/lake/criteo/day_{day}", b"x" * (day + 1))
    awkward_origin.put("/lake/criteo/notes/readme", b"read me")
    awkward_origin.put("/lake/other", b"?")
    return open_awkward(awkward_origin)


def rows(store: LakeStore, url: str, listed: Listed | None = None) -> pa.Table:
    batches = list_objects(parse_location(url), store, listed=listed, patience=Waits().patience())
    return pa.Table.from_batches(batches, schema=listing.SCHEMA)


def paths(store: LakeStore, url: str) -> list[str]:
    found: list[str] = rows(store, url)["path"].to_pylist()
    return sorted(found)


def failure(store: LakeStore, url: str, category: type[ForebayError]) -> ForebayError:
    with pytest.raises(category) as caught:
        rows(store, url)
    return error_of(caught)


def test_a_pattern_gives_paths_relative_to_its_folder(store: LakeStore) -> None:
    table = rows(store, "s3://lake/criteo/day_*")

    assert table["path"].to_pylist() == ["day_0", "day_1", "day_2"]
    assert table["key"].to_pylist() == ["criteo/day_0", "criteo/day_1", "criteo/day_2"]
    assert table["size_bytes"].to_pylist() == [1, 2, 3]
    assert all(table["etag"].to_pylist())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://lake/criteo", ["day_0", "day_1", "day_2", "notes/readme"]),
        ("s3://lake/criteo/", ["day_0", "day_1", "day_2", "notes/readme"]),
        ("s3://lake/criteo/*", ["day_0", "day_1", "day_2"]),
        ("s3://lake/criteo/**", ["day_0", "day_1", "day_2", "notes/readme"]),
        ("s3://lake/*/day_[01]", ["criteo/day_0", "criteo/day_1"]),
        ("s3://lake/**/readme", ["criteo/notes/readme"]),
        ("s3://lake/criteo/day_1", ["day_1"]),
        ("s3://lake/other", ["other"]),
        ("s3://lake", ["criteo/day_0", "criteo/day_1", "criteo/day_2", "criteo/notes/readme", "other"]),
    ],
)
def test_which_objects_a_url_names(store: LakeStore, url: str, expected: list[str]) -> None:
    assert paths(store, url) == expected


def test_listing_reads_no_object(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    paths(store, "s3://lake/criteo/**")

    assert [seen.path for seen in awkward_origin.seen(method="GET")] == ["/lake"]


def test_zero_objects_matched_names_the_pattern_and_the_nearest_folder(store: LakeStore) -> None:
    error = failure(store, "s3://lake/criteo/dya_*", InputError)

    assert error.kind == "nothing-matched"
    assert "s3://lake/criteo/dya_*" in error.message
    assert "s3://lake/criteo/, with 4" in error.message


def test_zero_objects_below_a_missing_folder_names_the_nearest_one(store: LakeStore) -> None:
    error = failure(store, "s3://lake/criteo/a/b/c*", InputError)

    assert "s3://lake/criteo/, with 4" in error.message


def test_zero_objects_in_an_empty_lake(awkward_origin: AwkwardOrigin) -> None:
    assert "The lake is empty" in failure(open_awkward(awkward_origin), "s3://lake/a/*", InputError).message


def test_directory_markers_are_left_out_and_empty_objects_are_not(
    awkward_origin: AwkwardOrigin, store: LakeStore
) -> None:
    awkward_origin.put("/lake/criteo/", b"")
    awkward_origin.put("/lake/criteo/notes/", b"")
    awkward_origin.put("/lake/criteo/nothing/", b"")
    awkward_origin.put("/lake/criteo/_SUCCESS", b"")
    listed = Listed()

    found = rows(store, "s3://lake/criteo/", listed)["path"].to_pylist()

    assert sorted(found) == ["_SUCCESS", "day_0", "day_1", "day_2", "notes/readme"]
    assert (listed.objects, listed.size_bytes, listed.markers) == (5, 13, 3)


@pytest.mark.parametrize("key", ["a/../b", "a//b", "../b", "./b", "nul\0", "tab\tb"])
def test_a_key_that_is_no_path_is_named(awkward_origin: AwkwardOrigin, store: LakeStore, key: str) -> None:
    awkward_origin.put(f"/lake/{key}", b"x")

    error = failure(store, "s3://lake/**", InputError)

    assert error.kind == "bad-key"
    assert "b" in error.message


@pytest.mark.parametrize("fault", [Status(503), Status(429), Status(500), Reset(), Truncate(after_bytes=20)], ids=repr)
def test_a_listing_survives_what_passes(awkward_origin: AwkwardOrigin, store: LakeStore, fault: Status) -> None:
    awkward_origin.misbehave("/lake", fault)

    assert len(paths(store, "s3://lake/**")) == 5


def test_a_listing_that_breaks_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_ROWS", 10)
    with AwkwardOrigin(page_size=10) as origin:
        for number in range(45):
            origin.put(f"/lake/{number:03d}", b"x")
        store = open_awkward(origin)
        found: list[str] = []
        for batch in list_objects(parse_location("s3://lake/**"), store, patience=Waits().patience()):
            found += batch["path"].to_pylist()
            if len(found) == 20:
                origin.misbehave("/lake", Truncate(after_bytes=20))

    assert found == [f"{number:03d}" for number in range(45)]


def test_a_listing_that_breaks_off_while_objects_change_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_ROWS", 10)
    with AwkwardOrigin(page_size=10) as origin:
        for number in range(45):
            origin.put(f"/lake/{number:03d}", b"x")
        batches = list_objects(parse_location("s3://lake/**"), open_awkward(origin), patience=Waits().patience())
        next(batches)
        origin.put("/lake/000a", b"new")
        origin.misbehave("/lake", Truncate(after_bytes=20))

        with pytest.raises(ForebayError) as caught:
            list(batches)

    assert "changed" in error_of(caught).message


@pytest.mark.parametrize(
    ("fault", "category", "kind"),
    [
        (Status(403), NotAllowedError, "lake-denied"),
        (Status(404), NotFoundError, "lake-not-found"),
        (Status(503), UnavailableError, "lake-away"),
        (Status(429), UnavailableError, "lake-away"),
        (Hold(), UnavailableError, "lake-away"),
        (Truncate(after_bytes=20), UnavailableError, "truncated"),
    ],
    ids=["403", "404", "503", "429", "timeout", "truncated"],
)
def test_a_listing_that_fails_for_good(
    awkward_origin: AwkwardOrigin, store: LakeStore, fault: Fault, category: type[ForebayError], kind: str
) -> None:
    awkward_origin.misbehave("/lake", always=fault)
    if isinstance(fault, Hold):
        store = open_awkward(awkward_origin, manners=IMPATIENT)

    error = failure(store, "s3://lake/criteo/day_*", category)

    assert error.kind == kind
    assert "s3://lake" in error.message


def test_a_local_folder(tmp_path: Path) -> None:
    (tmp_path / "my logs" / "deep").mkdir(parents=True)
    for name in ("day_0", "day_1", "deep/day_2"):
        (tmp_path / "my logs" / name).write_text(name)
    (tmp_path / "my logs" / "empty").touch()
    url = (tmp_path / "my logs").as_uri()

    def found(tail: str) -> list[str]:
        location = parse_location(url + tail)
        return paths(LakeStore.open(location.root_url), url + tail)

    assert found("/day_*") == ["day_0", "day_1"]
    assert found("") == ["day_0", "day_1", "deep/day_2", "empty"]
    assert found("/") == ["day_0", "day_1", "deep/day_2", "empty"]
    assert found("/deep/day_2") == ["day_2"]


def test_a_missing_local_folder_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no such folder"):
        LakeStore.open((tmp_path / "nowhere").as_uri())


@pytest.mark.parametrize("looked_up", [1000, 0], ids=["each", "listed"])
def test_confirm_tells_missing_from_changed(
    awkward_origin: AwkwardOrigin, store: LakeStore, monkeypatch: pytest.MonkeyPatch, looked_up: int
) -> None:
    monkeypatch.setattr(confirming, "_LOOKED_UP", looked_up)
    manifest = Manifest.registered(rows(store, "s3://lake/criteo/**"))
    assert confirm(manifest, store).complete

    awkward_origin.remove("/lake/criteo/day_0")
    awkward_origin.put("/lake/criteo/day_1", b"xy", etag='"other"')
    awkward_origin.put("/lake/criteo/day_2", b"longer")
    confirmation = confirm(manifest, store)

    assert confirmation.checked == 4
    assert confirmation.missing == ("day_0",)
    assert confirmation.changed == ("day_1", "day_2")
    assert not confirmation.complete


def test_confirm_does_not_take_an_outage_for_a_loss(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    manifest = Manifest.registered(rows(store, "s3://lake/criteo/**"))
    awkward_origin.misbehave("/lake/criteo/day_0", always=Status(503), method="HEAD")

    with pytest.raises(UnavailableError):
        confirm(manifest, store)
