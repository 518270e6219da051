"""Subsets share a version's number, and what is learned about a file, but never count as the version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.recipe import Cut, Piece, read_recipe, write_recipe
from forebay.catalog.store import CatalogStore
from forebay.errors import ConflictError, DamagedError, InputError, NotFoundError
from forebay.wire.catalog import NewSubset, NewVersion, Version
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import LAKE, ONES, ZEROS, Shelf, listed

WHOLE = listed(a="1", b="2", c="3")
TWOS = bytes([2] * 32)


def declare(shelf: Shelf, name: str, manifest: Manifest, *, number: int = 1) -> Version:
    shelf.keep(manifest)
    new = NewSubset(
        dataset="x",
        number=number,
        subset=name,
        selection=f'{{"include":["{name}"]}}',
        manifest_digest=manifest.manifest_digest,
        created_by="ada",
    )
    return shelf.catalog.add_subset(new)


def test_a_subset_is_found_by_its_name_and_seen_nowhere_else(catalog: Catalog, shelf: Shelf) -> None:
    first = shelf.add("x", WHOLE).version
    part = declare(shelf, "[ab]", listed(a="1", b="2"))
    assert (part.ref, part.files, part.size_bytes) == ("x@v1[[ab]]", 2, 2)
    assert (part.lake_url, part.origin, part.tags) == (first.lake_url, first.origin, ())
    assert declare(shelf, "[ab]", listed(a="1", b="2")) == part, "declared twice it is the same"
    catalog.tag("x", "prod", 1, "ada")
    for ref in ("x@v1[[ab]]", "x[[ab]]", "x@prod[[ab]]", f"x@{first.manifest_digest[:8]}[[ab]]"):
        assert catalog.resolve(ref) == part
    assert [version.ref for version in catalog.versions("x")] == ["x@v1"]
    found = catalog.dataset("x")
    assert (found.versions, found.latest, found.size_bytes) == (1, 1, 3)
    assert catalog.resolve("x").ref == "x@v1"
    with pytest.raises(NotFoundError, match="No version"):
        catalog.resolve(f"x@{part.manifest_digest[:8]}")
    assert shelf.add("x", WHOLE).created is False, "its subsets do not hide what the latest version is"
    assert shelf.add("x").version.ref == "x@v2"


def test_an_unknown_subset_and_what_is_none(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x", WHOLE)
    with pytest.raises(NotFoundError, match="--include"):
        catalog.resolve("x@v1[a*]")
    declare(shelf, "part_a*", listed(a="1"))
    with pytest.raises(NotFoundError, match="mean part_a\\*") as missing:
        catalog.resolve("x@v1[part_a?]")
    assert missing.value.kind == "subset-not-found"
    with pytest.raises(NotFoundError) as absent:
        declare(shelf, "a*", listed(a="1"), number=7)
    assert absent.value.kind == "version-not-found"
    larger = Manifest.registered([Entry(path="a", size_bytes=2, etag="1")])
    for foreign in (listed(z="1"), listed(a="other"), larger):
        with pytest.raises(InputError) as refused:
            declare(shelf, "bad", foreign)
        assert refused.value.kind == "bad-subset"
    with pytest.raises(InputError):
        declare(shelf, "n" * 41, listed(a="1"))
    with pytest.raises(NotFoundError):
        catalog.resolve("x@v1[bad]")


def test_what_one_learns_all_know(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x", WHOLE)
    ab, bc = listed(a="1", b="2"), listed(b="2", c="3")
    declare(shelf, "ab", ab)
    shelf.learn(ab, a=ZEROS, b=ONES)
    assert shelf.known(WHOLE) == {"a": ZEROS, "b": ONES, "c": None}
    declare(shelf, "bc", bc)
    assert shelf.known(bc) == {"b": ONES, "c": None}, "declared later, it knows what was learned before"
    assert catalog.resolve("x@v1[ab]").sealed
    assert not catalog.resolve("x@v1").sealed
    shelf.learn(bc, b=ONES, c=TWOS)
    assert shelf.known(WHOLE) == {"a": ZEROS, "b": ONES, "c": TWOS}
    assert catalog.resolve("x@v1").sealed
    only_c = listed(c="3")
    declare(shelf, "c", only_c)
    assert catalog.resolve("x@v1[c]").sealed


def test_what_the_whole_learns_its_subsets_know(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x", WHOLE)
    declare(shelf, "a", listed(a="1"))
    shelf.learn(WHOLE, a=ZEROS)
    assert shelf.known(listed(a="1")) == {"a": ZEROS}


def test_IMMUTABLE_a_subset_may_not_contradict_its_whole(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x", WHOLE)
    declare(shelf, "a", listed(a="1"))
    shelf.learn(WHOLE, a=ZEROS)
    with pytest.raises(ConflictError, match="'a'") as refused:
        shelf.learn(listed(a="1"), a=ONES)
    assert refused.value.kind == "digest-mismatch"
    assert shelf.known(WHOLE)["a"] == ZEROS


def test_the_first_recipe_of_a_manifest_stays(catalog: Catalog, shelf: Shelf, tmp_path: Path) -> None:
    part = shelf.keep(listed(a="1"))
    digest = part.manifest_digest
    with pytest.raises(NotFoundError) as absent:
        catalog.recipe_path(digest)
    assert absent.value.kind == "recipe-not-found"
    first = Cut(object_bytes=90, head=b"PAR1", pieces=(Piece(4, 10, 20), Piece(14, 50, 60)), tail=b"footer")
    for cut in (first, replace(first, tail=b"another")):
        write_recipe(tmp_path / "recipe.parquet", digest, {"a": cut})
        catalog.store_recipe(digest, tmp_path / "recipe.parquet")
    assert read_recipe(catalog.recipe_path(digest), digest) == {"a": first}
    kept = catalog.recipe_path(digest)
    with pytest.raises(DamagedError, match="belongs to the manifest"):
        catalog.store_recipe("ab" * 32, kept)


def test_a_torn_recipe_is_not_handed_out_and_can_be_kept_anew(
    embedded: CatalogStore, embedded_shelf: Shelf, tmp_path: Path
) -> None:
    digest = embedded_shelf.keep(listed(a="1")).manifest_digest
    whole = Cut(object_bytes=90, head=b"PAR1", pieces=(Piece(4, 10, 20),), tail=b"footer")
    write_recipe(tmp_path / "recipe.parquet", digest, {"a": whole})
    embedded.store_recipe(digest, tmp_path / "recipe.parquet")
    kept = embedded.recipe_path(digest)
    kept.chmod(0o644)
    kept.write_bytes(b"torn")
    with pytest.raises(DamagedError):
        embedded.recipe_path(digest)
    embedded.store_recipe(digest, tmp_path / "recipe.parquet")
    assert read_recipe(embedded.recipe_path(digest), digest) == {"a": whole}


@pytest.mark.parametrize(
    "pieces", [(Piece(5, 0, 1),), (Piece(4, 3, 3),), (Piece(4, 0, 91),), (Piece(4, 0, 9), Piece(14, 9, 10))]
)
def test_a_recipe_that_makes_no_file_is_refused(catalog: Catalog, tmp_path: Path, pieces: tuple[Piece, ...]) -> None:
    cut = Cut(object_bytes=90, head=b"PAR1", pieces=pieces, tail=b"")
    write_recipe(tmp_path / "recipe.parquet", "ab" * 32, {"a": cut})
    with pytest.raises(DamagedError, match="no file"):
        catalog.store_recipe("ab" * 32, tmp_path / "recipe.parquet")


def test_a_removed_version_takes_its_subsets_along(catalog: Catalog, shelf: Shelf) -> None:
    shelf.add("x", WHOLE)
    declare(shelf, "a", listed(a="1"))
    catalog.remove_version("x", 1)
    with pytest.raises(NotFoundError):
        catalog.resolve("x@v1[a]")
    shelf.add("x", WHOLE)
    declare(shelf, "a", listed(a="1"), number=2)
    catalog.remove_dataset("x")
    assert catalog.datasets() == []


def test_RECOVERABLE_a_subset_is_put_back_without_its_whole(catalog: Catalog, shelf: Shelf) -> None:
    part = shelf.keep(listed(a="1"))
    new = NewVersion(
        dataset="x",
        manifest_digest=part.manifest_digest,
        origin="registered",
        lake_url=LAKE,
        subset="a",
        selection='{"include":["a"]}',
    )
    assert catalog.restore_version(new, 4).ref == "x@v4[a]"
    assert catalog.restore_version(new, 4).ref == "x@v4[a]"
    assert catalog.versions("x") == []
    assert shelf.add("x", WHOLE).version.number == 5, "the number of a version that was there once stays its own"
