"""CRASH, enumerated: every state that a power cut may leave of each action is built, and judged."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import obstore
import pytest

from forebay.catalog.manifest import Manifest
from forebay.digest import digest_file
from forebay.errors import ForebayError
from forebay.fsio import Disk
from forebay.lake import publish as publishing
from forebay.lake.publish import Published, prepare, publish
from forebay.lake.stores import LakeStore
from forebay.testing.cached import FakeClock, World
from forebay.testing.crash import Image, RecordingDisk, Trace, crash_states
from forebay.testing.crash.recording import Done, read_database
from tests.faults.replay import Replay
from tests.faults.stage import ACTIONS, Scene, evict, fill, judge

SHARDS = 4


def test_the_model_ends_where_the_disk_ended(root: Path) -> None:
    """The last state without a loss is what the disk really looks like: the trace misses no effect."""
    for name, (before, _) in ACTIONS.items():
        replay = Replay(root / name, before)
        states = replay.record(name)
        whole = [state for state in states if state.label.endswith(": killed")][-1]
        assert _look(whole.image) == _look(Image.read(replay.world.volume)), name
        assert whole.database == read_database(replay.database), name


def _look(image: Image) -> list[tuple[str, bytes]]:
    return [(path, image.inodes[number].data) for path, number in image.walk()]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", ACTIONS)
def test_CRASH_every_state_that_a_power_cut_may_leave(root: Path, name: str, shard: int) -> None:
    replay = Replay(root, ACTIONS[name][0])
    states = replay.record(name)
    assert len(states) > 40
    for number, state in list(enumerate(states))[shard::SHARDS]:
        world = replay.enter(state)
        try:
            judge(
                world,
                replay.versions(name),
                recover=number // SHARDS % 2 == 0,
                force=state.records_lost or name == "recover",
                whole_records=not state.records_lost,
                mid_repair=name == "recover",
            )
        except (AssertionError, ForebayError) as error:
            error.add_note(f"{name}, state {number} of {len(states)}: {state.label}")
            raise


def test_CRASH_records_that_are_older_than_the_volume_wedge_nothing(root: Path) -> None:
    """The hub's database came back from yesterday: its tokens are lower than those on the volume.

    Opening works at once; a recover brings the tokens up, and then everything may go as well.
    """
    for recover in (False, True):
        scene = Scene(root / str(recover), "absent")
        world, database = scene.world, scene.world.home / "hub.db"
        world.hub.replicas.unpin(scene.cache.volume_id, scene.other)
        records = read_database(database)
        for _ in range(4):
            evict(scene.cache, scene.other)
            fill(scene.cache, scene.other)
        fill(scene.cache, scene.version)
        world.hub.close()
        for path in world.home.glob("hub.db*"):
            path.unlink()
        database.write_bytes(records)
        after = World(world.root, clock=FakeClock(scene.clock.now() + 3600.0))
        if recover:
            assert not after.cache().recover(force=True).failed
        for version in (scene.version, scene.other):
            fill(after.cache(), version)
            if recover:
                evict(after.cache(), version)
        judge(after, [scene.version, scene.other], recover=True)


class RecordedLake:
    """`obstore.put` into a folder, noted as what it does there: a staging file, its bytes, a link or a rename."""

    def __init__(self, trace: Trace, lake: Path) -> None:
        self.trace = trace
        self.lake = lake
        self._real = obstore.put
        self._lock = threading.Lock()
        self._files = 1000

    def put(self, store: Any, key: str, file: Any, **options: Any) -> Any:
        with self._lock:
            target = self.lake / key
            missing = [folder for folder in target.parents if not folder.exists()]
            result = self._real(store, key, file, **options)
            for folder in reversed(missing):
                self.trace.add(Done(effect="make_directory", path=folder))
            self._files += 1
            staging = target.with_name(f"{target.name}#1")
            self.trace.add(Done(effect="create", path=staging, file=self._files))
            self.trace.add(Done(effect="write", file=self._files, data=target.read_bytes()))
            if options.get("mode") == "create":
                self.trace.add(Done(effect="link", path=staging, target=target))
                self.trace.add(Done(effect="remove", path=staging))
            else:
                self.trace.add(Done(effect="rename", path=staging, target=target))
            return result


def test_CRASH_every_state_that_a_power_cut_may_leave_of_a_publication(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, out = root / "lake", root / "out"
    (out / "day").mkdir(parents=True)
    (out / "day" / "a").write_bytes(b"1" * 300)
    (out / "b").write_bytes(b"2" * 200)
    store = LakeStore.open(lake.as_uri(), create=True)
    earlier = publish(prepare(out, store), store, dataset="clicks")
    (out / "b").write_bytes(b"3" * 250)
    (out / "c").write_bytes(b"4" * 100)
    before, trace = Image.read(lake), Trace()
    recorded = RecordedLake(trace, lake)
    with monkeypatch.context() as patched:
        patched.setattr(obstore, "put", recorded.put)
        patched.setattr(publishing, "Disk", lambda: RecordingDisk(trace))
        published = publish(prepare(out, store), store, dataset="clicks")
    states = list(crash_states(trace, before, b"", lake))
    assert len(states) > 30
    assert states[-1].image is not None
    for number, state in enumerate(states):
        Disk().remove_tree(lake)
        lake.mkdir()
        state.image.build(lake)
        try:
            assert_fetchable(lake, earlier)
            if Path(lake, published.manifest_key).exists():
                assert_fetchable(lake, published)
            again = publish(prepare(out, store), store, dataset="clicks")
            assert again.manifest_key == published.manifest_key, "IMMUTABLE"
            assert_fetchable(lake, again)
        except (AssertionError, ForebayError) as error:
            error.add_note(f"publish, state {number} of {len(states)}: {state.label}")
            raise


def assert_fetchable(lake: Path, published: Published) -> None:
    manifest = Manifest.read(lake / published.manifest_key)
    assert manifest.manifest_digest == published.manifest.manifest_digest, "IMMUTABLE"
    for entry in manifest.entries():
        assert digest_file(lake / entry.key).hex() == entry.digest, f"RECOVERABLE: {entry.path} is not in the lake"
