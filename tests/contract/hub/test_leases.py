"""Who uses a replica, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog.engine import writing
from forebay.errors import ConflictError, UnavailableError
from forebay.hub import rows
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import NoRoom
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import VOLUME, new_version
from tests.contract.hub.test_fills import DONE, claim


@pytest.fixture
def ready(hub: Hub, version: Version) -> Version:
    granted = claim(hub, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    return version


def test_only_what_is_ready_is_leased(hub: Hub, version: Version) -> None:
    with pytest.raises(ConflictError, match="not ready") as refused:
        hub.leases.take(VOLUME, version, holder())
    assert refused.value.kind == "not-ready"


def test_IN_USE_a_leased_replica_is_not_evicted_until_its_lease_ends(
    hub: Hub, ready: Version, clock: FakeClock
) -> None:
    lease = hub.leases.take(VOLUME, ready, holder())
    for _ in range(4):
        clock.pass_by(80)
        hub.leases.renew(lease.lease_id)
        with pytest.raises(ConflictError) as refused:
            hub.replicas.begin_evict(VOLUME, ready, "full")
        assert refused.value.kind == "in-use"
    clock.pass_by(101)
    assert hub.leases.live(VOLUME) == []
    hub.replicas.begin_evict(VOLUME, ready, "full")
    with pytest.raises(ConflictError) as lost:
        hub.leases.renew(lease.lease_id)
    assert lost.value.kind == "lease-lost"


def test_a_lease_that_ran_out_is_known_until_it_is_given_back_or_forgotten_after_a_week(
    hub: Hub, ready: Version, clock: FakeClock
) -> None:
    kept, given_back = (hub.leases.take(VOLUME, ready, holder()) for _ in range(2))
    assert hub.leases.lapsed(VOLUME) == []
    clock.pass_by(101)
    assert {lease.lease_id for lease in hub.leases.lapsed(VOLUME)} == {kept.lease_id, given_back.lease_id}
    hub.leases.release(given_back.lease_id)
    assert [(lease.lease_id, lease.ref, lease.token) for lease in hub.leases.lapsed(VOLUME)] == [
        (kept.lease_id, ready.ref, kept.token)
    ]
    hub.leases.renew(kept.lease_id)
    assert hub.leases.lapsed(VOLUME) == []
    clock.pass_by(8 * 86400)
    hub.leases.take(VOLUME, ready, holder())
    assert hub.leases.lapsed(VOLUME) == []


def test_a_holder_that_slept_renews_while_its_replica_is_the_same(hub: Hub, ready: Version, clock: FakeClock) -> None:
    lease = hub.leases.take(VOLUME, ready, holder())
    clock.pass_by(500)
    assert hub.leases.renew(lease.lease_id).expires_at == clock.now() + 100


def test_a_lease_does_not_pass_to_what_was_filled_anew(hub: Hub, ready: Version) -> None:
    lease = hub.leases.take(VOLUME, ready, holder())
    hub.replicas.mark_damaged(VOLUME, ready, "a bit flipped")
    hub.leases.renew(lease.lease_id)
    granted = claim(hub, ready)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    with pytest.raises(ConflictError):
        hub.leases.renew(lease.lease_id)


def test_release_is_idempotent_and_frees(hub: Hub, ready: Version) -> None:
    lease = hub.leases.take(VOLUME, ready, holder())
    hub.leases.release(lease.lease_id)
    hub.leases.release(lease.lease_id)
    assert hub.replicas.begin_evict(VOLUME, ready, "asked").token > lease.token


def test_every_use_is_in_the_ledger(hub: Hub, ready: Version) -> None:
    for _ in range(3):
        hub.leases.release(hub.leases.take(VOLUME, ready, holder()).lease_id)
    (savings,) = hub.volumes.savings(VOLUME)
    assert (savings.uses, savings.conventional_bytes, savings.moved_bytes, savings.saved_bytes) == (3, 300, 100, 200)


def test_using_moves_the_last_use(hub: Hub, ready: Version, clock: FakeClock) -> None:
    clock.pass_by(1000)
    lease = hub.leases.take(VOLUME, ready, holder())
    replica = hub.replicas.get(VOLUME, ready)
    assert replica is not None
    assert (replica.last_used_at, replica.leases) == (clock.now(), 1)
    assert [item.lease_id for item in hub.leases.live(VOLUME)] == [lease.lease_id]


def test_leases_of_the_dead_do_not_last_as_long_as_a_jump_of_the_clock(
    hub: Hub, ready: Version, clock: FakeClock
) -> None:
    """Room is sought: those that were given before the clock was set back last as long as those that are given now."""
    hub.leases.take(VOLUME, ready, holder())
    living = hub.leases.take(VOLUME, ready, holder())
    clock.jump(-86400)
    wanted = claim(hub, new_version(hub, "other"))
    assert isinstance(hub.fills.reserve(wanted.fill_id, wanted.token, 1001, 10_000), NoRoom)
    assert len(hub.leases.live(VOLUME)) == 2, "a holder that lives has the time to say so"
    clock.pass_by(99)
    hub.leases.renew(living.lease_id)
    clock.pass_by(2)
    assert [lease.lease_id for lease in hub.leases.live(VOLUME)] == [living.lease_id]
    clock.pass_by(100)
    assert hub.replicas.begin_evict(VOLUME, ready, "full").token


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hub", ["embedded"], indirect=True)
def test_a_lease_waits_for_no_other_lease_and_decisions_wait_for_it(
    hub: Hub, embedded: LocalHub, ready: Version
) -> None:
    hub.leases.take(VOLUME, ready, holder())
    with writing(embedded.engine) as connection:
        rows.hold_volume(connection, VOLUME)
        assert hub.leases.take(VOLUME, ready, holder()).token
        for lock in (rows.lock_volume, rows.lock_if_there):
            with pytest.raises(UnavailableError) as busy:
                _impatiently(embedded, lock)
            assert busy.value.kind == "database-busy"


def _impatiently(hub: LocalHub, lock: Callable[[Connection, str], object]) -> None:
    with writing(hub.engine) as connection:
        connection.execute(sa.text("SET LOCAL lock_timeout = '100ms'"))
        lock(connection, VOLUME)


def test_what_is_used_all_the_time_is_noted_once_a_second(hub: Hub, ready: Version, clock: FakeClock) -> None:
    def last_used_at() -> float:
        (replica,) = hub.replicas.all(VOLUME)
        return replica.last_used_at

    clock.pass_by(5)
    lease = hub.leases.take(VOLUME, ready, holder())
    first = last_used_at()
    assert first == clock.now()
    clock.pass_by(0.5)
    hub.leases.take(VOLUME, ready, holder())
    hub.leases.release(lease.lease_id)
    assert last_used_at() == first
    clock.pass_by(0.5)
    lease = hub.leases.take(VOLUME, ready, holder())
    assert last_used_at() == clock.now()
    clock.jump(-3600)
    hub.leases.release(lease.lease_id)
    assert last_used_at() == clock.now()
