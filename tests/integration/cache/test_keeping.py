"""What must not go: IN-USE under pressure, RECOVERABLE (the lake has lost it), BRAKE (the volume looks empty), FITS."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay.cache.evict import Evicted
from forebay.client.keep import explain
from forebay.client.mend import mend
from forebay.client.opened import open_version
from forebay.client.session import Session
from forebay.errors import CapacityError, ConflictError, DamagedError, UnavailableError
from forebay.fsio import Disk, used_bytes_below
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, assert_mended, contents, until

FILES = {"part-0": b"0" * 100_000, "part-1": b"1" * 100_000}
OTHERS = {"part-0": b"2" * 200_000}

OPEN = """
import sys, forebay
try:
    with forebay.open(sys.argv[1], on_progress=lambda progress, who: None) as opened:
        print("said", "opened", opened.moved_bytes, flush=True)
        sys.stdin.read()
except forebay.ForebayError as error:
    print("said", type(error).__name__, error.kind, flush=True)
"""


def _evict(session: Session, version: Version) -> Evicted:
    (replica,) = [item for item in session.cache.replicas() if item.ref == version.ref]
    return session.cache.evictor.evict(replica, "asked for")


def _open_elsewhere(stage: Stage, ref: str, limit_bytes: int) -> subprocess.Popen[str]:
    """A process that opens a version, says what came of it, and keeps it until its stdin ends."""
    environment = {
        "FOREBAY_HOME": stage.settings["home"],
        "FOREBAY_VOLUME": stage.settings["volume"],
        "FOREBAY_VOLUME_LIMIT": str(limit_bytes),
        "FOREBAY_GRACE": "0s",
        "FOREBAY_STREAMS": "2",
        "HOME": str(stage.root),
    }
    return subprocess.Popen(
        [sys.executable, "-c", OPEN, ref],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=stage.root,
    )


def _said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    # Warnings of the log may come before it.
    lines = (line.split() for line in process.stdout)
    return next(words[1:] for words in lines if words[:1] == ["said"])


@pytest.mark.parametrize("limit_bytes", [350_000, 1 << 30], ids=["under pressure", "stale"])
def test_IN_USE_nothing_takes_what_another_process_has_open(stage: Stage, limit_bytes: int) -> None:
    clicks, views = stage.add("clicks", FILES), stage.add("views", OTHERS)
    session = stage.session(stale_after="0s", volume_limit=str(limit_bytes))
    with _open_elsewhere(stage, clicks.ref, limit_bytes) as user:
        assert _said(user) == ["opened", "200000"]
        refused = _evict(session, clicks).error
        assert refused is not None
        assert refused.kind == "in-use"
        if limit_bytes < 1 << 30:
            with pytest.raises(CapacityError) as caught:
                session.warm(views, "test")
            assert caught.value.kind == "no-room"
        else:
            session.warm(views, "test")
        assert "clicks" not in {item.ref.split("@")[0] for item in session.cache.sweep()}
        assert contents(session.cache.path(clicks)) == FILES
        assert explain(session, clicks).reason == "it is in use: 1 lease"
        user.communicate("")

    with open_version(session, views.ref, lambda progress, who: None) as opened:
        assert contents(opened.path) == OTHERS
        assert [item.error for item in session.cache.sweep() if item.ref == clicks.ref] in ([None], [])
        assert not session.cache.path(clicks).exists()
    assert_mended(session)


def test_IN_USE_a_pin_stands_against_pressure_and_age(stage: Stage) -> None:
    clicks, views = stage.add("clicks", FILES), stage.add("views", OTHERS)
    stage.session().warm(clicks, "test")
    session = stage.session(stale_after="0s", volume_limit="350000")
    session.hub.replicas.pin(session.cache.volume_id, clicks, "me", "for the demo", 0.0)

    with pytest.raises(CapacityError):
        session.warm(views, "test")

    refused = _evict(session, clicks).error
    assert refused is not None
    assert refused.kind == "pinned"
    assert session.cache.sweep() == []
    assert contents(session.cache.path(clicks)) == FILES


def test_RECOVERABLE_what_the_lake_has_lost_is_not_evicted(stage: Stage) -> None:
    clicks, views = stage.add("clicks", FILES), stage.add("views", OTHERS)
    session = stage.session(volume_limit="350000")
    tree = session.warm(clicks, "test").path
    (stage.lake / "clicks" / "part-1").unlink()

    evicted = _evict(session, clicks)

    assert evicted.error is not None
    assert evicted.error.kind == "not-recoverable"
    assert "part-1" in evicted.error.message
    assert "only one" in evicted.error.todo
    with pytest.raises(CapacityError):
        session.warm(views, "test")
    stale = stage.session(stale_after="0s")
    assert [item.error is not None for item in stale.cache.sweep()] == [True]
    assert contents(tree) == FILES
    assert explain(session, clicks).state is ReplicaState.READY


def test_RECOVERABLE_a_begun_eviction_is_taken_back_when_the_lake_has_lost_it_meanwhile(stage: Stage) -> None:
    clicks = stage.add("clicks", FILES)
    session = stage.session()
    tree = session.warm(clicks, "test").path
    grant = session.hub.replicas.begin_evict(session.cache.volume_id, clicks, "asked")
    session.hub.replicas.abandon_evict(session.cache.volume_id, clicks, grant.token)
    (stage.lake / "clicks" / "part-1").unlink()

    with session.lease(clicks, "test"):
        assert contents(tree) == FILES
    assert explain(session, clicks).state is ReplicaState.READY
    evicted = _evict(session, clicks)
    assert evicted.error is not None
    assert evicted.error.kind == "not-recoverable"


def test_RECOVERABLE_a_lake_that_changed_is_a_lake_that_lost(stage: Stage) -> None:
    clicks = stage.add("clicks", FILES)
    session = stage.session()
    tree = session.warm(clicks, "test").path
    stage.put("clicks", "part-1", b"other bytes")

    evicted = _evict(session, clicks)

    assert evicted.error is not None
    assert evicted.error.kind == "not-recoverable"
    assert contents(tree) == FILES


def _three(stage: Stage) -> tuple[Session, list[Version]]:
    versions = [stage.add(name, {"part-0": name.encode() * 1000}) for name in ("clicks", "views", "users")]
    session = stage.session()
    for version in versions:
        session.warm(version, "test")
    return session, versions


def test_BRAKE_a_volume_that_only_looks_empty_stays_as_it_is(stage: Stage) -> None:
    session, versions = _three(stage)
    roots = session.cache.layout.roots
    away = roots.rename(stage.root / "away")
    roots.mkdir()

    with pytest.raises(DamagedError) as caught:
        mend(session)

    assert caught.value.kind == "brake"
    assert [item.state for item in session.cache.replicas()] == [ReplicaState.READY] * 3
    assert len(mend(session, dry_run=True).repairs.forget) == 3
    roots.rmdir()
    away.rename(roots)
    assert_mended(session)
    assert all(session.warm(version, "test").moved_bytes == 0 for version in versions)


def test_BRAKE_force_gives_up_what_is_gone(stage: Stage) -> None:
    session, versions = _three(stage)
    roots = session.cache.layout.roots
    roots.rename(stage.root / "gone")
    roots.mkdir()

    assert len(mend(session, force=True).repairs.forget) == 3

    assert session.cache.replicas() == []
    assert session.cache.volume().used_bytes == 0
    for version in versions:
        assert contents(session.warm(version, "test").path) == {"part-0": version.dataset.encode() * 1000}
    assert_mended(session)


def _lose(stage: Stage, session: Session) -> Path:
    """Another, empty disk is mounted where the volume was; where the old one's files are now."""
    session.close()
    return stage.volume.rename(stage.root / "lost")


def test_what_was_on_a_lost_volume_is_damaged_until_it_comes_again_or_is_let_go(stage: Stage) -> None:
    session, (clicks, views, users) = _three(stage)
    volume_id = session.cache.volume_id
    session.hub.replicas.pin(volume_id, users, "ada", "the paper", 0.0)
    _lose(stage, session)
    with pytest.raises(UnavailableError) as away:
        mend(stage.session())
    assert away.value.kind == "volume-away"
    stage.volume.mkdir()
    (stage.volume / "photos").touch()
    with pytest.raises(ConflictError) as foreign:
        mend(stage.session(), force=True)
    assert foreign.value.kind == "volume-not-empty", "it is somebody else's folder, and nothing is given up"
    assert {item.state for item in stage.session().hub.replicas.all(volume_id)} == {ReplicaState.READY}
    (stage.volume / "photos").unlink()
    session = stage.session()

    assert mend(session, force=True).lost == [clicks.ref, users.ref, views.ref]

    assert session.cache.volume_id == volume_id
    assert session.cache.sweep() == [], "it takes no room"
    assert {item.state for item in session.cache.replicas()} == {ReplicaState.DAMAGED}
    told = explain(session, clicks)
    assert told.reason == "its volume was lost (recover --force)"
    assert f"forebay cache warm {clicks.ref}" in told.todo
    assert f"forebay cache evict {clicks.ref}" in told.todo
    assert session.warm(clicks, "test").moved_bytes == clicks.size_bytes
    assert _evict(session, views).error is None
    left = {item.ref: item for item in session.cache.replicas()}
    assert {ref: item.state for ref, item in left.items()} == {
        clicks.ref: ReplicaState.READY,
        users.ref: ReplicaState.DAMAGED,
    }
    assert left[users.ref].pinned_by == "ada", "what somebody keeps is still to be kept"
    assert_mended(session)


def test_a_volume_that_was_given_up_and_is_back_after_all_is_taken_up_as_it_is(stage: Stage) -> None:
    session, versions = _three(stage)
    lost = _lose(stage, session)
    session = stage.session()
    mend(session, force=True)
    session.close()
    assert not Disk().remove_tree(stage.volume)
    lost.rename(stage.volume)
    session = stage.session()
    assert {tree.ref for tree in mend(session).repairs.adopt} == {version.ref for version in versions}
    assert all(session.warm(version, "test").moved_bytes == 0 for version in versions)
    assert_mended(session)


@contextmanager
def _watched(stage: Stage) -> Iterator[list[int]]:
    """Samples the bytes on the volume without a pause; they are there when it ends."""
    samples: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            samples.append(used_bytes_below(*(stage.volume / name for name in ("roots", "incoming", "trash"))))

    watcher = threading.Thread(target=watch, name="volume-watcher")
    watcher.start()
    try:
        yield samples
    finally:
        ended.set()
        watcher.join()


def test_FITS_two_fills_for_the_room_of_one(stage: Stage) -> None:
    limit_bytes = 700_000
    versions = [
        stage.add(name, {f"part-{number}": bytes([start + number]) * 60_000 for number in range(8)})
        for name, start in (("one", 0), ("two", 100))
    ]
    with _watched(stage) as samples:
        users = [_open_elsewhere(stage, version.ref, limit_bytes) for version in versions]
        said = [_said(user) for user in users]
        for user in users:
            user.communicate("")

        # Whoever came first has it open: the other one may not push it out.
        assert sorted(said) == [["CapacityError", "no-room"], ["opened", "480000"]]
        session = stage.session(volume_limit=str(limit_bytes))
        for version in versions:
            session.warm(version, "test")
        until(lambda: len(samples) > 100, "the watcher has looked")

    assert 480_000 < max(samples) <= limit_bytes
    assert_mended(session)


def test_ONE_FILL_of_processes_that_open_at_once(stage: Stage) -> None:
    """The public way in, `forebay.open`, by eight processes: one of them moves bytes."""
    clicks = stage.add("clicks", {f"part-{number}": bytes([number]) * 60_000 for number in range(8)})

    users = [_open_elsewhere(stage, clicks.ref, 1 << 30) for _ in range(8)]
    said = [_said(user) for user in users]
    session = stage.session()

    assert sorted(said) == [["opened", "0"]] * 7 + [["opened", "480000"]]
    assert len(session.hub.leases.live(session.cache.volume_id)) == 8
    for user in users:
        user.communicate("")
    assert session.hub.leases.live(session.cache.volume_id) == []
    assert_mended(session)
