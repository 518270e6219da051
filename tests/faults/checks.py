"""The core of the suite: checks on a fresh folder, each of which guards a promise by name. They run as tests, on other
file systems, and against builds whose safeguards are switched off.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forebay.cache.leased import Leased
from forebay.cache.machine import Terms
from forebay.cache.volume import read_completed
from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import CapacityError, ConflictError, DamagedError, ForebayError, UnavailableError
from forebay.fsio import Disk, used_bytes_below
from forebay.testing.awkward import AwkwardOrigin, FlipBit
from forebay.testing.cached import FailingDisk, FakeClock, World
from forebay.testing.cached.invariants import assert_all, assert_IN_USE
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import FillDone, Granted, ReplicaState
from forebay.wire.catalog import Version
from tests.faults.replay import Replay
from tests.faults.stage import FILES, OTHERS, evict, judge


def _world(root: Path) -> tuple[World, FakeClock]:
    clock = FakeClock()
    return World(root, clock=clock, terms=Terms(hold_seconds=10.0, lease_seconds=120.0)), clock


def _contents(tree: Path) -> dict[str, bytes]:
    files = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(".forebay/")}


def _expect(kind: str, error: ForebayError | None, promise: str) -> None:
    assert error is not None, f"{promise}: nobody refused"
    assert error.kind == kind, f"{promise}: {error.kind} instead of {kind}"


@contextmanager
def _lake(world: World, bodies: dict[str, bytes]) -> Iterator[tuple[AwkwardOrigin, Version]]:
    """A version whose objects an origin serves that can be told to misbehave."""
    with AwkwardOrigin() as origin:
        etags = {name: origin.put(f"/lake/{name}", body) for name, body in bodies.items()}
        entries = [Entry(path=name, size_bytes=len(body), etag=etags[name]) for name, body in bodies.items()]
        yield origin, add_version(world.hub, "clicks", Manifest.registered(entries), f"{origin.url}/lake")


def every_crash_state_of_a_fill(root: Path) -> None:
    """CRASH and VERIFIED: see `replay`."""
    replay = Replay(root, "absent")
    for number, state in enumerate(replay.record("fill")):
        # A sync that is left out leaves many more states than a good build has; the first bad one ends it.
        if number % 7 == 0 or "lost" in state.label or "bytes" in state.label:
            world, lost = replay.enter(state), state.records_lost
            judge(world, [replay.scene.version], recover=number % 2 == 0, force=lost, whole_records=not lost)


def a_stale_token_is_refused(root: Path) -> None:
    """ONE-FILL: a holder that was replaced can neither renew, reserve, finish nor fail."""
    world, clock = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    hub, volume = world.hub, cache.volume_id
    old = hub.fills.claim(volume, version, holder())
    clock.pass_by(60.0)
    new = hub.fills.claim(volume, version, holder())
    assert isinstance(old, Granted)
    assert isinstance(new, Granted)
    done = FillDone(added_bytes=1, moved_bytes=1, present_bytes=0, seconds=1.0, seal_digest="")
    error = None
    try:
        hub.fills.finish(old.fill_id, old.token, done)
    except ForebayError as raised:
        error = raised
    _expect("fenced", error, "ONE-FILL")


def bytes_stay_within_the_limit(root: Path) -> None:
    """FITS: what has no room is refused before the first byte; nothing was promised twice."""
    world, _ = _world(root)
    one, two = world.add("one", {"a": b"1" * 300_000}), world.add("two", {"b": b"2" * 300_000})
    limit = 500_000
    cache = world.cache(limit_bytes=limit)
    cache.warm(one, holder())
    world.hub.replicas.pin(cache.volume_id, one, "me", "stays", 0.0)
    with suppress(CapacityError):
        cache.warm(two, holder())
    cache.layout.trash.mkdir(exist_ok=True)
    assert used_bytes_below(world.volume) <= limit, "FITS: more than the limit"
    assert_all(world.hub, cache)


def a_changed_object_is_an_error(root: Path) -> None:
    """IMMUTABLE: other bytes of the same length under the same key are never taken for the registered ones."""
    world, _ = _world(root)
    with _lake(world, {"a": b"1" * 5000, "b": b"2" * 5000}) as (origin, version):
        origin.put("/lake/a", b"x" * 5000)
        error = None
        try:
            world.cache().warm(version, holder())
        except ForebayError as raised:
            error = raised
        _expect("object-changed", error, "IMMUTABLE")
        origin.put("/lake/a", b"1" * 5000)
        judge(world, [version], recover=True)


def a_flipped_bit_is_found(root: Path) -> None:
    """VERIFIED: where a digest is known, the right length with one wrong bit is not taken."""
    world, _ = _world(root)
    bodies = {"a": b"1" * 5000, "b": b"2" * 5000}
    with _lake(world, bodies) as (origin, version):
        cache = world.cache()
        cache.warm(version, holder())
        evict(cache, version)
        origin.misbehave("/lake/a", always=FlipBit(at_byte=777))
        error = None
        try:
            cache.warm(version, holder())
        except ForebayError as raised:
            error = raised
        _expect("digest-mismatch", error, "VERIFIED")
        origin.misbehave("/lake/a")
        assert _contents(cache.warm(version, holder()).path) == bodies, "VERIFIED"
        assert_all(world.hub, cache)


def a_journal_may_lie(root: Path) -> None:
    """VERIFIED: what an earlier holder left is taken only when its bytes are what its journal says."""
    world, clock = _world(root)
    bodies = {name: random.Random(name).randbytes(9000) for name in "abc"}
    with _lake(world, bodies) as (_, version):
        cache = world.cache(streams=1)
        disk = FailingDisk(lambda name, _number: 5 if name == "sync_file_system" else 0)
        with suppress(DamagedError):
            world.cache(disk=disk).warm(version, holder())
        clock.pass_by(60.0)
        left = [path for path in cache.layout.incoming.rglob("*") if path.is_file() and path.stat().st_size == 9000]
        assert left, "the disk refused before anything had come"
        for path in left:
            path.chmod(0o644)
            path.write_bytes(bytes(9000))
        assert _contents(cache.warm(version, holder()).path) == bodies, "VERIFIED: spoilt leftovers were believed"
        assert_all(world.hub, cache)


def what_is_leased_stays(root: Path) -> None:
    """IN-USE: a leased version is not evicted, whoever asks."""
    world, _ = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    with cache.lease(version, holder()) as leased:
        with suppress(ConflictError):
            evict(cache, version)
        assert _contents_or_none(leased.warmed.path) == FILES, "IN-USE: a leased version went"
        assert_IN_USE(world.hub, cache)


def what_is_pinned_stays(root: Path) -> None:
    """IN-USE: a pinned version is not evicted, whoever asks."""
    world, _ = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    tree = cache.warm(version, holder()).path
    world.hub.replicas.pin(cache.volume_id, version, "me", "stays", 0.0)
    with suppress(ConflictError):
        evict(cache, version)
    assert _contents_or_none(tree) == FILES, "IN-USE: a pinned version went"


def what_the_lake_lost_stays(root: Path) -> None:
    """RECOVERABLE: what cannot be fetched again is not evicted."""
    world, _ = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    tree = cache.warm(version, holder()).path
    (world.lake / "clicks" / "again").unlink()
    with suppress(ConflictError):
        evict(cache, version)
    assert _contents_or_none(tree) == FILES, "RECOVERABLE: the only copy went"


def shared_blobs_stay(root: Path) -> None:
    """ONE-FILL: evicting one version leaves the blobs that another one lists: its repair moves nothing it has."""
    world, _ = _world(root)
    cache = world.cache()
    version, other = world.add("clicks", FILES), world.add("other", OTHERS)
    for item in (version, other):
        cache.warm(item, holder())
    evict(cache, version)
    moved = cache.warm(version, holder()).moved_bytes
    assert moved == len(FILES["again"]), "ONE-FILL: a shared blob was deleted, and is fetched twice"
    assert_all(world.hub, cache)


def an_empty_volume_is_no_evidence(root: Path) -> None:
    """BRAKE: recover on a volume that looks empty stops and asks."""
    world, _ = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    cache.warm(version, holder())
    away = world.volume.with_name("away")
    (world.volume / "roots").rename(away)
    (world.volume / "roots").mkdir()
    with suppress(DamagedError):
        cache.recover()
    (world.volume / "roots").rmdir()
    away.rename(world.volume / "roots")
    assert [item.state for item in cache.replicas()] == [ReplicaState.READY], "BRAKE: a replica was given up unasked"
    assert_all(world.hub, cache)


def a_volume_that_went_away(root: Path) -> None:
    """BRAKE: an empty folder where a known volume was is not made a new volume, and nothing is filled into it."""
    world, _ = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    cache.warm(version, holder())
    away = world.volume.rename(world.volume.with_name("away"))
    world.volume.mkdir()
    with suppress(UnavailableError):
        world.cache().warm(version, holder())
    with suppress(UnavailableError):
        cache.lease(version, holder()).close()
    assert not list(world.volume.iterdir()), "BRAKE: an unmounted folder was filled"
    world.volume.rmdir()
    away.rename(world.volume)
    assert world.cache().warm(version, holder()).moved_bytes == 0
    assert_all(world.hub, world.cache())


def a_marker_that_went_is_missed(root: Path) -> None:
    """VERIFIED: a record that says `ready` is not believed without the marker beside the files."""
    world, _ = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    tree = cache.warm(version, holder()).path
    (tree / ".forebay").chmod(0o755)
    (tree / ".forebay" / "complete.json").unlink()
    (tree / "day_0").chmod(0o755)
    (tree / "day_0" / "b.tsv").unlink()
    with cache.lease(version, holder()) as leased:
        assert _contents(leased.warmed.path) == FILES, "VERIFIED: a path was handed out with a file missing"
    cache.recover()
    assert_all(world.hub, cache)


class SleepyDisk(Disk):
    """Falls asleep for good measure when it is about to touch the trash; `meanwhile` is what happens."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def make_directories(self, path: Path) -> None:
        super().make_directories(path)
        if path.name == "trash" and self._meanwhile:
            self._meanwhile.pop()()


def a_filler_that_slept_publishes_nothing(root: Path) -> None:
    """ONE-FILL: a holder that slept while another one filled in its place leaves that one's tree where it is."""
    world, clock = _world(root)
    cache, version = world.cache(), world.add("clicks", FILES)
    victim = cache.warm(version, holder()).path / "again"
    victim.chmod(0o644)
    victim.write_bytes(b"x" * 500)
    cache.verify([version], root / "memo", force=True)

    leases: list[Leased] = []

    def another_fills() -> None:
        clock.pass_by(60.0)
        leases.append(cache.lease(version, holder()))

    world.cache(disk=SleepyDisk(another_fills)).warm(version, holder())
    (replica,) = cache.replicas()
    completed = read_completed(cache.path(version))
    assert completed is not None, "CRASH: its marker is gone"
    assert completed.token == replica.token == leases[0].lease.token, "ONE-FILL: a sleeper took the newer tree away"
    leases[0].close()
    cache.recover()
    assert_all(world.hub, cache)


def _contents_or_none(tree: Path) -> dict[str, bytes] | None:
    return _contents(tree) if tree.exists() else None


CHECKS = [
    every_crash_state_of_a_fill,
    a_stale_token_is_refused,
    bytes_stay_within_the_limit,
    a_changed_object_is_an_error,
    a_flipped_bit_is_found,
    a_journal_may_lie,
    what_is_leased_stays,
    what_is_pinned_stays,
    what_the_lake_lost_stays,
    shared_blobs_stay,
    an_empty_volume_is_no_evidence,
    a_volume_that_went_away,
    a_marker_that_went_is_missed,
    a_filler_that_slept_publishes_nothing,
]
