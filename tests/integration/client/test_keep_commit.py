"""A commit is ready on the volume at once, made of the directory: nothing is downloaded, nothing unverified gets in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.commit import Committed, commit
from forebay.client.opened import open_version
from forebay.client.session import Session
from forebay.digest import digest_file
from forebay.testing.cached import FakeClock, Killed, Mortal, MortalDisk, World
from forebay.testing.cached.invariants import assert_all, assert_CRASH, assert_FITS, assert_VERIFIED
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import Granted, ReplicaState
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, contents

FILES = {"day_0/a.tsv": b"0" * 30_000, "day_0/b.tsv": b"1" * 5_000, "größe 100%/#1?.txt": b"2" * 700, "empty": b""}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture
def session(stage: Stage) -> Session:
    return stage.session(lake=stage.lake.as_uri())


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def moved_bytes(session: Session) -> int:
    """What the ledger says that came from lakes."""
    return sum(row.moved_bytes for row in session.hub.volumes.savings(session.cache.volume_id))


def assert_opens_without_the_lake(stage: Stage, session: Session, version: Version, files: dict[str, bytes]) -> None:
    stage.lake.rename(stage.root / "lake is away")
    with open_version(session, version.ref) as opened:
        assert opened.from_cache
        assert contents(opened.path) == files
    (stage.root / "lake is away").rename(stage.lake)


def test_a_commit_is_ready_at_once_with_no_download(stage: Stage, session: Session, tmp_path: Path) -> None:
    committed = commit(session, "features", write(tmp_path / "out", FILES))
    assert committed.kept is not None
    assert committed.kept.copied_bytes == sum(map(len, FILES.values()))
    assert_opens_without_the_lake(stage, session, committed.version, FILES)
    assert moved_bytes(session) == 0
    assert (tmp_path / "out/day_0/a.tsv").stat().st_nlink == 1, "the directory stays its owner's"
    assert_all(session.hub, session.cache)


def test_a_commit_from_a_cached_tree_sends_and_copies_only_what_is_new(
    stage: Stage, session: Session, tmp_path: Path
) -> None:
    first = commit(session, "features", write(tmp_path / "out", FILES)).version
    tree = stage.root / "work"
    shutil.copytree(session.cache.path(first), tree, copy_function=os.link)
    for folder in (tree, *(path for path in tree.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    (tree / "day_0/b.tsv").unlink()
    new = {"day_0/b.tsv": b"9" * 6_000, "day_1/c.tsv": b"8" * 100}
    write(tree, new)
    committed = commit(session, "features", tree, parents=[first.ref])
    assert (committed.sent_files, committed.sent_bytes) == (2, 6_100)
    assert committed.kept is not None
    assert committed.kept.copied_bytes == 6_100
    assert_opens_without_the_lake(stage, session, committed.version, {**FILES, **new})
    kept = session.cache.path(committed.version) / "day_0/a.tsv"
    assert kept.stat().st_ino == (session.cache.path(first) / "day_0/a.tsv").stat().st_ino
    assert_all(session.hub, session.cache)


def test_a_tree_can_be_committed_where_it_is(session: Session, tmp_path: Path) -> None:
    first = commit(session, "features", write(tmp_path / "out", FILES)).version
    committed = commit(session, "copies", session.cache.path(first))
    assert committed.version.manifest_digest == first.manifest_digest
    assert (committed.sent_bytes, committed.kept and committed.kept.copied_bytes) == (0, 0)


def test_FITS_without_room_the_commit_stands_and_nothing_goes_for_it(stage: Stage, tmp_path: Path) -> None:
    session = stage.session(lake=stage.lake.as_uri(), volume_limit="250 kB")
    old = commit(session, "old", write(tmp_path / "old", {"a": b"a" * 90_000}))
    assert old.kept is not None
    committed = commit(session, "features", write(tmp_path / "out", {"b": b"b" * 120_000}))
    assert committed.kept is None
    assert "nothing more may be evicted" in committed.not_kept
    assert {replica.ref for replica in session.cache.replicas()} == {old.version.ref}
    assert session.hub.fills.open_fills(session.cache.volume_id) == []
    assert_all(session.hub, session.cache)
    assert session.warm(committed.version, "test").moved_bytes == 120_000, "who asks for it gets it as ever"


def test_VERIFIED_a_file_that_changed_after_the_commit_is_not_kept(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write(tmp_path / "out", FILES)
    keep = session.keep

    def change_first(version: Version, directory: Path) -> object:
        (out / "day_0/a.tsv").write_bytes(b"x" * 30_000)
        return keep(version, directory)

    monkeypatch.setattr(session, "keep", change_first)
    committed = commit(session, "features", out)
    assert committed.kept is None
    assert "digest" in committed.not_kept
    assert not session.cache.path(committed.version).exists()
    warmed = session.warm(committed.version, "test")
    assert contents(warmed.path) == FILES
    assert_all(session.hub, session.cache)


def test_not_kept_when_not_asked_for_or_when_others_have_it_in_hand(session: Session, tmp_path: Path) -> None:
    out = write(tmp_path / "out", FILES)
    left: Committed = commit(session, "features", out, keep=False)
    assert (left.kept, session.cache.replicas()) == (None, [])
    granted = session.hub.fills.claim(session.cache.volume_id, left.version, holder("another"))
    assert isinstance(granted, Granted)
    again = commit(session, "features", out)
    assert not again.created
    assert again.kept is None
    assert "another" in again.not_kept


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.soak)])
def test_CRASH_death_at_every_effect_of_keeping(root: Path, step: int) -> None:
    number, came = 0, True
    while came:
        number += step
        folder = root / str(number)
        clock = FakeClock()
        world = World(folder, clock=clock)
        out = write(folder / "out", FILES)
        world.put({f"copies/{name}": data for name, data in FILES.items()})
        entries = [
            Entry(path=name, size_bytes=len(data), digest=digest_file(out / name).hex(), key=f"copies/{name}")
            for name, data in FILES.items()
        ]
        version = add_version(world.hub, "features", Manifest.committed(entries), world.lake_url)
        cache = world.cache()
        cache.warm(world.add("other", {"a": FILES["day_0/a.tsv"]}), holder())
        disk = MortalDisk(number, after=number % 2 == 0)
        with suppress(Killed):
            world.cache(hub=Mortal(world.hub, disk), disk=disk).keep(version, out, holder())
        came = disk.count >= number
        clock.pass_by(60.0)
        for look in (assert_FITS, assert_VERIFIED, assert_CRASH):
            look(world.hub, cache)
        assert contents(cache.warm(version, holder()).path) == FILES
        assert not cache.recover().failed
        assert_all(world.hub, cache)
        assert {replica.state for replica in cache.replicas()} == {ReplicaState.READY}
        world.hub.close()
    assert number > 20
