"""Datasets, versions and references."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import writing
from forebay.errors import ConflictError, ForebayError, InputError, NotFoundError
from forebay.wire.catalog import MadeBy, NewVersion, ParentVersion
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import LAKE, Shelf, listed


def _kind(action: object) -> str:
    with pytest.raises(ForebayError) as caught:
        action()  # type: ignore[operator]
    return caught.value.kind


def test_an_empty_catalog_is_a_list(catalog: Catalog) -> None:
    assert catalog.datasets() == []


def test_a_version_is_what_was_added(catalog: Catalog, shelf: Shelf) -> None:
    manifest = shelf.keep(listed(a="1", b="2"))
    made_by = MadeBy(command="python prepare.py", code="abc123", parameters='{"x": 1}')
    new = NewVersion(
        dataset="criteo",
        manifest_digest=manifest.manifest_digest,
        origin="registered",
        lake_url=LAKE,
        profile="team",
        created_by="ada",
        message="first",
        made_by=made_by,
    )
    added = catalog.add_version(new)
    assert added.created
    version = catalog.resolve("criteo")
    assert version == added.version
    assert (version.ref, version.group, version.origin) == ("criteo@v1", "default", "registered")
    assert (version.files, version.size_bytes, version.sealed) == (2, 2, False)
    assert (version.lake_url, version.profile) == (LAKE, "team")
    assert (version.created_by, version.message, version.made_by) == ("ada", "first", made_by)
    assert version.created_at > 0
    dataset = catalog.dataset("criteo")
    assert (dataset.owner, dataset.group, dataset.description) == ("ada", "default", "")
    assert (dataset.versions, dataset.latest, dataset.size_bytes) == (1, 1, 2)


def test_datasets_by_name_and_versions_newest_first(catalog: Catalog, shelf: Shelf) -> None:
    for name in ("b", "a", "b"):
        shelf.add(name)
    assert [(dataset.name, dataset.versions) for dataset in catalog.datasets()] == [("a", 1), ("b", 2)]
    assert [version.number for version in catalog.versions("b")] == [2, 1]


def test_identical_content_adds_nothing(catalog: Catalog, shelf: Shelf) -> None:
    first = shelf.add("x", listed(a="1"))
    again = shelf.add("x", listed(a="1"))
    assert first.created
    assert not again.created
    assert again.version == first.version
    assert shelf.add("x", listed(a="2")).version.number == 2
    assert shelf.add("x", listed(a="1")).version.number == 3, "going back is a change"
    assert shelf.add("x", listed(a="1"), lake_url="s3://elsewhere").version.number == 4


def test_references(catalog: Catalog, shelf: Shelf) -> None:
    one, two = shelf.add("x").version, shelf.add("x").version
    catalog.tag("x", "prod", 1, "ada")
    prefix = one.manifest_digest[:12]
    for ref, number in [("x", 2), ("x@latest", 2), ("x@v1", 1), ("x@v2", 2), ("x@prod", 1), (f"x@{prefix}", 1)]:
        assert catalog.resolve(ref).number == number
    assert catalog.resolve(f"x@{two.manifest_digest}").number == 2


def test_references_to_nothing(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("criteo")
    catalog.tag("criteo", "prod", 1, "ada")
    assert _kind(lambda: catalog.resolve("criteo@v2")) == "version-not-found"
    assert _kind(lambda: catalog.resolve("criteo@v999999999")) == "version-not-found"
    assert _kind(lambda: catalog.resolve("criteo@000000")) == "version-not-found"
    assert _kind(lambda: catalog.resolve("criteo@prot")) == "tag-not-found"
    assert _kind(lambda: catalog.resolve("Criteo")) == "bad-name"
    with pytest.raises(NotFoundError, match="Did you mean prod"):
        catalog.resolve("criteo@prot")
    for action in (lambda: catalog.resolve("critoe"), lambda: catalog.dataset("critoe")):
        with pytest.raises(NotFoundError, match="Did you mean criteo") as caught:
            action()
        assert caught.value.kind == "dataset-not-found"


def test_an_ambiguous_digest_prefix_lists_the_versions(catalog: Catalog, shelf: Shelf, engine: Engine) -> None:
    shelf.add("x")
    shelf.add("x")
    shelf.add("x", listed(a="back"))
    with writing(engine) as connection:
        for number, digest in ((1, "abcdef" + "1" * 58), (2, "abcdef" + "2" * 58), (3, "abcdef" + "2" * 58)):
            here = t.version.c.number == number
            connection.execute(sa.update(t.version).where(here).values(manifest_digest=digest))
    with pytest.raises(InputError, match=r"v3 .*v2 .*v1") as caught:
        catalog.resolve("x@abcdef")
    assert caught.value.kind == "ambiguous-ref"
    assert catalog.resolve("x@abcdef2").number == 3, "the newest of one content"


def test_requests_that_are_refused_leave_nothing_behind(catalog: Catalog, shelf: Shelf) -> None:
    manifest = shelf.keep(listed(a="1"))
    good = shelf.new("x", manifest)
    secret = NewVersion(
        dataset="x", manifest_digest=good.manifest_digest, origin="registered", lake_url="s3://u:pw@lake/x"
    )
    assert _kind(lambda: catalog.add_version(secret)) == "credentials-in-url"
    unknown = NewVersion(dataset="x", manifest_digest="0" * 64, origin="registered", lake_url=LAKE)
    assert _kind(lambda: catalog.add_version(unknown)) == "manifest-not-found"
    other = NewVersion(dataset="x", manifest_digest=good.manifest_digest, origin="committed", lake_url=LAKE)
    assert _kind(lambda: catalog.add_version(other)) == "bad-origin"
    orphan = NewVersion(
        dataset="x",
        manifest_digest=good.manifest_digest,
        origin="registered",
        lake_url=LAKE,
        parents=(ParentVersion(dataset="x", number=7),),
    )
    assert _kind(lambda: catalog.add_version(orphan)) == "version-not-found"
    assert _kind(lambda: catalog.add_version(shelf.new("X", manifest))) == "bad-name"
    assert catalog.datasets() == []


def test_any_text_can_be_kept(catalog: Catalog, shelf: Shelf) -> None:
    manifest = shelf.keep(listed(a="1"))
    awkward = "a\0b \udcff é 🦆 'quoted'; DROP TABLE version"
    catalog.add_version(
        NewVersion(
            dataset="x",
            manifest_digest=manifest.manifest_digest,
            origin="registered",
            lake_url=LAKE,
            created_by=awkward * 10,
            message=awkward,
            made_by=MadeBy(command=awkward),
        )
    )
    assert "🦆" in catalog.resolve("x").message
    assert "\\0b" in catalog.resolve("x").made_by.command
    catalog.tag("x", "t", 1, awkward * 10)


def test_restore_puts_a_version_back(catalog: Catalog, shelf: Shelf) -> None:
    manifest = shelf.keep(listed(a="1"))
    restored = catalog.restore_version(shelf.new("x", manifest), 5)
    assert restored.ref == "x@v5"
    assert catalog.restore_version(shelf.new("x", manifest), 5) == restored
    assert catalog.restore_version(shelf.new("x", shelf.keep(listed(a="0"))), 2).number == 2
    with pytest.raises(ConflictError) as caught:
        catalog.restore_version(shelf.new("x", shelf.keep(listed(a="3"))), 5)
    assert caught.value.kind == "number-taken"
    assert shelf.add("x").version.number == 6
    assert _kind(lambda: catalog.restore_version(shelf.new("x", manifest), 0)) == "bad-ref"
    itself = NewVersion(
        dataset="x",
        manifest_digest=manifest.manifest_digest,
        origin="registered",
        lake_url=LAKE,
        parents=(ParentVersion(dataset="x", number=9),),
    )
    assert _kind(lambda: catalog.restore_version(itself, 9)) == "bad-parent"
