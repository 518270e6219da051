"""VERIFIED while a fill is under way: what of a holder's folder may be read, and what may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forebay.cache import journal as journals
from forebay.cache.early import EarlyFiles
from forebay.cache.incoming import temp_file
from forebay.cache.journal import Journal, Record
from forebay.cache.machine import HOLD_SECONDS
from forebay.cache.transfer import CHECKPOINT_BYTES
from forebay.catalog.seal import Seal
from forebay.digest import digest_bytes
from forebay.fsio import Disk
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.world import holder
from forebay.wire.cache import Granted, Progress, Waiting

FILES = {"a": b"a" * 1000, "b": b"b" * 1000, "c": b"a" * 1000, "empty": b""}
DIGEST = digest_bytes(FILES["a"])


class Holding:
    """A holder that has begun, as far as the test says. Row 0 of the manifest is `a`."""

    def __init__(self, root: Path, *, sealed: bool = False) -> None:
        self.clock = FakeClock()
        self.world = World(root, clock=self.clock)
        self.version = self.world.add("clicks", FILES)
        self.cache = self.world.cache()
        manifest = self.world.manifest({name: f"clicks/{name}" for name in FILES})
        if sealed:
            seal = Seal.learned(manifest, list(FILES), [digest_bytes(data) for data in FILES.values()])
            seal.write(root / "seal.parquet")
            self.world.hub.catalog.store_seal(root / "seal.parquet")
            self.world.hub.catalog.seal(manifest.manifest_digest, seal.seal_digest)
            manifest = manifest.with_seal(seal)
        self.early = EarlyFiles(self.world.hub, self.cache.layout, self.cache.volume_id, self.version, manifest)
        self.begin()

    def begin(self) -> None:
        """Claim the fill, or take it over."""
        granted = self.world.hub.fills.claim(self.cache.volume_id, self.version, holder())
        assert isinstance(granted, Granted)
        self.granted = granted
        self.folder = self.cache.layout.fill_of(granted.fill_id, granted.token)
        self.folder.mkdir(parents=True)

    def write(self, index: int, data: bytes) -> Path:
        path = temp_file(self.folder, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def note(self, index: int, end: int, digest: bytes, start: int = 0) -> None:
        journal = Journal(self.folder / journals.NAME, Disk())
        journal.add(Record(index, start, end, digest))
        journal.close()

    def read(self, row: int) -> bytes | None:
        file = self.early.open(row)
        if file is None:
            return None
        with file:
            return file.read()

    def wishes(self) -> list[int]:
        hub, granted = self.world.hub, self.granted
        return [wish.entry for wish in hub.fills.wishes(granted.fill_id, granted.token, 0)]


def test_only_what_was_accepted_as_a_whole_is_read(root: Path) -> None:
    holding = Holding(root)
    assert holding.read(0) is None, "there is no file yet"
    holding.write(0, FILES["a"])
    assert holding.read(0) is None, "it is there, and nobody has accepted it"
    holding.note(0, 900, digest_bytes(FILES["a"][:900]))
    holding.note(0, 1000, digest_bytes(FILES["a"][900:]), start=900)
    assert holding.read(0) is None, "parts of it are written down"
    holding.note(0, 1000, DIGEST)
    assert holding.read(0) == FILES["a"]
    assert holding.read(1) is None


def test_an_empty_file_is_a_file(root: Path) -> None:
    holding = Holding(root)
    holding.write(3, b"")
    assert holding.read(3) is None
    holding.note(3, 0, digest_bytes(b""))
    assert holding.read(3) == b""


def test_a_known_digest_must_agree(root: Path) -> None:
    holding = Holding(root, sealed=True)
    holding.write(0, b"x" * 1000)
    holding.note(0, 1000, digest_bytes(b"x" * 1000))
    assert holding.read(0) is None
    assert holding.early.open_left(0) is None


def test_a_file_of_another_size_is_not_it(root: Path) -> None:
    holding = Holding(root)
    holding.write(0, FILES["a"][:-1])
    holding.note(0, 1000, DIGEST)
    assert holding.read(0) is None


def test_a_silent_holder_is_not_believed_and_a_new_one_is(root: Path) -> None:
    holding = Holding(root)
    holding.write(0, FILES["a"])
    holding.note(0, 1000, DIGEST)
    holding.clock.pass_by(HOLD_SECONDS + 1)
    assert holding.read(0) is None
    old = holding.folder
    holding.begin()
    assert holding.read(0) is None, "the new holder has not accepted it yet"
    new = holding.write(0, b"")
    os.rename(temp_file(old, 0), new)
    holding.note(0, 1000, DIGEST)
    assert holding.read(0) == FILES["a"]


def test_what_has_become_a_blob_is_read_there_and_what_is_open_stays(root: Path) -> None:
    holding = Holding(root)
    temp = holding.write(0, FILES["a"])
    holding.note(0, 1000, DIGEST)
    opened = holding.early.open(0)
    assert opened is not None
    blob = holding.cache.layout.blob("default", DIGEST.hex())
    blob.parent.mkdir(parents=True)
    temp.rename(blob)
    assert holding.read(0) == FILES["a"]
    blob.unlink()
    assert holding.read(0) is None
    with opened:
        assert opened.read() == FILES["a"]


def test_a_blob_of_a_known_digest_is_read_whoever_brought_it(root: Path) -> None:
    holding = Holding(root, sealed=True)
    holding.clock.pass_by(HOLD_SECONDS + 1)
    blob = holding.cache.layout.blob("default", DIGEST.hex())
    blob.parent.mkdir(parents=True)
    blob.write_bytes(FILES["a"])
    assert holding.read(0) == holding.read(2) == FILES["a"]
    blob.write_bytes(FILES["a"][:10])
    assert holding.read(0) is None


def test_the_first_of_equal_files_stands_for_all(root: Path) -> None:
    holding = Holding(root, sealed=True)
    assert holding.read(2) is None
    holding.early.ask_for(2)
    assert holding.wishes() == [0]
    holding.write(0, FILES["a"])
    holding.note(0, 1000, DIGEST)
    assert holding.read(2) == FILES["a"]


def test_every_holder_is_asked_once(root: Path) -> None:
    holding = Holding(root)
    holding.early.ask_for(1)
    assert holding.wishes() == [], "no holder was seen yet"
    for _ in range(2):
        holding.read(1)
        holding.early.ask_for(1)
    assert holding.wishes() == [1]
    waiting = holding.world.hub.fills.look(holding.cache.volume_id, holding.version)
    assert isinstance(waiting, Waiting)
    hub, granted = holding.world.hub, holding.granted
    hub.fills.renew(granted.fill_id, granted.token, Progress())
    hub.fills.fail(granted.fill_id, granted.token, "why", 1)
    holding.begin()
    assert holding.wishes() == []
    holding.read(1)
    holding.early.ask_for(1)
    assert holding.wishes() == [1]


@pytest.mark.parametrize("spoiled", [False, True])
def test_what_a_failed_fill_left_is_hashed_before_it_is_read(root: Path, spoiled: bool) -> None:
    holding = Holding(root)
    holding.write(0, b"x" * 1000 if spoiled else FILES["a"])
    holding.note(0, 1000, DIGEST)
    holding.world.hub.fills.fail(holding.granted.fill_id, holding.granted.token, "why", 1000)
    assert holding.read(0) is None
    left = holding.early.open_left(0)
    assert (left is None) == spoiled
    if left is not None:
        with left:
            assert left.read() == FILES["a"]


def test_a_checkpoint_at_the_end_of_a_file_is_no_word_that_it_was_accepted(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake's file changes between its last byte and the look that finds it out."""
    monkeypatch.setattr("forebay.cache.transfer.CHECKPOINT_BYTES", 1000)
    assert CHECKPOINT_BYTES > 1000
    world = World(root)
    version, cache = world.add("clicks", FILES), world.cache()
    notes: list[Record] = []
    add = Journal.add

    def note(journal: Journal, record: Record) -> None:
        notes.append(record)
        add(journal, record)

    monkeypatch.setattr(Journal, "add", note)
    cache.warm(version, holder())
    whole = [record for record in notes if (record.start, record.end) == (0, 1000)]
    assert len(whole) == 3, "one record for each file of that size, by whoever accepted it"
