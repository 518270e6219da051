"""Retired versions on a real volume and lake: replicas go in order and come back whole; a killed hub loses nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from forebay.catalog.retention import DAY_S, GRACE_S
from forebay.clock import SystemClock
from forebay.errors import ConflictError
from forebay.hub import retention as pass_
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import write
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from forebay.wire.access import AuditQuery
from forebay.wire.catalog import Version
from forebay.wire.retention import RetentionPolicy
from tests.integration.cache.stage import contents

SHARED = b"s" * 400_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "world", clock=FakeClock())
    yield made
    made.hub.close()


def registered(world: World, number: int) -> Version:
    """A version with a file of its own and one that all of them share."""
    world.put({f"own-{number}": bytes([number]) * 1_000})
    if not (world.lake / "shared").exists():
        world.put({"shared": SHARED})
    return world.register("clicks", {"own": f"own-{number}", "shared": "shared"})


def files_of(number: int) -> dict[str, bytes]:
    return {"own": bytes([number]) * 1_000, "shared": SHARED}


def test_replicas_go_after_the_grace_and_come_back_whole(world: World) -> None:
    cache = world.cache()
    old, new = registered(world, 1), registered(world, 2)
    cache.warm(old, holder())
    cache.warm(new, holder())
    world.hub.retention.retire("clicks", 1, "old")
    world.clock.pass_by(GRACE_S - 10)  # type: ignore[attr-defined]
    with cache.lease(new, holder()):
        pass
    assert cache.sweep() == [], "nothing goes before the grace is over"
    world.clock.pass_by(20)  # type: ignore[attr-defined]
    (gone,) = cache.sweep()
    assert (gone.ref, gone.error, gone.freed_bytes >= 1_000) == ("clicks@v1", None, True)
    assert gone.freed_bytes < len(SHARED), "what v2 shares stays"
    assert contents(cache.path(new)) == files_of(2)
    with pytest.raises(ConflictError) as caught:
        cache.warm(old, holder())
    assert caught.value.kind == "version-retired"
    world.hub.retention.restore("clicks", 1)
    cache.warm(old, holder())
    assert contents(cache.path(old)) == files_of(1)
    assert_all(world.hub, cache)


def test_RECOVERABLE_a_replica_stays_while_the_lake_is_away(world: World) -> None:
    cache = world.cache()
    old, _ = registered(world, 1), registered(world, 2)
    cache.warm(old, holder())
    world.hub.retention.retire("clicks", 1, "old")
    world.clock.pass_by(GRACE_S)  # type: ignore[attr-defined]
    world.lake.rename(world.root / "away")
    (tried,) = cache.sweep()
    assert tried.error is not None
    assert [replica.ref for replica in cache.replicas()] == ["clicks@v1"]
    (world.root / "away").rename(world.lake)
    (gone,) = cache.sweep()
    assert gone.error is None
    assert cache.replicas() == []


def test_IN_USE_who_opened_it_before_a_lapse_reads_on(world: World) -> None:
    """Its lease ran out unseen (a machine that slept), the version was retired, and then it renews."""
    cache = world.cache()
    old, _ = registered(world, 1), registered(world, 2)
    cache.warm(old, holder())
    lease = world.hub.leases.take(cache.volume_id, old, holder())
    world.clock.pass_by(GRACE_S * 2)  # type: ignore[attr-defined]
    world.hub.retention.retire("clicks", 1, "old")
    world.clock.pass_by(GRACE_S)  # type: ignore[attr-defined]
    world.hub.leases.renew(lease.lease_id)
    assert cache.sweep() == []
    assert contents(cache.path(old)) == files_of(1)
    world.hub.leases.release(lease.lease_id)
    assert [item.error for item in cache.sweep()] == [None]


def test_CRASH_a_hub_that_is_killed_in_the_middle_has_retired_all_or_nothing(tmp_path: Path) -> None:
    world = World(tmp_path / "world", clock=FakeClock(SystemClock().now() - 60 * DAY_S))
    for number in range(1, 5):
        registered(world, number)
    world.hub.retention.set_policy(RetentionPolicy(dataset="clicks", keep_last=1))
    killed = multiprocessing.get_context("spawn").Process(target=_tend_and_die, args=(world.home,))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    hub = LocalHub.open(world.home, f"sqlite:///{world.home}/hub.db", SystemClock())
    try:
        access = AccessStore(hub.engine, SystemClock())
        assert len(hub.catalog.versions("clicks")) == 4
        assert access.audit(AuditQuery(user=pass_.BY_POLICY)).records == ()
        hub.retention.tend_due()
        assert [item.number for item in hub.catalog.versions("clicks")] == [4]
        assert len(access.audit(AuditQuery(user=pass_.BY_POLICY)).records) == 3
    finally:
        hub.close()
        world.hub.close()


def _tend_and_die(home: Path) -> None:
    """Killed after two of three versions are marked."""
    hub = LocalHub.open(home, f"sqlite:///{home}/hub.db", SystemClock())
    written = []

    def write_and_die(*given: Any) -> None:
        write(*given)
        written.append(given)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    with mock.patch.object(pass_, "write", write_and_die):
        hub.retention.tend_due()
