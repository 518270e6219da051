"""What a volume's own machine measures there: right, also while volume or hub are away, and nothing is made by it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.cache.measured import VolumeMeter
from forebay.errors import UnavailableError
from forebay.fsio import Disk
from forebay.hub.local import LocalHub
from forebay.metrics.family import Sample
from forebay.metrics.volume_families import VOLUME
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.world import holder
from forebay.wire.cache import VolumeState

pytestmark = pytest.mark.integration


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> Iterator[World]:
    made = World(tmp_path, clock=clock)
    yield made
    made.hub.close()


class SlowDisk(Disk):
    """A sync takes a while, and may fail."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.fails = False

    def sync(self, descriptor: int) -> None:
        self._clock.pass_by(0.7)
        if self.fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(descriptor)


def measured(meter: VolumeMeter) -> dict[str, float]:
    """By name, and the label that is not the volume's."""
    return {_key(item): item.value for item in meter.measure()}


def _key(item: Sample) -> str:
    more = [value for name, value in item.by_label.items() if name in ("state", "held")]
    return " ".join([item.family.name.removeprefix("forebay_volume_"), *more])


def meter_of(world: World, disk: Disk | None = None, hub: LocalHub | None = None) -> VolumeMeter:
    return VolumeMeter(hub or world.hub, world.volume, host="", disk=disk or Disk(), clock=world.clock)


def test_a_volume_in_use(world: World, clock: FakeClock) -> None:
    cache = world.cache(limit_bytes=1 << 30)
    kept, gone = world.add("clicks", {"a": b"a" * 1000}), world.add("views", {"b": b"b" * 500})
    leased = cache.lease(kept, holder())
    cache.warm(gone, holder())
    (cache.path(gone) / "b").chmod(0o644)
    (cache.path(gone) / "b").write_bytes(b"x" * 500)
    cache.verify([gone], world.home / "memo", force=True)
    clock.pass_by(60)
    told = measured(meter_of(world, SlowDisk(clock)))
    assert told["up"] == told["hub_up"] == told["canary_good"] == 1
    assert told["canary_seconds"] == pytest.approx(0.7)
    assert told["canary_timestamp_seconds"] == pytest.approx(clock.now())
    assert told["limit_bytes"] == 1 << 30
    assert told["used_bytes"] == cache.volume().used_bytes > 1500
    assert (told["replicas ready"], told["replicas damaged"]) == (1, 1)
    assert told["leases"] == 1
    assert told["oldest_check_timestamp_seconds"] == clock.now() - 60.7
    assert told["quarantined"] == told["trash"] >= 1
    assert told["trash_bytes"] == 0, "the damaged tree still has a name for what is in quarantine"
    assert 0 < told["file_system_free_bytes"] <= told["file_system_bytes"]
    assert (told["state normal"], told["state down"]) == (1, 0)
    leased.close()
    assert {item.family for item in meter_of(world).measure()} == set(VOLUME)


def test_a_disk_that_fails_is_told_to_prometheus_and_to_the_hub(world: World, clock: FakeClock) -> None:
    cache = world.cache()
    disk = SlowDisk(clock)
    meter = meter_of(world, disk)
    measured(meter)
    last_good = clock.now()
    disk.fails = True
    told = measured(meter)
    assert told["canary_good"] == 0
    assert told["canary_timestamp_seconds"] == last_good
    assert told["state unstable"] == 1
    assert cache.volume().state is VolumeState.UNSTABLE


def test_an_unmounted_volume_is_down_and_stays_an_empty_folder(world: World) -> None:
    volume_id = world.cache().volume_id
    world.volume.rename(world.root / "away")
    world.volume.mkdir()
    samples = meter_of(world).measure()
    told = {_key(item): item.value for item in samples}
    assert (told["up"], told["hub_up"]) == (0, 1)
    assert {item.by_label["volume"] for item in samples} == {volume_id}, "the hub knows which one it was"
    assert told["limit_bytes"] > 0
    assert "canary_good" not in told
    assert list(world.volume.iterdir()) == []


def test_a_folder_that_never_was_a_volume_is_made_none(world: World) -> None:
    assert measured(meter_of(world))["up"] == 0
    assert not world.volume.exists()


def test_a_volume_of_another_hub_is_not_ours(world: World, tmp_path: Path) -> None:
    world.cache()
    other = World(tmp_path / "other")
    assert measured(meter_of(world, hub=other.hub))["up"] == 0
    other.hub.close()


def test_while_the_hub_is_away_the_disk_is_still_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    volume_id = world.cache().volume_id

    def away(*_given: object) -> object:
        raise UnavailableError("hub-away", "it is away")

    for name in ("at", "get", "report_health"):
        monkeypatch.setattr(world.hub.volumes, name, away)
    samples = meter_of(world).measure()
    told = {_key(item): item.value for item in samples}
    assert (told["up"], told["hub_up"], told["canary_good"]) == (1, 0, 1)
    assert told["file_system_free_bytes"] > 0
    assert "used_bytes" not in told
    assert {item.by_label["volume"] for item in samples} == {volume_id}
