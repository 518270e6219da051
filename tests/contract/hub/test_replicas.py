"""What is on a volume, what is kept, what goes, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from forebay.errors import ConflictError, ForebayError, NotFoundError
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import EvictGrant, Granted, ReplicaState, Waiting
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import LIMIT_BYTES, VOLUME, new_version
from tests.contract.hub.test_fills import DONE, claim


@pytest.fixture
def ready(hub: Hub, version: Version) -> Version:
    granted = claim(hub, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    return version


def state_of(hub: Hub, version: Version) -> ReplicaState:
    replica = hub.replicas.get(VOLUME, version)
    return ReplicaState.ABSENT if replica is None else replica.state


def test_IN_USE_a_pin_holds_until_it_ends(hub: Hub, ready: Version, clock: FakeClock) -> None:
    hub.replicas.pin(VOLUME, ready, "ada", "the paper", clock.now() + 50)
    with pytest.raises(ConflictError) as refused:
        hub.replicas.begin_evict(VOLUME, ready, "full")
    assert refused.value.kind == "pinned"
    clock.pass_by(51)
    hub.replicas.begin_evict(VOLUME, ready, "full")


def test_what_is_absent_or_going_cannot_be_pinned(hub: Hub, version: Version) -> None:
    with pytest.raises(NotFoundError, match="cache warm"):
        hub.replicas.pin(VOLUME, version, "ada", "", 0.0)
    granted = claim(hub, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    hub.replicas.begin_evict(VOLUME, version, "asked")
    with pytest.raises(ConflictError, match="being evicted"):
        hub.replicas.pin(VOLUME, version, "ada", "", 0.0)


def test_an_eviction_ends_once_and_frees(hub: Hub, ready: Version) -> None:
    grant = hub.replicas.begin_evict(VOLUME, ready, "asked")
    assert isinstance(hub.fills.claim(VOLUME, ready, holder()), Waiting)
    with pytest.raises(ConflictError):
        hub.replicas.begin_evict(VOLUME, ready, "asked")
    hub.replicas.finish_evict(VOLUME, ready, grant.token, 120)
    assert state_of(hub, ready) is ReplicaState.ABSENT
    assert hub.volumes.get(VOLUME).used_bytes == 0
    with pytest.raises(ConflictError):
        hub.replicas.finish_evict(VOLUME, ready, grant.token, 120)
    assert isinstance(hub.fills.claim(VOLUME, ready, holder()), Granted)


def test_a_dead_eviction_is_taken_up_and_its_old_holder_fenced(hub: Hub, ready: Version, clock: FakeClock) -> None:
    old = hub.replicas.begin_evict(VOLUME, ready, "asked")
    clock.pass_by(8)
    hub.replicas.renew_evict(VOLUME, ready, old.token)
    clock.pass_by(8)
    with pytest.raises(ConflictError):
        hub.replicas.begin_evict(VOLUME, ready, "asked")
    clock.pass_by(8)
    assert isinstance(hub.fills.claim(VOLUME, ready, holder()), Waiting), "an eviction that was begun is ended first"
    new = hub.replicas.begin_evict(VOLUME, ready, "asked")
    reports: list[Callable[[], object]] = [
        partial(hub.replicas.renew_evict, VOLUME, ready, old.token),
        partial(hub.replicas.abandon_evict, VOLUME, ready, old.token),
        partial(hub.replicas.cancel_evict, VOLUME, ready, old.token, "why", damaged=False),
        partial(hub.replicas.finish_evict, VOLUME, ready, old.token, 1),
    ]
    for report in reports:
        with pytest.raises(ConflictError) as refused:
            report()
        assert refused.value.kind == "fenced"
    hub.replicas.finish_evict(VOLUME, ready, new.token, 120)


def test_an_eviction_that_its_holder_gave_up_is_taken_up_at_once(hub: Hub, ready: Version) -> None:
    old = hub.replicas.begin_evict(VOLUME, ready, "asked")
    hub.replicas.abandon_evict(VOLUME, ready, old.token)
    assert state_of(hub, ready) is ReplicaState.EVICTING
    new = hub.replicas.begin_evict(VOLUME, ready, "asked")
    hub.replicas.finish_evict(VOLUME, ready, new.token, 120)


@pytest.mark.parametrize(("damaged", "state"), [(False, ReplicaState.READY), (True, ReplicaState.DAMAGED)])
def test_a_cancelled_eviction_leaves_it_as_it_was(hub: Hub, ready: Version, damaged: bool, state: ReplicaState) -> None:
    grant = hub.replicas.begin_evict(VOLUME, ready, "asked")
    hub.replicas.cancel_evict(VOLUME, ready, grant.token, "read-only", damaged=damaged)
    assert state_of(hub, ready) is state


def test_of_many_that_evict_at_once_one_is_granted(hub: Hub, ready: Version) -> None:
    def evict(_: int) -> EvictGrant | None:
        try:
            return hub.replicas.begin_evict(VOLUME, ready, "full")
        except ForebayError:
            return None

    with ThreadPoolExecutor(6) as pool:
        assert sum(grant is not None for grant in pool.map(evict, range(6))) == 1


def test_IN_USE_of_a_lease_and_an_eviction_at_once_only_one_wins(hub: Hub) -> None:
    def wins(action: Callable[[], object]) -> bool:
        try:
            action()
        except ConflictError:
            return False
        return True

    for number in range(8):
        version = new_version(hub, f"d{number}", 10)
        granted = claim(hub, version)
        hub.fills.finish(granted.fill_id, granted.token, DONE)
        actions: list[Callable[[], object]] = [
            partial(hub.leases.take, VOLUME, version, holder()),
            partial(hub.replicas.begin_evict, VOLUME, version, "full"),
        ]
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(wins, actions)) == [False, True]


def test_damage_is_found_once_and_only_in_what_was_looked_at(hub: Hub, ready: Version) -> None:
    with pytest.raises(ConflictError):
        hub.replicas.mark_damaged(VOLUME, ready, "old news", token=999)
    assert hub.replicas.mark_damaged(VOLUME, ready, "a bit flipped").state is ReplicaState.DAMAGED
    with pytest.raises(ConflictError):
        hub.replicas.mark_damaged(VOLUME, ready, "a bit flipped")
    assert isinstance(hub.fills.claim(VOLUME, ready, holder()), Granted)


def test_recover_adopts_forgets_and_ends_the_fill_of_what_it_adopts(
    hub: Hub, version: Version, clock: FakeClock
) -> None:
    claim(hub, version)
    with pytest.raises(ConflictError):
        hub.replicas.adopt(VOLUME, version, 7, 1.0)
    clock.pass_by(11)
    assert hub.replicas.adopt(VOLUME, version, 7, 1.0).state is ReplicaState.READY
    assert hub.fills.open_fills(VOLUME) == []
    with pytest.raises(ConflictError):
        hub.replicas.forget(VOLUME, version, "gone", token=6)
    hub.replicas.forget(VOLUME, version, "gone", token=7)
    assert state_of(hub, version) is ReplicaState.ABSENT
    assert claim(hub, version).token == 8, "tokens only grow, over a loss of the records too"


def test_a_volume_is_known_by_id_and_by_path(hub: Hub) -> None:
    before = hub.volumes.get(VOLUME)
    assert hub.volumes.at(before.path) == before
    assert hub.volumes.at("/nowhere") is None
    assert hub.volumes.add(VOLUME, before.path, 2 * LIMIT_BYTES).limit_bytes == 2 * LIMIT_BYTES
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: hub.volumes.add("other", "/other", 5), range(6)))
    assert hub.volumes.get("other").limit_bytes == 5


def test_BRAKE_hosts_may_see_a_volume_at_paths_of_their_own(hub: Hub) -> None:
    """One host's path says nothing about what another host has there, and the record does not go to and fro."""
    first = hub.volumes.get(VOLUME)
    for host in ("a", "b", "a"):
        hub.volumes.add(VOLUME, f"/mnt/{host}", LIMIT_BYTES, host)
        assert hub.volumes.get(VOLUME) == first
    known = hub.volumes.at("/mnt/a", "a"), hub.volumes.at("/mnt/b", "b")
    assert known == (first, first), "each host goes on knowing its own"
    assert hub.volumes.at("/mnt/a", "b") is None
    hub.volumes.add("other", "/mnt/a", 5, "b")
    assert hub.volumes.at("/mnt/a", "a") == first
    assert hub.volumes.at("/mnt/a", "b") == hub.volumes.get("other")


def test_events_are_the_newest_first(hub: Hub) -> None:
    for number in range(4):
        hub.volumes.record(VOLUME, "clicks@v1", f"event-{number}", "why", number)
    assert [event.event for event in hub.volumes.events(VOLUME, 2)] == ["event-3", "event-2"]
