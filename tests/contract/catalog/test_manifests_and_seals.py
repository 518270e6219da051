"""Kept files: checked when they come and when they go, and what was learned about them."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.manifest import SCHEMA, Entry, Manifest, _digest
from forebay.catalog.seal import Seal
from forebay.catalog.store import CatalogStore
from forebay.errors import ConflictError, DamagedError, InputError, NotFoundError
from forebay.wire.hub import Catalog
from tests.contract.catalog.shelf import LAKE, ONES, ZEROS, Shelf, TickingClock, listed


def test_IMMUTABLE_manifest_never_changes(catalog: Catalog, shelf: Shelf, tmp_path: Path) -> None:
    manifest = shelf.keep(listed(a="1"))
    kept = catalog.manifest_path(manifest.manifest_digest)
    before = (kept.read_bytes(), kept.stat().st_ino, kept.stat().st_mtime_ns)
    shelf.keep(listed(a="1"))
    shelf.add("x", manifest)
    shelf.learn(manifest, a=ONES)
    assert (kept.read_bytes(), kept.stat().st_ino, kept.stat().st_mtime_ns) == before
    assert kept.name == manifest.file_name
    assert not kept.stat().st_mode & 0o222


def test_a_damaged_manifest_is_not_handed_out_and_can_be_kept_anew(
    embedded: CatalogStore, embedded_shelf: Shelf
) -> None:
    one, two = embedded_shelf.keep(listed(a="1")), embedded_shelf.keep(listed(a="2"))
    kept = embedded.manifest_path(one.manifest_digest)
    for content in (kept.read_bytes()[:-20], embedded.manifest_path(two.manifest_digest).read_bytes()):
        kept.chmod(0o644)
        kept.write_bytes(content)
        with pytest.raises(DamagedError) as caught:
            embedded.manifest_path(one.manifest_digest)
        assert caught.value.kind == "manifest-damaged"
    embedded_shelf.keep(one)
    assert Manifest.read(embedded.manifest_path(one.manifest_digest)).manifest_digest == one.manifest_digest


def test_files_that_are_not_kept(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        catalog.manifest_path("0" * 64)
    assert caught.value.kind == "manifest-not-found"
    assert catalog.seal_path("0" * 64) is None
    with pytest.raises(NotFoundError):
        catalog.store_manifest(tmp_path / "nowhere")
    (tmp_path / "junk").write_bytes(b"junk")
    for store in (catalog.store_manifest, catalog.store_seal):
        with pytest.raises(DamagedError):
            store(tmp_path / "junk")
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []


def test_a_manifest_with_unsafe_paths_is_not_kept(catalog: Catalog, tmp_path: Path) -> None:
    good = Manifest.registered([Entry(path="a", size_bytes=1)])
    table = good.table.set_column(0, SCHEMA.field("path"), pa.array(["../a"]))
    replace(good, table=table).write(tmp_path / "lying")
    with pytest.raises(DamagedError):
        catalog.store_manifest(tmp_path / "lying")
    replace(good, table=table, manifest_digest=_digest("registered", table.column)).write(tmp_path / "honest")
    with pytest.raises(InputError) as caught:
        catalog.store_manifest(tmp_path / "honest")
    assert caught.value.kind == "path-dots"


def test_the_same_committed_files_under_other_keys(catalog: Catalog, shelf: Shelf, tmp_path: Path) -> None:
    shelf.keep(Manifest.committed([Entry(path="a", size_bytes=1, digest="00" * 32, key="blobs/here")]))
    Manifest.committed([Entry(path="a", size_bytes=1, digest="00" * 32, key="there")]).write(tmp_path / "m")
    with pytest.raises(ConflictError) as caught:
        catalog.store_manifest(tmp_path / "m")
    assert caught.value.kind == "manifest-keys-differ"


def test_seals_grow(catalog: Catalog, shelf: Shelf) -> None:
    manifest = listed(a="1", b="2")
    version = shelf.add("x", manifest).version
    assert catalog.seal_path(version.manifest_digest) is None
    shelf.learn(manifest, a=ZEROS)
    assert shelf.known(manifest) == {"a": ZEROS, "b": None}
    assert not catalog.resolve("x").sealed
    shelf.learn(manifest, b=ONES)
    assert shelf.known(manifest) == {"a": ZEROS, "b": ONES}
    assert catalog.resolve("x").sealed
    shelf.learn(manifest, a=ZEROS)
    assert shelf.known(manifest) == {"a": ZEROS, "b": ONES}


def test_IMMUTABLE_known_digests_never_change(catalog: Catalog, shelf: Shelf) -> None:
    manifest = listed(a="1", b="2")
    shelf.add("x", manifest)
    shelf.learn(manifest, a=ZEROS)
    with pytest.raises(ConflictError, match="'a'") as caught:
        shelf.learn(manifest, a=ONES, b=ONES)
    assert caught.value.kind == "digest-mismatch"
    assert shelf.known(manifest) == {"a": ZEROS, "b": None}


def test_a_committed_version_is_sealed_from_the_start(catalog: Catalog, shelf: Shelf) -> None:
    manifest = Manifest.committed([Entry(path="a", size_bytes=1, digest=ZEROS.hex())])
    assert shelf.add("x", manifest).version.sealed
    shelf.learn(manifest, a=ZEROS)
    with pytest.raises(ConflictError) as caught:
        shelf.learn(manifest, a=ONES)
    assert caught.value.kind == "digest-mismatch"


def test_seals_of_others_are_refused(catalog: Catalog, shelf: Shelf, tmp_path: Path) -> None:
    one, two = shelf.keep(listed(a="1")), shelf.keep(listed(a="2"))
    seal = shelf.learn(one, a=ZEROS)
    with pytest.raises(InputError) as caught:
        catalog.seal(two.manifest_digest, seal.seal_digest)
    assert caught.value.kind == "wrong-seal"
    with pytest.raises(NotFoundError) as missing:
        catalog.seal(one.manifest_digest, "0" * 64)
    assert missing.value.kind == "seal-not-found"
    short = Seal._made(two.manifest_digest, pa.chunked_array([pa.array([ZEROS, ZEROS], pa.binary(32))]))
    short.write(tmp_path / "short")
    catalog.store_seal(tmp_path / "short")
    with pytest.raises(InputError):
        catalog.seal(two.manifest_digest, short.seal_digest)


def test_what_was_learned_may_not_be_forgotten(embedded: CatalogStore, embedded_shelf: Shelf, engine: Engine) -> None:
    manifest = embedded_shelf.keep(listed(a="1"))
    embedded_shelf.learn(manifest, a=ZEROS)
    kept = embedded.seal_path(manifest.manifest_digest)
    assert kept is not None
    kept.unlink()
    with writing(engine) as connection:
        connection.execute(sa.delete(t.archived))
    for action in (
        lambda: embedded.seal_path(manifest.manifest_digest),
        lambda: embedded_shelf.learn(embedded_shelf.keep(listed(a="1")), a=ONES),
    ):
        with pytest.raises(DamagedError) as caught:
            action()
        assert caught.value.kind == "seal-damaged"


def test_hosts_that_share_only_a_database_server_see_the_same_files(
    catalog: Catalog, shelf: Shelf, engine: Engine, tmp_path: Path
) -> None:
    chance = random.Random(1)
    etags = (chance.randbytes(30).hex() for _ in range(60_000))
    rows = [Entry(path=f"p{at:06}", size_bytes=at, etag=etag) for at, etag in enumerate(etags)]
    manifest = shelf.keep(Manifest.registered(rows))
    shelf.add("x", manifest)
    seal = Seal._made(manifest.manifest_digest, pa.chunked_array([pa.array([ZEROS] * 60_000, pa.binary(32))]))
    seal.write(tmp_path / "seal")
    catalog.seal(manifest.manifest_digest, catalog.store_seal(tmp_path / "seal"))
    other = CatalogStore(engine, tmp_path / "files of another host", TickingClock())
    if engine.dialect.name == "sqlite":
        with pytest.raises(NotFoundError):
            other.manifest_path(manifest.manifest_digest)
        return
    assert Manifest.read(other.manifest_path(manifest.manifest_digest)).table == manifest.table
    found = other.seal_path(manifest.manifest_digest)
    assert found is not None
    assert Seal.read(found).complete
    with reading(engine) as connection:
        assert connection.execute(sa.select(sa.func.max(t.archived.c.part))).scalar_one() >= 1, "it came in parts"


def test_a_new_version_knows_the_digests_of_unchanged_objects(catalog: Catalog, shelf: Shelf) -> None:
    old, new = listed(a="1", b="2", mute=""), listed(a="1", b="changed", c="3", mute="")
    shelf.add("x", old)
    shelf.learn(old, a=ZEROS, b=ONES, mute=ONES)
    assert not shelf.add("x", new).version.sealed
    assert shelf.known(new) == {"a": ZEROS, "b": None, "c": None, "mute": None}
    part = listed(a="1")
    assert shelf.add("x", part).version.sealed
    assert catalog.resolve("x").sealed


def test_digests_are_not_inherited_across_lakes_or_over_damage(embedded: CatalogStore, embedded_shelf: Shelf) -> None:
    old = listed(a="1", b="2")
    embedded_shelf.add("x", old)
    embedded_shelf.learn(old, a=ZEROS)
    elsewhere = listed(a="1")
    embedded_shelf.add("x", elsewhere, lake_url=f"{LAKE}/other")
    assert embedded.seal_path(elsewhere.manifest_digest) is None
    embedded_shelf.add("y", old)
    seal = embedded.seal_path(old.manifest_digest)
    assert seal is not None
    os.unlink(seal)
    assert embedded_shelf.add("y", listed(a="1", c="3")).version.number == 2
