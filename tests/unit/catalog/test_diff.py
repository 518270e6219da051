"""Diffs against a plain model."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from forebay.catalog.diff import Change, ChangeKind, Tally, diff
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from tests.unit.catalog.rows import digests, entry_lists

ONE, TWO = "01" * 32, "02" * 32


def _known(*entries: Entry) -> Manifest:
    manifest = Manifest.registered(entries)
    learned = [(entry.path, bytes.fromhex(entry.digest)) for entry in entries if entry.digest]
    return manifest.with_seal(Seal.learned(manifest, [path for path, _ in learned], [digest for _, digest in learned]))


def _kind(old: Entry, new: Entry) -> ChangeKind:
    kind = ChangeKind.UNKNOWN
    if old.digest and new.digest:
        kind = ChangeKind.UNCHANGED if old.digest == new.digest else ChangeKind.CHANGED
    elif (old.size_bytes, old.etag, old.version_id) != (new.size_bytes, new.etag, new.version_id):
        told = old.size_bytes != new.size_bytes or (old.etag and new.etag) or (old.version_id and new.version_id)
        kind = ChangeKind.CHANGED if told else ChangeKind.UNKNOWN
    elif old.etag or old.version_id:
        kind = ChangeKind.UNCHANGED
    return kind


@given(entry_lists(st.none() | digests), entry_lists(st.none() | digests))
def test_diff_agrees_with_a_plain_one(old: list[Entry], new: list[Entry]) -> None:
    before, after = {entry.path: entry for entry in old}, {entry.path: entry for entry in new}
    found = diff(_known(*old), _known(*new))
    if _known(*old).manifest_digest == _known(*new).manifest_digest:
        assert found.same
        return
    changes = {change.path: change for change in found.changes()}
    for path in before.keys() & after.keys():
        kind = _kind(before[path], after[path])
        assert (changes[path].kind if path in changes else ChangeKind.UNCHANGED) is kind
    added = {c.path for c in changes.values() if c.kind in (ChangeKind.ADDED, ChangeKind.RENAMED)}
    removed = {c.path for c in changes.values() if c.kind is ChangeKind.REMOVED}
    renamed = [c for c in changes.values() if c.kind is ChangeKind.RENAMED]
    assert added == after.keys() - before.keys()
    assert removed | {str(c.old_path) for c in renamed} == before.keys() - after.keys()
    assert all(before[str(c.old_path)].digest == after[c.path].digest for c in renamed)
    assert len({c.old_path for c in renamed}) == len(renamed)
    files = sum(tally.files for kind, tally in found.tallies.items() if kind is not ChangeKind.REMOVED)
    size_bytes = sum(tally.size_bytes for kind, tally in found.tallies.items() if kind is not ChangeKind.REMOVED)
    assert (files, size_bytes) == (len(new), sum(entry.size_bytes for entry in new))


def test_each_kind_with_its_bytes() -> None:
    same = Entry(path="same", size_bytes=1, etag="s")
    old = [
        same,
        Entry(path="changed", size_bytes=2, etag="c1"),
        Entry(path="mute", size_bytes=3),
        Entry(path="gone", size_bytes=4, etag="g"),
        Entry(path="from", size_bytes=5, etag="m", digest=ONE),
    ]
    new = [
        same,
        Entry(path="changed", size_bytes=20, etag="c2"),
        Entry(path="mute", size_bytes=3),
        Entry(path="new", size_bytes=6, etag="n"),
        Entry(path="to", size_bytes=5, etag="m2", digest=ONE),
    ]
    found = diff(_known(*old), _known(*new))
    assert found.tallies == {
        ChangeKind.UNCHANGED: Tally(files=1, size_bytes=1),
        ChangeKind.CHANGED: Tally(files=1, size_bytes=20),
        ChangeKind.UNKNOWN: Tally(files=1, size_bytes=3),
        ChangeKind.REMOVED: Tally(files=1, size_bytes=4),
        ChangeKind.ADDED: Tally(files=1, size_bytes=6),
        ChangeKind.RENAMED: Tally(files=1, size_bytes=5),
    }
    assert not found.same
    changes = list(found.changes())
    assert [change.path for change in changes] == ["changed", "gone", "mute", "new", "to"]
    assert changes[-1] == Change(kind=ChangeKind.RENAMED, path="to", old_path="from", old_size_bytes=5, size_bytes=5)
    assert changes[1].size_bytes is None
    assert changes[3].old_path is None


def test_a_known_digest_outranks_the_etag() -> None:
    entry = Entry(path="a", size_bytes=1, etag="1", digest=ONE)
    assert diff(_known(entry), _known(replace(entry, etag="2"))).same
    assert diff(_known(entry), _known(replace(entry, version_id="v", digest=TWO)))[ChangeKind.CHANGED].files == 1


def test_empty_files_are_not_taken_for_moves() -> None:
    old, new = Entry(path="a", size_bytes=0, digest=ONE), Entry(path="b", size_bytes=0, digest=ONE)
    found = diff(_known(old), _known(new))
    assert found[ChangeKind.RENAMED].files == 0
    assert found[ChangeKind.ADDED].files == found[ChangeKind.REMOVED].files == 1


def test_the_same_manifest_is_unchanged() -> None:
    manifest = Manifest.registered([Entry(path="a", size_bytes=1)])
    assert diff(manifest, manifest).same
    assert diff(manifest, manifest)[ChangeKind.UNCHANGED] == Tally(files=1, size_bytes=1)
