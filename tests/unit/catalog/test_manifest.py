"""Manifests: identity, order, files that prove themselves, and the incremental builder."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.catalog.builder import ManifestBuilder
from forebay.catalog.manifest import SCHEMA, Entry, Manifest, _digest
from forebay.catalog.parquet import write_parquet
from forebay.errors import ConflictError, DamagedError, InputError, NotFoundError
from tests.unit.catalog.rows import digests, entry_lists, reference_manifest_digest

TWO = [Entry(path="b/two", size_bytes=2, etag="e2"), Entry(path="a", size_bytes=1, key="k/a", version_id="7")]


@given(entry_lists())
def test_registered_digest_is_the_documented_one(entries: list[Entry]) -> None:
    assert Manifest.registered(entries).manifest_digest == reference_manifest_digest("registered", entries)


@given(entry_lists(digests))
def test_committed_digest_is_the_documented_one(entries: list[Entry]) -> None:
    assert Manifest.committed(entries).manifest_digest == reference_manifest_digest("committed", entries)


@given(entry_lists(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_digest_depends_neither_on_order_nor_on_chunks(entries: list[Entry], chance: random.Random, step: int) -> None:
    manifest = Manifest.registered(entries)
    shuffled = list(entries)
    chance.shuffle(shuffled)
    builder = ManifestBuilder("registered")
    table = Manifest.registered(shuffled).table
    for start in range(0, len(table), step):
        builder.add(table.slice(start, step))
    assert (builder.files, builder.size_bytes) == (len(manifest), manifest.size_bytes)
    assert builder.build().manifest_digest == Manifest.registered(shuffled).manifest_digest == manifest.manifest_digest


@given(entry_lists())
def test_entries_are_what_was_given_by_path(entries: list[Entry]) -> None:
    manifest = Manifest.registered(entries)
    assert list(manifest.entries()) == sorted(entries, key=lambda entry: entry.path)
    assert manifest.size_bytes == sum(entry.size_bytes for entry in entries)
    for entry in entries:
        assert manifest.entry(entry.path) == entry
    with pytest.raises(NotFoundError):
        manifest.entry("nowhere")


@pytest.mark.parametrize("changed", ["path", "size_bytes", "key", "etag", "version_id"])
def test_every_registered_column_is_part_of_the_identity(changed: str) -> None:
    entry = Entry(path="a", size_bytes=1, key="k", etag="e", version_id="v")
    other = {name: getattr(entry, name) for name in ("path", "size_bytes", "key", "etag", "version_id")}
    other[changed] = 2 if changed == "size_bytes" else "other"
    assert Manifest.registered([entry]).manifest_digest != Manifest.registered([Entry(**other)]).manifest_digest


def test_a_committed_identity_leaves_out_where_the_bytes_are() -> None:
    here = Entry(path="a", size_bytes=1, digest="00" * 32, key="here", etag="x")
    there = Entry(path="a", size_bytes=1, digest="00" * 32, key="there")
    assert Manifest.committed([here]).manifest_digest == Manifest.committed([there]).manifest_digest


def test_defaults_of_arrow_rows() -> None:
    rows = pa.record_batch(
        {
            "path": pa.array(["b", "a"], pa.large_string()),
            "size_bytes": pa.array([1, 2], pa.uint64()),
            "etag": pa.array([None, "e"]),
        }
    )
    manifest = Manifest.registered(rows)
    assert list(manifest.entries()) == [
        Entry(path="a", size_bytes=2, key="a", etag="e"),
        Entry(path="b", size_bytes=1, key="b"),
    ]
    assert manifest.table.schema == SCHEMA


@pytest.mark.parametrize(
    "rows",
    [
        pa.table({"path": ["a"]}),
        pa.table({"path": ["a"], "size_bytes": [-1]}),
        pa.table({"path": ["a"], "size_bytes": pa.array([2**63], pa.uint64())}),
        pa.table({"path": pa.array([None], pa.string()), "size_bytes": [1]}),
        pa.table({"path": ["a"], "size_bytes": ["many"]}),
        pa.table({"path": pa.array([b"\xff"]).view(pa.string()), "size_bytes": [1]}),
        [Entry(path="a", size_bytes=2**63)],
        [Entry(path="a", size_bytes=1, digest="zz")],
        [Entry(path="a", size_bytes=1, digest="00")],
    ],
)
def test_bad_rows(rows: pa.Table) -> None:
    with pytest.raises(InputError) as caught:
        Manifest.registered(rows)
    assert caught.value.kind == "bad-rows"


def test_paths_are_checked() -> None:
    for bad, kind in ((["../x"], "path-dots"), (["a\ud800"], "path-not-utf8"), (["a", "A"], "path-collision")):
        with pytest.raises(InputError) as caught:
            Manifest.registered([Entry(path=path, size_bytes=1) for path in bad])
        assert caught.value.kind == kind


def test_a_committed_file_needs_a_digest() -> None:
    with pytest.raises(InputError) as caught:
        Manifest.committed([Entry(path="a", size_bytes=1)])
    assert caught.value.kind == "bad-rows"


@pytest.mark.parametrize("entries", [TWO, []])
def test_write_and_read(tmp_path: Path, entries: list[Entry]) -> None:
    manifest = Manifest.registered(entries)
    manifest.write(tmp_path / manifest.file_name)
    again = Manifest.read(tmp_path / manifest.file_name)
    assert again.manifest_digest == manifest.manifest_digest
    assert again.origin == "registered"
    assert again.table.equals(manifest.table)
    facts = Manifest.facts(tmp_path / manifest.file_name)
    assert (facts.manifest_digest, facts.origin) == (manifest.manifest_digest, "registered")
    assert (facts.files, facts.size_bytes) == (len(entries), manifest.size_bytes)


def test_IMMUTABLE_manifest_file_with_other_rows_is_refused(tmp_path: Path) -> None:
    manifest = Manifest.registered(TWO)
    other = Manifest.registered([*TWO, Entry(path="c", size_bytes=0)])
    file = tmp_path / "m.parquet"
    facts = {"origin": "registered", "size_bytes": "3"}
    write_parquet(file, other.table, kind="manifest", digest=manifest.manifest_digest, facts=facts)
    with pytest.raises(DamagedError) as caught:
        Manifest.read(file)
    assert caught.value.kind == "manifest-damaged"


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path: Path) -> None:
    manifest = Manifest.registered(TWO)
    file = tmp_path / "m.parquet"
    manifest.write(file)
    good = file.read_bytes()
    for position in range(0, len(good), 7):
        file.write_bytes(good[:position] + bytes([good[position] ^ 0x10]) + good[position + 1 :])
        try:
            read = Manifest.read(file)
        except (DamagedError, ConflictError):
            with pytest.raises((DamagedError, ConflictError)):
                Manifest.verify(file)
            continue
        assert list(read.entries()) == list(manifest.entries())


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    with pytest.raises(NotFoundError) as missing:
        Manifest.read(file)
    assert missing.value.kind == "manifest-not-found"
    for content in (b"", b"PAR1", b"not parquet at all" * 10):
        file.write_bytes(content)
        with pytest.raises(DamagedError):
            Manifest.read(file)
    pq.write_table(pa.table({"path": ["a"]}), file)
    with pytest.raises(DamagedError):
        Manifest.read(file)


def test_a_newer_layout_is_not_guessed_at(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    table = Manifest.registered(TWO).table
    pq.write_table(table.replace_schema_metadata({"forebay.kind": "manifest", "forebay.layout": "2"}), file)
    with pytest.raises(ConflictError) as caught:
        Manifest.read(file)
    assert caught.value.kind == "manifest-newer"


def test_files_of_others_are_checked(tmp_path: Path) -> None:
    manifest = Manifest.registered(TWO)
    file = tmp_path / "m.parquet"
    manifest.write(file)
    assert Manifest.verify(file) == Manifest.facts(file)
    backwards = [entry.path for entry in TWO]
    unsafe = ["../a", "b"]
    for paths, kind in ((backwards, "bad-rows"), (unsafe, "path-dots")):
        table = manifest.table.set_column(0, SCHEMA.field("path"), pa.array(paths))
        other = replace(manifest, table=table, manifest_digest=_digest("registered", table.column))
        other.write(file)
        with pytest.raises(InputError) as caught:
            Manifest.verify(file)
        assert caught.value.kind == kind


def test_learned_digests_do_not_travel_in_a_manifest_file(tmp_path: Path) -> None:
    manifest = Manifest.registered(TWO)
    table = manifest.table.set_column(2, SCHEMA.field("digest"), pa.array([bytes(32)] * 2, pa.binary(32)))
    file = tmp_path / "m.parquet"
    facts = {"origin": "registered", "size_bytes": "3"}
    write_parquet(file, table, kind="manifest", digest=manifest.manifest_digest, facts=facts)
    assert [entry.digest for entry in Manifest.read(file).entries()] == [None, None]
    with pytest.raises(DamagedError):
        Manifest.verify(file)
