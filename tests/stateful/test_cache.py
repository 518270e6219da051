"""The real cache on a real volume, driven at random: every invariant that shows from outside, after every step."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from forebay.cache.engine import Cache, Leased
from forebay.cache.health import Act
from forebay.cache.machine import Terms
from forebay.cache.place import is_complete
from forebay.cache.policy import Policy
from forebay.errors import CapacityError, ConflictError, ForebayError, NotFoundError
from forebay.testing.cached import FailingDisk, FakeClock, Killed, Mortal, MortalDisk, World
from forebay.testing.cached.invariants import assert_account, assert_CRASH, assert_FITS
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version, ref_of

DAY = 86400.0
# Two objects are the same bytes; one is empty.
OBJECTS = {f"o{index}": bytes([index % 5]) * size for index, size in enumerate((0, 10, 3000, 9000, 20_000, 20_000))}
OBJECTS["o6"] = OBJECTS["o4"]
LIMIT_BYTES = 90_000
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
versions = st.integers(0, 6)
effects = st.integers(1, 60)


@contextmanager
def no_room_is_fine(*others: str) -> Iterator[None]:
    try:
        yield
    except ForebayError as error:
        if error.kind not in {"no-room", "never-fits", *others}:
            raise


class CacheMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="forebay-stateful-", dir=MEMORY))
        self.clock = FakeClock()
        self.world = World(self.folder, clock=self.clock, terms=Terms(hold_seconds=10.0, lease_seconds=3 * DAY))
        self.world.put(OBJECTS)
        self.leases: list[tuple[Version, Leased]] = []
        self.pinned: dict[str, Version] = {}
        self.damaged: frozenset[Path] = frozenset()
        self.digests: dict[str, str] = {}
        self.cache = self.open()

    def open(self, **changes: object) -> Cache:
        return self.world.cache(limit_bytes=LIMIT_BYTES, policy=Policy(grace_s=0.0, stale_after_s=DAY), **changes)  # type: ignore[arg-type]

    def teardown(self) -> None:
        for _, leased in self.leases:
            leased.close()
        self.world.hub.close()
        for path in self.folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(self.folder)

    @initialize(choices=st.lists(st.sets(st.sampled_from(sorted(OBJECTS)), min_size=1), min_size=5, max_size=5))
    def register(self, choices: list[set[str]]) -> None:
        self.versions = [
            self.world.register(f"d{number % 2}", {f"p{number}/{key}": key for key in keys})
            for number, keys in enumerate(choices)
        ]
        self.known_paths = {
            version.ref: [f"p{number}/{key}" for key in choices[number]] for number, version in enumerate(self.versions)
        }
        for whole in self.versions[:2]:
            self.versions.append(self.subset(whole))
        self.digests = {version.ref: version.manifest_digest for version in self.versions}

    def subset(self, whole: Version) -> Version:
        """Every second file of a version, which has replicas of its own; the version itself when it has but one."""
        some = sorted(self.known_paths[whole.ref])[::2]
        if len(some) == whole.files:
            return whole
        part = self.world.subset(whole, some)
        self.known_paths[part.ref] = some
        return part

    @rule(at=versions)
    def warm(self, at: int) -> None:
        with no_room_is_fine():
            assert self.cache.warm(self.versions[at], holder()).replica.state is ReplicaState.READY

    @rule(at=versions)
    def lease(self, at: int) -> None:
        version = self.versions[at]
        with no_room_is_fine():
            self.leases.append((version, self.cache.lease(version, holder())))

    @precondition(lambda self: self.leases)
    @rule()
    def release(self) -> None:
        self.leases.pop(0)[1].close()

    @rule(at=versions)
    def pin(self, at: int) -> None:
        """What a dead fill left is given up, pinned or not; the pin is there for the next one."""
        with suppress(NotFoundError, ConflictError):
            replica = self.world.hub.replicas.pin(self.cache.volume_id, self.versions[at], "me", "why", 0.0)
            if replica.state is not ReplicaState.FILLING:
                self.pinned[self.versions[at].ref] = self.versions[at]

    @rule(at=versions)
    def unpin(self, at: int) -> None:
        self.pinned.pop(self.versions[at].ref, None)
        with suppress(NotFoundError, ConflictError):
            self.world.hub.replicas.unpin(self.cache.volume_id, self.versions[at])

    @rule(at=versions)
    def evict(self, at: int) -> None:
        version = self.versions[at]
        for replica in self.cache.replicas():
            if replica.ref == version.ref:
                evicted = self.cache.evictor.evict(replica, "asked")
                if version in self.in_use():
                    assert evicted.error is not None, "IN-USE"

    @rule(hours=st.integers(1, 40))
    def sweep(self, hours: int) -> None:
        self.clock.pass_by(hours * 3600.0)
        for _, leased in self.leases:
            with suppress(ConflictError):
                self.world.hub.leases.renew(leased.lease.lease_id)
        gone = {evicted.ref for evicted in self.cache.sweep() if evicted.error is None}
        assert not gone & {version.ref for version in self.in_use()}, "IN-USE"

    @rule(key=st.sampled_from(sorted(OBJECTS)))
    def evict_what_the_lake_lost(self, key: str) -> None:
        """RECOVERABLE: with one object gone from the lake, no replica that holds it may go."""
        away = self.folder / "away"
        (self.world.lake / key).rename(away)
        try:
            for replica in self.cache.replicas():
                version = self.world.hub.catalog.resolve(replica.ref)
                if replica.state is ReplicaState.EVICTING and not is_complete(self.cache.path(version)):
                    continue  # it had gone before
                evicted = self.cache.evictor.evict(replica, "asked")
                if any(path.endswith(key) for path in self.paths(version)):
                    assert evicted.error is not None, f"RECOVERABLE: {version.ref}"
        finally:
            away.rename(self.world.lake / key)

    @rule(at=versions, number=effects, after=st.booleans(), evicting=st.booleans())
    def killed(self, at: int, number: int, after: bool, evicting: bool) -> None:
        """A process dies in the middle of a fill or an eviction; its hold runs out."""
        disk = MortalDisk(number, after=after)
        mortal = self.open(hub=Mortal(self.world.hub, disk), disk=disk)
        with suppress(Killed, CapacityError):
            if evicting:
                for replica in mortal.replicas():
                    mortal.evictor.evict(replica, "asked")
            else:
                mortal.warm(self.versions[at], holder())
        self.clock.pass_by(60.0)

    @rule(at=versions, number=effects, code=st.sampled_from((errno.ENOSPC, errno.EIO)))
    def disk_refuses(self, at: int, number: int, code: int) -> None:
        disk = FailingDisk(lambda name, count: code if count >= number and name != "unlink" else 0)
        with no_room_is_fine("disk-full", "disk-failing", "volume-unstable", "volume-down"):
            self.open(disk=disk).warm(self.versions[at], holder())
        # The disk is well again, as the next one who wants something there sees.
        self.cache.require(Act.FILL)

    @rule(at=versions, pick=st.integers(0, 20))
    def damage(self, at: int, pick: int) -> None:
        """A bit flips; verify finds it, takes it out of use, and the next fill mends it."""
        tree = self.cache.path(self.versions[at])
        files = [tree / path for path in self.paths(self.versions[at])]
        files = [file for file in files if file.exists() and file.stat().st_size]
        if self.versions[at] not in self.ready() or not files:
            return
        victim = files[pick % len(files)]
        victim.chmod(0o644)
        with victim.open("r+b") as file:
            file.write(b"\xff")
        victim.chmod(0o444)
        _, marked = self.cache.verify([self.versions[at]], self.folder / "memo", force=True)
        assert self.versions[at].ref in {replica.ref for replica in marked}

    @rule()
    def recover(self) -> None:
        recovered = self.cache.recover(force=True)
        assert not recovered.stuck
        assert not [item for item in recovered.failed if item[1].kind not in {"in-use", "pinned"}]
        again = self.cache.recover()
        assert not again.repairs.brake, "CRASH: a recovered volume needs no more"
        assert_account(self.world.hub, self.cache)

    @rule()
    def lose_database(self) -> None:
        """The hub's database is gone; recover rebuilds what the volume itself says."""
        before = {version.ref for version in self.ready()}
        for _, leased in self.leases:
            leased.close()
        self.leases, self.pinned = [], {}
        self.world.hub.close()
        for name in os.listdir(self.world.home):
            if name.startswith("hub.db"):
                (self.world.home / name).unlink()
        self.world = World(self.folder, clock=self.clock, terms=self.world.terms)
        self.cache = self.open()
        self.cache.recover(force=True)
        assert before <= {version.ref for version in self.ready()}, "CRASH: a replica was lost with the database"
        self.register_again()

    def register_again(self) -> None:
        for version in self.versions:
            try:
                self.world.hub.catalog.resolve(version.ref)
            except NotFoundError:
                if version.subset:
                    whole = self.world.hub.catalog.resolve(ref_of(version.dataset, version.number))
                    self.world.subset(whole, self.paths(version))
                    continue
                manifest = self.world.manifest({path: path.split("/")[1] for path in self.paths(version)})
                add_version(self.world.hub, version.dataset, manifest, self.world.lake_url, version.number)

    def paths(self, version: Version) -> list[str]:
        return self.known_paths[version.ref]

    def ready(self) -> list[Version]:
        ready = {replica.ref for replica in self.cache.replicas() if replica.state is ReplicaState.READY}
        return [version for version in self.versions if version.ref in ready]

    def in_use(self) -> list[Version]:
        """Leased or pinned versions; a lease that ended with a repair or a loss does not count."""
        live = {lease.lease_id for lease in self.world.hub.leases.live(self.cache.volume_id)}
        leased = [version for version, held in self.leases if held.lease.lease_id in live]
        return leased + list(self.pinned.values())

    @invariant()
    def IMMUTABLE(self) -> None:
        for ref, digest in self.digests.items():
            try:
                assert self.world.hub.catalog.resolve(ref).manifest_digest == digest, "IMMUTABLE"
            except NotFoundError:
                continue

    @invariant()
    def VERIFIED(self) -> None:
        for version in self.ready():
            tree = self.cache.path(version)
            files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
            expected = self.paths(version)
            assert {name for name in files if not name.startswith(".forebay/")} == set(expected), "VERIFIED"
            for path in expected:
                assert (tree / path).read_bytes() == OBJECTS[path.split("/")[1]], f"VERIFIED: {tree / path}"

    @invariant()
    def FITS(self) -> None:
        assert_FITS(self.world.hub, self.cache)

    @invariant()
    def CRASH(self) -> None:
        assert_CRASH(self.world.hub, self.cache)

    @invariant()
    def IN_USE(self) -> None:
        """What is leased or pinned is ready, or waits for its repair: its record never goes."""
        states = {replica.ref: replica.state for replica in self.cache.replicas()}
        for version in self.in_use():
            assert states.get(version.ref) not in (None, ReplicaState.EVICTING), f"IN-USE: {version.ref} has gone"


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=settings.default.max_examples // 10, stateful_step_count=25)  # type: ignore[union-attr]


@pytest.mark.soak
@pytest.mark.timeout(3600)
class TestCacheNightly(CacheMachine.TestCase):  # type: ignore[valid-type, misc]
    """The same for as long as the profile says: make soak takes the nightly one."""

    settings = settings(max_examples=settings.default.max_examples // 8, stateful_step_count=50)  # type: ignore[union-attr]
