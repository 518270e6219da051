"""What all tests of faults share: where they play, their seed, and a scene to act on and to judge afterwards."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forebay.cache.engine import Cache
from forebay.errors import DamagedError, ForebayError
from forebay.fsio import Disk
from forebay.testing.cached import FailingDisk, FakeClock, Killed, Mortal, MortalDisk, World
from forebay.testing.cached.invariants import (
    assert_all,
    assert_BRAKE,
    assert_CRASH,
    assert_FITS,
    assert_IN_USE,
    assert_ONE_FILL,
    assert_RECOVERABLE,
    assert_VERIFIED,
)
from forebay.testing.cached.process import MEMORY
from forebay.testing.cached.world import holder
from forebay.testing.crash import Image
from forebay.testing.crash.recording import read_database
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version

STAGE = os.environ.get("FOREBAY_FAULTS_ROOT") or MEMORY or tempfile.gettempdir()
SEED = int(os.environ.get("FOREBAY_FAULTS_SEED") or 20260)

FILES = {"day_0/a.tsv": b"0" * 3000, "day_0/b.tsv": b"1" * 500, "empty": b"", "again": b"1" * 500}
THIRD = {"again": FILES["again"], "zero": FILES["day_0/a.tsv"], "own": b"6" * 900}
OTHERS = {"a": FILES["day_0/a.tsv"], "c": b"2" * 700}
MIXED = {ReplicaState.READY, ReplicaState.DAMAGED}

Action = Callable[[Cache, Version], object]


def chance(what: str) -> random.Random:
    """Chance for one test, from the seed that the run's header prints; the test's failure prints it again."""
    print(f"FOREBAY_FAULTS_SEED={SEED} ({what})")  # noqa: T201 - shown by pytest when the test fails
    return random.Random(f"{SEED} {what}")


@contextmanager
def folder(prefix: str) -> Iterator[Path]:
    """A fresh folder on the stage."""
    made = Path(tempfile.mkdtemp(prefix=f"forebay-{prefix}-", dir=STAGE))
    try:
        yield made
    finally:
        assert not Disk().remove_tree(made)


def fill(cache: Cache, version: Version) -> None:
    cache.warm(version, holder())


def evict(cache: Cache, version: Version) -> None:
    for replica in cache.replicas():
        if replica.ref == version.ref and (error := cache.evictor.evict(replica, "asked").error):
            raise error


def recover(cache: Cache, _version: Version) -> None:
    for _, error in cache.recover(force=True).failed:
        raise error


ACTIONS: dict[str, tuple[str, Action]] = {
    "fill": ("absent", fill),
    "repair": ("damaged", fill),
    "evict": ("ready", evict),
    "recover": ("a mess", recover),
}


def from_then_on(number: int, code: int) -> Callable[[str, int], int]:
    """From that effect on the disk refuses all but deletions."""
    return lambda name, count: code if count >= number and name != "unlink" else 0


class Scene:
    """One version that shares a file with another, ready one; absent, damaged, ready or in a mess before the action."""

    def __init__(self, root: Path, before: str, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.world = World(root, clock=self.clock)
        self.version = self.world.add("clicks", FILES)
        self.cache = self.world.cache()
        self.other = self.world.add("other", OTHERS)
        self.cache.warm(self.other, holder())
        self.world.hub.replicas.pin(self.cache.volume_id, self.other, "me", "IN-USE", 0.0)
        if before in ("damaged", "ready"):
            self.cache.warm(self.version, holder())
        if before == "damaged":
            self.spoil("day_0/b.tsv")
            self.cache.verify([self.version], root / "memo", force=True)
        if before == "a mess":
            self.make_mess()
        if before == "both":
            self.third = self.world.add("third", THIRD)
            self.cache.warm(self.third, holder())

    def make_mess(self) -> None:
        """A fill that died before its marker, an eviction that died half-way, a damaged replica, a stray blob."""
        gone, bad = self.world.add("gone", {"g": b"3" * 400}), self.world.add("bad", {"b": b"4" * 300, "k": b"5"})
        self.cache.warm(gone, holder())
        tree = self.cache.warm(bad, holder()).path
        (tree / "b").chmod(0o644)
        (tree / "b").write_bytes(b"short")
        stray = self.cache.layout.blob("default", "ab" * 32)
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"stray")
        self.die_where(evict, gone, "rename", 2)
        self.die_where(fill, self.version, "sync_directory", 2)

    def die_where(self, action: Action, version: Version, effect: str, time: int) -> None:
        """Die right after the effect with this name, at the so manieth time."""
        left = time
        disk = MortalDisk(0, after=True)

        def behind(name: str, _count: int) -> None:
            nonlocal left
            left -= name == effect
            if left == 0:
                disk.die()

        disk._after = behind
        with suppress(Killed):
            action(self.world.cache(hub=Mortal(self.world.hub, disk), disk=disk), version)
        assert disk.dead, f"it never came to {effect} {time}"
        self.clock.pass_by(60.0)

    def spoil(self, path: str) -> None:
        victim = self.cache.path(self.version) / path
        size = victim.stat().st_size
        victim.chmod(0o644)
        victim.write_bytes(b"x" * size)

    def die(self, action: Action, number: int, *, after: bool) -> bool:
        """Whether it came to that effect."""
        disk = MortalDisk(number, after=after)
        with suppress(Killed):
            action(self.world.cache(hub=Mortal(self.world.hub, disk), disk=disk), self.version)
        self.clock.pass_by(60.0)
        return disk.count >= number

    def refuse(self, action: Action, failing: Callable[[str, int], int]) -> tuple[ForebayError | None, int]:
        """Run the action on a disk that refuses as told: what came of it, and how many effects there were."""
        disk = FailingDisk(failing)
        try:
            action(self.world.cache(disk=disk), self.version)
        except ForebayError as error:
            self.clock.pass_by(60.0)
            return error, disk.count
        return None, disk.count

    def mend(self, *, recover: bool, force: bool = False) -> None:
        """The invariants hold as it is; then the next fill succeeds and all is as it should be."""
        judge(self.world, [self.version], recover=recover, force=force)


class Snapshot:
    """A world's volume and records as they were, to begin from again in the same place."""

    def __init__(self, world: World, clock: FakeClock) -> None:
        self.world = world
        self.image = Image.read(world.volume)
        self.database = read_database(world.home / "hub.db")
        self._clock = clock

    def restore(self, image: Image | None = None, database: bytes | None = None) -> None:
        """Volume and records are these; an hour has gone by."""
        # The hub stays the same object, to compile no statement twice; its connections and its file are new.
        self.world.hub.close()
        Disk().remove_tree(self.world.volume)
        self.world.volume.mkdir()
        for path in self.world.home.glob("hub.db*"):
            path.unlink()
        (self.world.home / "hub.db").write_bytes(self.database if database is None else database)
        (self.image if image is None else image).build(self.world.volume)
        self._clock.pass_by(3600.0)


def judge(
    world: World,
    versions: list[Version],
    *,
    recover: bool,
    force: bool = False,
    whole_records: bool = True,
    mid_repair: bool = False,
) -> None:
    """Every invariant by name as things are now; then the next fill of each version succeeds, and all is exact.

    All but PRIVATE, which is a matter of who asks: test_private of tests/contract/hub and of tests/integration/client.

    `whole_records` False: the hub lost its last records, so that they may speak of what is not there, and only a
    recover can make the account good again. `mid_repair`: damage was being mended, which must go on with a recover.
    `force` says that the brake may ask: then it was right to, and is answered.
    """
    cache = world.cache()
    pinned = {replica.ref for replica in cache.replicas() if replica.pinned_by}
    assert_IN_USE(world.hub, cache)
    assert_ONE_FILL(world.hub, cache)
    assert_RECOVERABLE(world.hub, cache)
    if not mid_repair:
        assert_VERIFIED(world.hub, cache)
    if whole_records and not mid_repair:
        assert_CRASH(world.hub, cache)
    if whole_records:
        assert_FITS(world.hub, cache)
    if recover or mid_repair:
        _recover(cache, force=force)
        assert {replica.state for replica in cache.replicas()} <= MIXED, "CRASH: recover left something half-way"
        assert_VERIFIED(world.hub, cache)
        assert_CRASH(world.hub, cache)
        assert_FITS(world.hub, cache)
    for version in versions:
        tree = cache.warm(version, holder()).path
        assert (tree / ".forebay" / "complete.json").exists(), f"CRASH: {version.ref} has no marker"
    assert_VERIFIED(world.hub, cache)
    if whole_records or recover:
        assert_FITS(world.hub, cache)
    _recover(cache, force=force)
    assert_all(world.hub, cache)
    assert not world.hub.fills.open_fills(cache.volume_id), "CRASH: a fill stayed open"
    ready = {replica.ref for replica in cache.replicas() if replica.state is ReplicaState.READY}
    assert {version.ref for version in versions} <= ready, "CRASH: a version did not come back"
    for replica in cache.replicas():
        assert replica.state in MIXED, f"CRASH: {replica.ref} is still {replica.state}"
    assert pinned <= ready, "IN-USE: a pinned replica went"
    assert_BRAKE(cache)


def _recover(cache: Cache, *, force: bool) -> None:
    try:
        recovered = cache.recover()
    except DamagedError as error:
        if error.kind != "brake" or not force:
            raise
        recovered = cache.recover(force=True)
    assert not recovered.failed, f"CRASH: recover could not mend {recovered.failed}"
