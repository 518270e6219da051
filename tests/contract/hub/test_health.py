"""The health of a volume in the records, on both databases: what it stands against, and what it does not."""

from __future__ import annotations

import pytest

from forebay.errors import UnavailableError
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import HealthReport, Ready, Sign, VolumeState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import VOLUME, new_version
from tests.contract.hub.test_fills import DONE, claim

GOOD = HealthReport(sign=Sign.GOOD)
BAD = HealthReport(sign=Sign.BAD, reason="it stalls")
GONE = HealthReport(sign=Sign.GONE, reason="not mounted")


@pytest.fixture
def ready(hub: Hub, version: Version) -> Version:
    granted = claim(hub, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    return version


def test_an_unstable_volume_is_opened_and_neither_filled_nor_emptied(hub: Hub, ready: Version) -> None:
    assert hub.volumes.report_health(VOLUME, BAD).state is VolumeState.UNSTABLE
    hub.leases.release(hub.leases.take(VOLUME, ready, holder()).lease_id)
    with pytest.raises(UnavailableError, match="it stalls") as refused:
        hub.fills.claim(VOLUME, new_version(hub, "others"), holder())
    assert refused.value.kind == "volume-unstable"
    with pytest.raises(UnavailableError):
        hub.replicas.begin_evict(VOLUME, ready, "full")
    assert isinstance(hub.fills.look(VOLUME, ready), Ready)


def test_a_volume_that_is_down_is_not_opened_until_it_shows_a_sign_of_life(hub: Hub, ready: Version) -> None:
    assert hub.volumes.report_health(VOLUME, GONE).state is VolumeState.DOWN
    with pytest.raises(UnavailableError) as refused:
        hub.leases.take(VOLUME, ready, holder())
    assert refused.value.kind == "volume-down"
    hub.volumes.report_health(VOLUME, GOOD)
    hub.leases.take(VOLUME, ready, holder())


def test_a_running_fill_goes_on(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    hub.volumes.report_health(VOLUME, GONE)
    assert hub.fills.finish(granted.fill_id, granted.token, DONE).ref == version.ref


def test_changes_are_in_the_history_and_since_stays(hub: Hub, clock: FakeClock) -> None:
    hub.volumes.report_health(VOLUME, BAD)
    began = clock.now()
    clock.pass_by(60)
    for report in (GOOD, BAD, BAD, BAD):
        hub.volumes.report_health(VOLUME, report)
    volume = hub.volumes.get(VOLUME)
    assert (volume.state, volume.state_reason, volume.state_since) == (VolumeState.DOWN, "it stalls", began)
    for _ in range(3):
        volume = hub.volumes.report_health(VOLUME, GOOD)
    assert (volume.state, volume.state_reason, volume.state_since) == (VolumeState.NORMAL, "", clock.now())
    told = [event.event for event in hub.volumes.events(VOLUME, 10) if event.event.startswith("volume-")]
    assert told == ["volume-normal", "volume-unstable", "volume-down", "volume-unstable"]


def test_verified_at_is_of_the_replica_that_was_looked_at(hub: Hub, ready: Version, clock: FakeClock) -> None:
    first = hub.replicas.get(VOLUME, ready)
    assert first is not None
    assert first.verified_at == clock.now()
    clock.pass_by(100)
    hub.replicas.mark_verified(VOLUME, ready, first.token + 1)
    assert hub.replicas.get(VOLUME, ready) == first
    hub.replicas.mark_verified(VOLUME, ready, first.token)
    again = hub.replicas.get(VOLUME, ready)
    assert again is not None
    assert again.verified_at == clock.now()
