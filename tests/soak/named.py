"""IN-USE, ONE-FILL and BRAKE of DESIGN 5 as assertions, beside those of `testing.cached.invariants`."""

from __future__ import annotations

from forebay.cache.engine import Cache
from forebay.cache.place import is_complete
from forebay.wire.cache import ReplicaState
from forebay.wire.hub import Hub


def assert_IN_USE(hub: Hub, cache: Cache) -> None:
    """What is leased or pinned is here: nobody evicts it, and when it is ready it can be opened."""
    leased = {f"{lease.dataset}@v{lease.number}" for lease in hub.leases.live(cache.volume_id)}
    for replica in cache.replicas():
        if replica.ref in leased or replica.pinned_by:
            assert replica.state is not ReplicaState.EVICTING, f"IN-USE: {replica.ref} is being evicted"
            if replica.state is ReplicaState.READY:
                assert is_complete(cache.path(hub.catalog.resolve(replica.ref))), f"IN-USE: {replica.ref} has gone"


def assert_ONE_FILL(hub: Hub, cache: Cache) -> None:
    """No version has two fills, and no two holders have one token."""
    fills = hub.fills.open_fills(cache.volume_id)
    assert len({fill.ref for fill in fills}) == len(fills), "ONE-FILL: two fills of one version"
    assert len({fill.token for fill in fills}) == len(fills), "ONE-FILL: one token for two"


def assert_BRAKE(cache: Cache) -> None:
    """A mended world needs no mending: nothing would be called lost, orphaned or damaged."""
    repairs = cache.recover(dry_run=True).repairs
    for name in repairs.__slots__:
        assert not getattr(repairs, name), f"BRAKE: recover would go on: {name}"
