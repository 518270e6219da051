"""The invariants of DESIGN 5 as assertions on a quiet world: nobody fills, nobody evicts, nothing was just killed."""

from __future__ import annotations

import stat
from pathlib import Path

from forebay.cache.contents import load_manifest, tree_manifest
from forebay.cache.engine import Cache
from forebay.cache.incoming import held_bytes
from forebay.cache.look import account_bytes
from forebay.cache.place import holds
from forebay.cache.volume import RESERVED
from forebay.digest import digest_file
from forebay.errors import ConflictError, NotFoundError
from forebay.fsio import used_bytes_below
from forebay.wire.cache import ReplicaState
from forebay.wire.hub import Hub

_MOST_EVENTS = 1000


def assert_VERIFIED(hub: Hub, cache: Cache, *, damaged: frozenset[Path] = frozenset()) -> None:
    """Every tree that can be opened has exactly its manifest's files, each with its digest (`damaged` aside)."""
    for replica in cache.replicas():
        version = hub.catalog.resolve(replica.ref)
        tree = cache.path(version)
        if replica.state is not ReplicaState.READY or not holds(tree, version.manifest_digest):
            continue
        manifest = load_manifest(hub.catalog, version)
        assert manifest.sealed, f"VERIFIED: {version.ref} is ready and has unknown digests"
        for entry in manifest.entries():
            path = tree / entry.path
            if path.stat().st_ino not in {bad.stat().st_ino for bad in damaged if bad.exists()}:
                assert digest_file(path).hex() == entry.digest, f"VERIFIED: {path}"
                assert stat.S_IMODE(path.stat().st_mode) == 0o444, f"VERIFIED: {path} can be written"
        names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
        files = {name for name in names if not name.startswith(f"{RESERVED}/")}
        assert files == set(manifest.table["path"].to_pylist()), f"VERIFIED: {version.ref} has other files"


def assert_FITS(hub: Hub, cache: Cache) -> None:
    """Bytes on the volume stay within its limit, and account and reservations answer for every one of them."""
    volume, layout = cache.volume(), cache.layout
    fills = hub.fills.open_fills(cache.volume_id)
    there = used_bytes_below(layout.roots, layout.incoming, layout.trash)
    assert there <= volume.used_bytes + volume.reserved_bytes, "FITS: there is more than anybody answers for"
    assert volume.used_bytes + volume.reserved_bytes <= volume.limit_bytes, "FITS: promised too much"
    for fill in fills:
        assert held_bytes(layout.fill(fill.fill_id)) <= fill.reserved_bytes, "FITS: a fill holds more than reserved"


def assert_account(hub: Hub, cache: Cache) -> None:
    """The account is exact: always after a recover. A death in between may leave it too high, never too low."""
    there = account_bytes(cache.layout, hub.fills.open_fills(cache.volume_id))
    assert cache.volume().used_bytes == there, "FITS: the account is wrong"


def assert_CRASH(hub: Hub, cache: Cache) -> None:
    """Nothing partial can be seen: a tree without its marker is no replica that anybody may open."""
    ready = {replica.ref for replica in cache.replicas() if replica.state is ReplicaState.READY}
    for ref in ready:
        version = hub.catalog.resolve(ref)
        assert holds(cache.path(version), version.manifest_digest), f"CRASH: {ref} is ready without its marker"


def assert_IN_USE(hub: Hub, cache: Cache) -> None:
    """What is leased or pinned is here: nobody evicts it, and it can be opened unless a file of it is damaged."""
    leased = {lease.ref for lease in hub.leases.live(cache.volume_id)}
    for replica in cache.replicas():
        if replica.ref in leased or replica.pinned_by:
            assert replica.state is not ReplicaState.EVICTING, f"IN-USE: {replica.ref} is being evicted"
            if replica.state is ReplicaState.READY:
                version = hub.catalog.resolve(replica.ref)
                assert holds(cache.path(version), version.manifest_digest), f"IN-USE: {replica.ref} has gone"


def assert_ONE_FILL(hub: Hub, cache: Cache) -> None:
    """No version has two fills, and no two holders have one token."""
    fills = hub.fills.open_fills(cache.volume_id)
    assert len({fill.ref for fill in fills}) == len(fills), "ONE-FILL: two fills of one version"
    assert len({fill.token for fill in fills}) == len(fills), "ONE-FILL: one token for two"


def assert_RECOVERABLE(hub: Hub, cache: Cache) -> None:
    """What was evicted, the lake has. (A lake that a test spoils after an eviction must be made good before.)"""
    here = {replica.ref for replica in cache.replicas()}
    for event in hub.volumes.events(cache.volume_id, _MOST_EVENTS):
        if event.event == "evicted" and event.ref not in here:
            try:
                cache.evictor.confirm_lake(hub.catalog.resolve(event.ref))
            except NotFoundError:
                continue  # the version itself was removed since
            except ConflictError as error:
                raise AssertionError(f"RECOVERABLE: {event.ref} is nowhere: {error.message}") from error


def assert_IMMUTABLE(hub: Hub, cache: Cache) -> None:
    """A version's manifest is the one that it was added with, digests once learned stay, and trees agree."""
    for replica in cache.replicas():
        version = hub.catalog.resolve(replica.ref)
        known = load_manifest(hub.catalog, version)
        assert known.manifest_digest == version.manifest_digest, f"IMMUTABLE: {replica.ref} has another manifest"
        if replica.state is ReplicaState.READY:
            there = tree_manifest(cache.path(version), version.manifest_digest)
            assert there.table.equals(known.table), f"IMMUTABLE: the catalog says another thing of {replica.ref}"


def assert_BRAKE(cache: Cache) -> None:
    """A mended world needs no mending: nothing would be called lost, orphaned or damaged."""
    repairs = cache.recover(dry_run=True).repairs
    assert not repairs.brake, f"BRAKE: {repairs.brake}"
    for name in repairs.__slots__:
        left = getattr(repairs, name)
        assert not left, f"BRAKE: recover would go on: {name} {left}"


def assert_all(hub: Hub, cache: Cache) -> None:
    """All of them on a world without damage."""
    assert_VERIFIED(hub, cache)
    assert_FITS(hub, cache)
    assert_account(hub, cache)
    assert_CRASH(hub, cache)
    assert_IN_USE(hub, cache)
    assert_ONE_FILL(hub, cache)
    assert_RECOVERABLE(hub, cache)
    assert_IMMUTABLE(hub, cache)
