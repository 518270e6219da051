"""Scrubbing real volumes: damage is found at a bounded rate, quarantined, refilled; a shaky disk is no witness."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from forebay.cache import canary
from forebay.cache.engine import Cache
from forebay.cache.place import is_complete
from forebay.cache.scrub import Scrubber, ScrubSettings, pause_s
from forebay.clock import SystemClock
from forebay.errors import DamagedError, UnavailableError
from forebay.fsio import Disk
from forebay.testing.cached.disks import FailingDisk
from forebay.testing.cached.invariants import assert_all
from forebay.wire.cache import HealthReport, ReplicaState, Sign, VolumeState
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, contents

FILES = {f"part-{number:02}": bytes([number]) * 50_000 for number in range(40)}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def scrubber(stage: Stage, cache: Cache, settings: ScrubSettings, waits: list[float] | None = None) -> Scrubber:
    def wait(seconds: float) -> None:
        (waits if waits is not None else []).append(seconds)

    session = stage.session()
    holder = session.holder("scrub")
    return Scrubber(cache, session.memo_folder, settings, holder=holder, clock=SystemClock(), wait=wait)


def flip_a_bit(cache: Cache, version: Version, name: str) -> None:
    path = cache.path(version) / name
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    path.chmod(0o444)


def test_VERIFIED_one_bad_file_of_a_few_is_fetched_anew(stage: Stage) -> None:
    """A volume of less than twenty files can mend itself, too; two bad ones of four are a matter for somebody."""
    session = stage.session()
    few = {f"part-{number}": bytes([number]) * 50_000 for number in range(4)}
    version = stage.add("clicks", few)
    session.cache.warm(version, session.holder("test"))
    flip_a_bit(session.cache, version, "part-1")
    assert scrubber(stage, session.cache, ScrubSettings()).run().refilled == (version.ref,)
    assert contents(session.cache.path(version)) == few
    for name in ("part-0", "part-2"):
        flip_a_bit(session.cache, version, name)
    with pytest.raises(DamagedError, match="2 of 4 files"):
        scrubber(stage, session.cache, ScrubSettings()).run()
    assert scrubber(stage, session.cache, ScrubSettings(force=True)).run().refilled == (version.ref,)
    assert contents(session.cache.path(version)) == few


def test_BRAKE_a_volume_that_goes_away_during_a_pass_is_not_called_damaged(stage: Stage) -> None:
    session = stage.session()
    for name in ("clicks", "views"):
        session.cache.warm(stage.add(name, {name: name.encode() * 1000}), session.holder("test"))
    root = session.cache.layout.root
    away = root.with_name("away")

    def go(_size_bytes: int) -> None:
        root.rename(away)
        root.mkdir()

    with pytest.raises(UnavailableError) as told:
        scrubber(stage, session.cache, ScrubSettings()).run(go)
    assert told.value.kind == "volume-away"
    root.rmdir()
    away.rename(root)
    assert scrubber(stage, session.cache, ScrubSettings()).run().damaged == ()


def test_VERIFIED_a_tree_whose_fill_died_before_it_told_the_hub_is_not_taken_with_a_file_found_damaged_since(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares the file with a replica in which the damage was found; nobody looks at a tree that is not ready."""
    session = stage.session()
    first, second = stage.add("clicks", FILES), stage.add("views", {"part-07": FILES["part-07"], "own": b"own" * 999})
    cache = session.cache
    cache.warm(first, session.holder("test"))
    with monkeypatch.context() as patched:

        def away(*_: object) -> None:
            raise UnavailableError("hub-away", "the hub is away")

        patched.setattr(session.hub.fills, "finish", away)
        with pytest.raises(UnavailableError):
            cache.warm(second, session.holder("test"))
    assert is_complete(cache.path(second)), "it only has to be told"
    flip_a_bit(cache, first, "part-07")
    assert scrubber(stage, cache, ScrubSettings()).run().refilled == (first.ref,)
    assert cache.warm(second, session.holder("test")).replica.state is ReplicaState.READY
    assert contents(cache.path(second))["part-07"] == FILES["part-07"]
    assert_all(session.hub, cache)


def test_a_tree_that_was_not_told_and_lacks_a_file_is_filled_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = stage.session()
    version = stage.add("clicks", {"a": b"a" * 999, "b": b"b" * 999})
    cache = session.cache
    with monkeypatch.context() as patched:

        def away(*_: object) -> None:
            raise UnavailableError("hub-away", "the hub is away")

        patched.setattr(session.hub.fills, "finish", away)
        with pytest.raises(UnavailableError):
            cache.warm(version, session.holder("test"))
    tree = cache.path(version)
    tree.chmod(0o755)
    (tree / "a").unlink()
    assert cache.warm(version, session.holder("test")).replica.state is ReplicaState.READY
    assert contents(tree) == {"a": b"a" * 999, "b": b"b" * 999}


def test_VERIFIED_an_eviction_that_was_begun_is_not_taken_back_with_a_file_found_damaged_since(stage: Stage) -> None:
    session = stage.session()
    first, second = stage.add("clicks", FILES), stage.add("views", {"part-07": FILES["part-07"]})
    cache = session.cache
    for version in (first, second):
        cache.warm(version, session.holder("test"))
    session.hub.replicas.begin_evict(cache.volume_id, second, "asked")
    flip_a_bit(cache, first, "part-07")
    scrubber(stage, cache, ScrubSettings()).run()
    assert not is_complete(cache.path(second)), "who takes the eviction back finds it damaged"


def test_what_rested_in_quarantine_for_a_week_goes_with_a_sweep(stage: Stage) -> None:
    session = stage.session()
    version = stage.add("clicks", FILES)
    cache = session.cache
    cache.warm(version, session.holder("test"))
    flip_a_bit(cache, version, "part-07")
    scrubber(stage, cache, ScrubSettings()).run()
    (resting,) = (path for path in cache.layout.trash.iterdir() if path.name.startswith("quarantine-"))
    cache.sweep()
    assert resting.exists(), "somebody may want to look at it"
    before = cache.volume().used_bytes
    _, made, rest = resting.name.split("-", 2)
    resting.rename(resting.with_name(f"quarantine-{int(made) - 7 * 86400 - 1}-{rest}"))
    cache.sweep()
    assert not [path for path in cache.layout.trash.iterdir() if path.name.startswith("quarantine-")]
    assert before - cache.volume().used_bytes == len(FILES["part-07"])
    assert_all(session.hub, cache)


def test_VERIFIED_a_flipped_bit_is_found_quarantined_and_fetched_anew_while_others_stay(stage: Stage) -> None:
    session = stage.session()
    version, other = stage.add("clicks", FILES), stage.add("views", {"a": b"a" * 1000})
    cache = session.cache
    with cache.lease(version, session.holder("test")) as leased:
        cache.warm(other, session.holder("test"))
        flip_a_bit(cache, version, "part-07")
        with (leased.warmed.path / "part-03").open("rb") as held:
            done = scrubber(stage, cache, ScrubSettings()).run()
            assert held.read() == FILES["part-03"]
    assert (done.damaged, done.refilled, done.failed) == ((version.ref,), (version.ref,), ())
    assert [(item.ref, [bad.path for bad in item.bad]) for item in done.verified if item.bad] == [
        (version.ref, ["part-07"])
    ]
    assert contents(cache.path(version)) == FILES
    assert any(path.name.startswith("quarantine-") for path in cache.layout.trash.iterdir())
    again = scrubber(stage, cache, ScrubSettings()).run()
    assert not again.damaged
    events = [event.event for event in session.hub.volumes.events(cache.volume_id, 10)]
    assert events[:2] == ["filled", "damaged"]


def test_without_refill_the_replica_waits_damaged_for_whoever_wants_it(stage: Stage) -> None:
    session = stage.session()
    version = stage.add("clicks", FILES)
    session.cache.warm(version, session.holder("test"))
    flip_a_bit(session.cache, version, "part-07")
    done = scrubber(stage, session.cache, ScrubSettings(refill=False)).run()
    assert (done.damaged, done.refilled) == ((version.ref,), ())
    warmed = session.cache.warm(version, session.holder("test"))
    assert warmed.moved_bytes == 50_000


def test_BRAKE_a_pass_that_finds_much_damaged_stops_and_takes_nothing_out(stage: Stage) -> None:
    session = stage.session()
    version = stage.add("clicks", FILES)
    session.cache.warm(version, session.holder("test"))
    for number in range(3):
        flip_a_bit(session.cache, version, f"part-{number:02}")
    with pytest.raises(DamagedError) as caught:
        scrubber(stage, session.cache, ScrubSettings()).run()
    assert caught.value.kind == "brake"
    assert not any(path.name.startswith("quarantine-") for path in session.cache.layout.trash.iterdir())


def test_the_rate_is_kept_by_waiting(stage: Stage) -> None:
    session = stage.session()
    version = stage.add("clicks", FILES)
    session.cache.warm(version, session.holder("test"))
    waits: list[float] = []
    scrubber(stage, session.cache, ScrubSettings(rate_bytes_s=1000.0), waits).run()
    # The waits were only written down, so every one of them covers all that was read until then.
    assert len(waits) == len(FILES)
    assert 40 * 50 - 60 < waits[-1] <= 40 * 50


def test_how_long_to_wait() -> None:
    assert pause_s(1000, 0.5, 1000.0) == 0.5
    assert pause_s(1000, 3.0, 1000.0) == 0.0


def test_a_fill_that_met_a_failing_disk_makes_the_volume_unstable_and_the_next_one_tries_it_out(stage: Stage) -> None:
    session = stage.session()
    version = stage.add("clicks", FILES)
    failing = stage.cache_on(FailingDisk(lambda name, number: errno.EIO if name == "write_at" else 0))
    with pytest.raises(DamagedError):
        failing.warm(version, session.holder("test"))
    assert failing.volume().state is VolumeState.UNSTABLE
    dead = stage.cache_on(FailingDisk(lambda name, number: errno.EIO if name == "rename" else 0))
    with pytest.raises(UnavailableError) as caught:
        dead.warm(version, session.holder("test"))
    assert caught.value.kind in ("volume-unstable", "volume-down")
    warmed = session.cache.warm(version, session.holder("test"))
    assert contents(warmed.path) == FILES
    assert session.cache.volume().state is VolumeState.NORMAL


def test_IN_USE_what_is_ready_is_opened_on_an_unstable_volume_and_nothing_goes(stage: Stage) -> None:
    session = stage.session()
    version = stage.add("clicks", FILES)
    session.cache.warm(version, session.holder("test"))
    session.hub.volumes.report_health(session.cache.volume_id, HealthReport(sign=Sign.BAD, reason="it stalls"))
    with session.cache.lease(version, session.holder("test")) as leased:
        assert contents(leased.warmed.path) == FILES
    evicted = session.cache.evictor.evict(session.cache.replicas()[0], "asked for")
    assert evicted.error is not None
    assert evicted.error.kind == "volume-unstable"
    assert contents(session.cache.path(version)) == FILES


def test_a_canary_tells_a_full_disk_a_failing_one_and_another_volume_apart(stage: Stage) -> None:
    cache = stage.session().cache

    def sign(number: int) -> Sign:
        disk = FailingDisk(lambda name, _: number if name == "write" else 0)
        return canary.try_out(cache.layout, cache.volume_id, disk).sign

    assert [sign(number) for number in (0, errno.ENOSPC, errno.EIO, errno.EROFS)] == [
        Sign.GOOD,
        Sign.GOOD,
        Sign.BAD,
        Sign.BAD,
    ]
    assert canary.try_out(cache.layout, "another", Disk()).sign is Sign.GONE
    cache.layout.mark.rename(cache.layout.root / "aside")
    assert canary.try_out(cache.layout, cache.volume_id, Disk()).sign is Sign.GONE
    (cache.layout.root / "aside").rename(cache.layout.mark)
    names = {path.name for path in cache.layout.root.iterdir()}
    assert names == {"forebay-volume.json", "roots", "incoming", "trash"}


@pytest.mark.parametrize("effect", ["write", "rename", "sync_directory"])
def test_FITS_a_canary_that_the_disk_refuses_leaves_nothing(stage: Stage, effect: str) -> None:
    cache = stage.session().cache
    disk = FailingDisk(lambda name, _: errno.EIO if name == effect else 0)
    assert canary.try_out(cache.layout, cache.volume_id, disk).sign is Sign.BAD
    assert not list(cache.layout.root.rglob("*canary*"))


def test_CRASH_what_a_killed_canary_left_is_in_no_account_and_goes_with_recover(stage: Stage) -> None:
    session = stage.session()
    for name in (f".{canary.LEFT}0", f"..{canary.LEFT}1.7.partial"):
        (session.cache.layout.root / name).write_bytes(b"x")
    assert_all(session.hub, session.cache)
    session.cache.recover()
    assert not list(session.cache.layout.root.glob("*canary*"))


def test_BRAKE_files_that_went_with_an_eviction_in_the_middle_of_a_scrub_are_no_damage(stage: Stage) -> None:
    session = stage.session()
    version, other = stage.add("clicks", FILES), stage.add("views", {"a": b"a" * 1000})
    for item in (version, other):
        session.cache.warm(item, session.holder("test"))
    looked: list[int] = []

    def evict_once(size_bytes: int) -> None:
        looked.append(size_bytes)
        if len(looked) == 5:
            (replica,) = [item for item in session.cache.replicas() if item.ref == version.ref]
            assert session.cache.evictor.evict(replica, "asked for").error is None

    done = scrubber(stage, session.cache, ScrubSettings()).run(evict_once)
    assert (done.damaged, [item.ref for item in done.verified]) == ((), [other.ref])
    assert not any(path.name.startswith("quarantine-") for path in session.cache.layout.trash.iterdir())
    assert_all(session.hub, session.cache)
