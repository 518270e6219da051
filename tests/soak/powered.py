"""What a guest does between two power cuts: it judges what the last one left, mends it, and begins the next action.

Everything is on one disk: the volume, a `file://` lake, and the hub's records ("beside"), which a cut may rob of their
last transactions; or the records are elsewhere, on a machine that keeps its power, and remember everything.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from sqlalchemy import event

from forebay.cache.engine import Cache
from forebay.catalog.manifest import Manifest
from forebay.clock import Clock
from forebay.digest import digest_file
from forebay.fsio import Disk
from forebay.hub.local import LocalHub
from forebay.lake.publish import Published, prepare, publish
from forebay.lake.stores import LakeStore
from forebay.testing.cached import FailingDisk, FakeClock, Killed, Mortal, MortalDisk, World
from forebay.testing.cached.world import add_version, holder
from forebay.testing.guest.cuts import Action, Cut
from forebay.testing.guest.inside import DISK, LENT, mount, say
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.faults.stage import judge

FIRST_DAY = 1_900_000_000.0
BOOT_SECONDS = 7200.0
SHARED = {"day_0/a.tsv": b"0" * 3000, "day_0/b.tsv": b"1" * 500}
CLICKS = {
    **SHARED,
    "empty": b"",
    "again": SHARED["day_0/b.tsv"],
    "big": bytes(range(256)) * 12_000,
    **{f"small/{number:02}": bytes([number]) * (700 + number) for number in range(16)},
}
THIRD = {"again": SHARED["day_0/b.tsv"], "zero": SHARED["day_0/a.tsv"], "own": b"6" * 90_000}
OTHER = {"a": SHARED["day_0/a.tsv"], "c": b"2" * 700}


class Place(World):
    """The world on the guest's disk."""

    def __init__(self, *, elsewhere: bool, clock: Clock) -> None:
        self._elsewhere = elsewhere
        root = DISK / "world"
        root.mkdir(exist_ok=True)
        if elsewhere and not (root / "home").exists():
            (LENT / "home").mkdir(exist_ok=True)
            with suppress(FileExistsError):
                (root / "home").symlink_to(LENT / "home")
        super().__init__(root, clock=clock)

    def open_hub(self) -> LocalHub:
        hub = super().open_hub()
        if self._elsewhere:
            event.listen(hub.engine, "connect", _keep_everything)
        return hub


def _keep_everything(connection: sqlite3.Connection, _record: object) -> None:
    """Every commit is durable: a hub elsewhere has not lost power."""
    connection.execute("PRAGMA synchronous = FULL").close()


def main(order: dict[str, Any]) -> None:
    """One life of the machine, from power to power cut; the last one (without a cut) only judges."""
    say("awake")
    mount(order["file_system"], "/dev/ubda", DISK)
    boot = order["boot"]
    clock = FakeClock(FIRST_DAY + BOOT_SECONDS * boot)
    world = Place(elsewhere=order["elsewhere"], clock=clock)
    if boot == 0:
        set_up(world)
    else:
        judge_cut(world, Cut(**order["last"]), done=order["done"], certain=order["elsewhere"])
    if order["next"] is not None:
        act(world, clock, Cut(**order["next"]), boot)


def set_up(world: World) -> None:
    for name, files in (("clicks", CLICKS), ("third", THIRD), ("other", OTHER)):
        version = world.add(name, files)
        world.cache().warm(version, holder())
    cache = world.cache()
    world.hub.replicas.pin(cache.volume_id, world.hub.catalog.resolve("other@v1"), "me", "IN-USE", 0.0)
    os.sync()


def act(world: World, clock: FakeClock, cut: Cut, boot: int) -> None:
    """Bring about what the action needs, begin it, and wait for the end of power in it or behind it."""
    PREPARE[cut.action](world, clock)
    if cut.restless:
        _be_restless()
    if cut.settled:
        os.sync()
    lock = threading.Lock()

    def wait_for_the_cut(_name: str, number: int) -> int:
        if number >= cut.at_effect > 0:
            with lock:
                say("cut")
                time.sleep(1e6)
        return 0

    disk = FailingDisk(wait_for_the_cut)
    say("begin")
    DO[cut.action](world, disk, boot)
    say("done", effects=disk.count)
    time.sleep(1e6)


def _be_restless() -> None:
    for name, value in (("writeback_centisecs", 1), ("expire_centisecs", 1), ("background_bytes", 4096)):
        Path(f"/proc/sys/vm/dirty_{name}").write_text(str(value))


def _without_clicks(world: World, _clock: FakeClock) -> None:
    _evict(world.cache(), "clicks")


def _damaged(world: World, _clock: FakeClock) -> None:
    cache, version = world.cache(), _version(world, "clicks")
    victim = cache.path(version) / "small/03"
    size_bytes = victim.stat().st_size
    victim.chmod(0o644)
    victim.write_bytes(b"x" * size_bytes)
    cache.verify([version], Path("/run/tmp/memo"), force=True)


def _half_filled(world: World, clock: FakeClock) -> None:
    """A fill and an eviction that died, for a recover that ends both."""
    _evict(world.cache(), "clicks")
    _die(world, 60, lambda cache: cache.warm(_version(world, "clicks"), holder()))
    _die(world, 5, lambda cache: _evict(cache, "third"))
    clock.pass_by(3600.0)


def _die(world: World, at_effect: int, action: Callable[[Cache], object]) -> None:
    disk = MortalDisk(at_effect, after=True)
    with suppress(Killed):
        action(world.cache(hub=cast(Hub, Mortal(world.hub, disk)), disk=disk))
    assert disk.dead


def _nothing(_world: World, _clock: FakeClock) -> None:
    pass


def _fill(world: World, disk: Disk, _boot: int) -> None:
    world.cache(disk=disk).warm(_version(world, "clicks"), holder())


def _evict_clicks(world: World, disk: Disk, _boot: int) -> None:
    _evict(world.cache(disk=disk), "clicks")


def _fill_and_evict(world: World, disk: Disk, _boot: int) -> None:
    """The one fills what shares files with what the other evicts."""
    other = threading.Thread(target=_evict, args=(world.cache(disk=disk), "third"))
    other.start()
    _fill(world, disk, 0)
    other.join()


def _recover_with(world: World, disk: Disk, _boot: int) -> None:
    assert not world.cache(disk=disk).recover(force=True).failed


def _publish(world: World, _disk: Disk, boot: int) -> None:
    """A commit: the blobs and the manifest into the lake, then the version into the catalog."""
    source = Path(f"/run/tmp/made-{boot}")
    (source / "day").mkdir(parents=True)
    for number in range(6):
        (source / "day" / str(number)).write_bytes(bytes([boot % 256, number]) * (4000 * (number + 1)))
    (source / "same").write_bytes(b"the same in every version" * 100)
    store = LakeStore.open(world.lake_url)
    say("published", **_facts(publish(prepare(source, store), store, dataset="made")))
    manifest = prepare(source, store).manifest
    add_version(world.hub, "made", manifest, world.lake_url)


def _facts(published: Published) -> dict[str, Any]:
    return {"key": published.manifest_key, "digest": published.manifest.manifest_digest}


PREPARE: dict[Action, Callable[[World, FakeClock], None]] = {
    Action.FILL: _without_clicks,
    Action.REPAIR: _damaged,
    Action.EVICT: _nothing,
    Action.FILL_AND_EVICT: _without_clicks,
    Action.RECOVER: _half_filled,
    Action.PUBLISH: _nothing,
}
DO: dict[Action, Callable[[World, Disk, int], None]] = {
    Action.FILL: _fill,
    Action.REPAIR: _fill,
    Action.EVICT: _evict_clicks,
    Action.FILL_AND_EVICT: _fill_and_evict,
    Action.RECOVER: _recover_with,
    Action.PUBLISH: _publish,
}


def judge_cut(world: World, cut: Cut, *, done: list[dict[str, Any]], certain: bool) -> None:
    """What was told before the cut is so; then every invariant by name, and the next fill of each version succeeds.

    `certain` is whether the records have lost nothing.
    """
    mid_repair = cut.action in (Action.REPAIR, Action.RECOVER)
    if certain:
        _assert_told(world, world.cache(), cut, done)
    _assert_lake(world, done)
    judge(
        world,
        _all_versions(world),
        recover=cut.recover_first,
        force=mid_repair or not certain,
        whole_records=certain,
        mid_repair=mid_repair,
    )
    say("judged", versions=len(_all_versions(world)))


def _assert_told(world: World, cache: Cache, cut: Cut, done: list[dict[str, Any]]) -> None:
    """A hub that lost nothing is right about what it was told was done."""
    said = {told["said"] for told in done}
    states = {replica.ref: replica.state for replica in cache.replicas()}
    if "done" in said and cut.action in (Action.FILL, Action.REPAIR, Action.FILL_AND_EVICT):
        assert states["clicks@v1"] is ReplicaState.READY, "CRASH: a fill that was reported is gone"
    if "done" in said and cut.action is Action.EVICT:
        assert "clicks@v1" not in states, "CRASH: an eviction that was reported was undone"
    if "done" in said and cut.action is Action.PUBLISH:
        digests = {version.manifest_digest for version in _all_versions(world)}
        assert {told["digest"] for told in done if told["said"] == "published"} <= digests, "CRASH: a commit is gone"


def _assert_lake(world: World, done: list[dict[str, Any]]) -> None:
    """What was published can be fetched, and whatever has a manifest in the lake is whole there."""
    keys = {told["key"] for told in done if told["said"] == "published"}
    there = {path.relative_to(world.lake).as_posix() for path in world.lake.glob("manifests/made/*.parquet")}
    assert keys <= there, f"RECOVERABLE: {keys - there} was published and is gone"
    for key in there:
        for entry in Manifest.read(world.lake / key).entries():
            assert digest_file(world.lake / entry.key).hex() == entry.digest, f"RECOVERABLE: {entry.path} of {key}"


def _all_versions(world: World) -> list[Version]:
    datasets = [dataset.name for dataset in world.hub.catalog.datasets()]
    return [version for name in datasets for version in world.hub.catalog.versions(name)]


def _evict(cache: Cache, name: str) -> None:
    for replica in cache.replicas():
        if replica.ref == f"{name}@v1" and (error := cache.evictor.evict(replica, "asked").error):
            raise error


def _version(world: World, name: str) -> Version:
    return world.hub.catalog.resolve(f"{name}@v1")
