"""Seals: what was learned is kept, never changed, and inherited only where the object is certainly the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.parquet import write_parquet
from forebay.catalog.seal import Seal, inherit, merge
from forebay.errors import ConflictError, DamagedError, InputError
from tests.unit.catalog.rows import digests, entry_lists, reference_seal_digest

A, B = bytes(32), bytes([1] * 32)
THREE = Manifest.registered([Entry(path=path, size_bytes=1, etag=path) for path in "abc"])

knowledge = st.lists(st.none() | digests.map(bytes.fromhex), min_size=3, max_size=3)


def _seal(known: list[bytes | None]) -> Seal:
    pairs = [(path, digest) for path, digest in zip("abc", known, strict=True) if digest is not None]
    return Seal.learned(THREE, [path for path, _ in pairs], [digest for _, digest in pairs])


@given(knowledge)
def test_seal_digest_is_the_documented_one(known: list[bytes | None]) -> None:
    seal = _seal(known)
    assert seal.digests.to_pylist() == known
    assert seal.seal_digest == reference_seal_digest(THREE.manifest_digest, known)
    assert seal.known == sum(digest is not None for digest in known)
    assert seal.complete == (None not in known)


def test_write_and_read(tmp_path: Path) -> None:
    seal = _seal([A, None, B])
    seal.write(tmp_path / seal.file_name)
    again = Seal.read(tmp_path / seal.file_name)
    assert again.seal_digest == seal.seal_digest
    assert again.digests.equals(seal.digests)


def test_a_seal_file_with_other_rows_is_refused(tmp_path: Path) -> None:
    facts = {"manifest": THREE.manifest_digest}
    rows = THREE.table.select(["digest"])
    for claims in (facts, {}):
        write_parquet(tmp_path / "s", rows, kind="seal", digest=_seal([A, None, B]).seal_digest, facts=claims)
        with pytest.raises(DamagedError) as caught:
            Seal.read(tmp_path / "s")
        assert caught.value.kind == "seal-damaged"
    THREE.write(tmp_path / "m")
    with pytest.raises(DamagedError):
        Seal.read(tmp_path / "m")


@given(knowledge, knowledge)
def test_IMMUTABLE_merge_never_changes_a_known_digest(older: list[bytes | None], newer: list[bytes | None]) -> None:
    clash = any(o is not None and n is not None and o != n for o, n in zip(older, newer, strict=True))
    if clash:
        with pytest.raises(ConflictError) as caught:
            merge(THREE, _seal(older), _seal(newer))
        assert caught.value.kind == "digest-mismatch"
        return
    merged = merge(THREE, _seal(older), _seal(newer))
    assert merged.digests.to_pylist() == [o or n for o, n in zip(older, newer, strict=True)]
    assert merge(THREE, _seal(newer), _seal(older)).seal_digest == merged.seal_digest


def test_a_mismatch_names_the_file_and_both_digests() -> None:
    with pytest.raises(ConflictError) as caught:
        merge(THREE, _seal([None, A, A]), _seal([A, A, B]))
    assert "'c'" in caught.value.message
    assert A.hex() in caught.value.message
    assert B.hex() in caught.value.message


def test_with_seal_fills_in_digests_and_keeps_the_identity(tmp_path: Path) -> None:
    known = THREE.with_seal(_seal([A, None, B]))
    assert [entry.digest for entry in known.entries()] == [A.hex(), None, B.hex()]
    assert known.manifest_digest == THREE.manifest_digest
    assert not known.sealed
    assert THREE.with_seal(_seal([A, A, B])).sealed
    assert Seal.of(known).seal_digest == _seal([A, None, B]).seal_digest
    known.write(tmp_path / "m")
    assert Manifest.read(tmp_path / "m").table.equals(THREE.table)


def test_a_seal_fits_its_own_manifest_only() -> None:
    other = Manifest.registered([Entry(path="a", size_bytes=1)])
    with pytest.raises(InputError):
        other.with_seal(_seal([A, None, None]))
    with pytest.raises(InputError):
        merge(THREE, _seal([A, None, None]), Seal.of(other))
    with pytest.raises(InputError) as caught:
        Seal.learned(THREE, ["a", "z"], [A, B])
    assert caught.value.kind == "file-not-found"


@given(entry_lists(st.none() | digests), entry_lists())
def test_inherit_agrees_with_a_plain_one(old: list[Entry], new: list[Entry]) -> None:
    assume(len({entry.key for entry in old}) == len(old))
    before = Manifest.registered(old)
    learned = [(entry.path, bytes.fromhex(entry.digest)) for entry in old if entry.digest]
    known = before.with_seal(Seal.learned(before, [path for path, _ in learned], [digest for _, digest in learned]))
    facts = {(entry.key, entry.etag, entry.version_id, entry.size_bytes): entry.digest for entry in old}
    after = Manifest.registered(new)
    expected = [
        facts.get((entry.key, entry.etag, entry.version_id, entry.size_bytes))
        if entry.etag or entry.version_id
        else None
        for entry in after.entries()
    ]
    seal = inherit(after.manifest_digest, known.table.column, after.table.column)
    assert [entry.digest for entry in after.with_seal(seal).entries()] == expected
