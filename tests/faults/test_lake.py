"""A lake that misbehaves while a replica is filled: the right bytes come, or an error that names the object; never a
wrong `ready`. When the lake is well again, the next fill succeeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forebay.cache.engine import Cache
from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ForebayError
from forebay.lake.backoff import Backoff
from forebay.lake.stores import LakeStore, Manners
from forebay.testing.awkward import (
    AwkwardOrigin,
    ChangeEtag,
    Fault,
    FlipBit,
    Hold,
    IgnoreCondition,
    IgnoreRange,
    Lengthen,
    Reset,
    Shorten,
    Status,
    Truncate,
)
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_CRASH, assert_FITS, assert_VERIFIED
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.faults.stage import judge

MIB = 1 << 20
BODIES = {"a": b"a" * 3000, "big": bytes(range(256)) * (3 * MIB // 256), "z": b"z" * 10}
PATH = "/lake/big"

FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "hangs": (Hold(after_bytes=1000), {"truncated", "lake-away"}),
    "hangs before any answer": (Hold(), {"lake-away"}),
    "resets": (Reset(after_bytes=1000), {"truncated", "lake-away"}),
    "truncates": (Truncate(after_bytes=1005), {"truncated"}),
    "tells a shorter length": (Shorten(missing_bytes=7), {"length-mismatch", "object-changed"}),
    "tells a longer length": (Lengthen(extra_bytes=7), {"length-mismatch", "object-changed"}),
    "throttles": (Status(503, retry_after_s=1), {"lake-away"}),
    "has another etag": (ChangeEtag(), {"object-changed"}),
    "denies": (Status(403), {"lake-denied"}),
    "has lost it": (Status(404), {"object-vanished"}),
}
PASSING = {"hangs", "hangs before any answer", "resets", "truncates", "throttles"}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Backoff.delay_s

    def shorter(self: Backoff, **given: Any) -> float | None:
        delay_s = real(self, **given)
        return None if delay_s is None else delay_s / 200

    monkeypatch.setattr(Backoff, "delay_s", shorter)


class Lake:
    """A world whose lake is an origin."""

    def __init__(self, root: Path, origin: AwkwardOrigin) -> None:
        self.origin = origin
        self.world = World(root)
        etags = {name: origin.put(f"/lake/{name}", body) for name, body in BODIES.items()}
        entries = [Entry(path=name, size_bytes=len(body), etag=etags[name]) for name, body in BODIES.items()]
        self.version: Version = add_version(
            self.world.hub, "clicks", Manifest.registered(entries), f"{origin.url}/lake"
        )

    def cache(self) -> Cache:
        def impatient(version: Version) -> LakeStore:
            return LakeStore.open(version.lake_url, manners=Manners(read_s=0.5, retries=1, first_delay_s=0.01))

        return self.world.cache(open_lake=impatient, confirm_lake=lambda version: None)

    def fill(self) -> None:
        tree = self.cache().warm(self.version, holder()).path
        assert {name: (tree / name).read_bytes() for name in BODIES} == BODIES, "VERIFIED"

    def refused(self, kinds: set[str]) -> None:
        with pytest.raises(ForebayError) as caught:
            self.fill()
        assert caught.value.kind in kinds
        assert "big" in caught.value.message
        cache = self.cache()
        assert not [item for item in cache.replicas() if item.state is ReplicaState.READY], "VERIFIED: a wrong ready"
        assert not cache.path(self.version).exists(), "CRASH"
        for check in (assert_VERIFIED, assert_FITS, assert_CRASH):
            check(self.world.hub, cache)

    def well_again(self) -> None:
        self.origin.misbehave(PATH)
        self.origin.misbehave(PATH, method="HEAD")
        self.fill()
        judge(self.world, [self.version], recover=True)


@pytest.fixture
def lake(root: Path, awkward_origin: AwkwardOrigin) -> Iterator[Lake]:
    made = Lake(root, awkward_origin)
    yield made
    made.world.hub.close()


@pytest.mark.parametrize("name", FAULTS)
def test_VERIFIED_a_lake_that_always(lake: Lake, name: str) -> None:
    fault, kinds = FAULTS[name]
    lake.origin.misbehave(PATH, always=fault)
    if name == "has lost it":
        lake.origin.misbehave(PATH, always=fault, method="HEAD")
    lake.refused(kinds)
    lake.well_again()


@pytest.mark.parametrize("name", sorted(PASSING))
def test_VERIFIED_a_lake_that_once(lake: Lake, name: str) -> None:
    lake.origin.misbehave(PATH, FAULTS[name][0], FAULTS[name][0])
    lake.fill()
    lake.well_again()


@pytest.mark.parametrize("broken", [0, MIB + 5])
def test_VERIFIED_a_lake_that_ignores_ranges(lake: Lake, broken: int) -> None:
    faults = [Truncate(after_bytes=broken)] if broken else []
    lake.origin.misbehave(PATH, *faults, always=IgnoreRange())
    lake.fill()
    lake.well_again()


def test_IMMUTABLE_an_object_replaced_between_two_ranges(lake: Lake) -> None:
    """The first answer ends early; before the rest is asked for, somebody puts other bytes of the same length."""
    lake.origin.misbehave(PATH, Truncate(after_bytes=2 * MIB), always=ChangeEtag('"another"'))
    lake.refused({"object-changed"})
    lake.origin.misbehave(PATH, Truncate(after_bytes=MIB), always=IgnoreCondition())
    lake.origin.put(PATH, BODIES["big"][::-1])
    lake.refused({"object-changed"})
    lake.origin.put(PATH, BODIES["big"])
    lake.well_again()


def test_VERIFIED_one_flipped_bit_on_every_later_fill(lake: Lake) -> None:
    lake.fill()
    cache = lake.cache()
    cache.evictor.evict(cache.replicas()[0], "asked")
    lake.origin.misbehave(PATH, always=FlipBit(at_byte=MIB))
    lake.refused({"digest-mismatch"})
    lake.origin.misbehave(PATH, FlipBit(at_byte=MIB))
    lake.fill()
    lake.well_again()


class PlainS3(Lake):
    """The same objects, through S3: there an etag is the object's MD5."""

    def __init__(self, root: Path, origin: AwkwardOrigin, etag: str | None = None) -> None:
        super().__init__(root, origin)
        etags = {name: origin.put(f"/lake/{name}", body, etag=etag) for name, body in BODIES.items()}
        entries = [Entry(path=name, size_bytes=len(body), etag=etags[name], key=name) for name, body in BODIES.items()]
        self.version = add_version(self.world.hub, "plain", Manifest.registered(entries), "s3://lake")

    def cache(self) -> Cache:
        keys = {"access_key_id": "anybody", "secret_access_key": "nobody", "region": "us-east-1"}
        profile = {"endpoint": self.origin.url, **keys}
        return self.world.cache(open_lake=lambda version: LakeStore.open(version.lake_url, profile))

    def reason(self) -> str:
        return self.cache().replicas()[0].reason


def test_VERIFIED_a_first_fill_checks_the_md5_that_the_lake_offers(root: Path, awkward_origin: AwkwardOrigin) -> None:
    lake = PlainS3(root, awkward_origin)
    awkward_origin.misbehave(PATH, FlipBit(at_byte=MIB))
    lake.fill()
    assert len(awkward_origin.seen(PATH, method="GET")) == 2, "the flipped bit was seen, and the object fetched again"
    assert "learned here" not in lake.reason()
    lake.well_again()


def test_VERIFIED_bytes_that_differ_each_time_are_damage(root: Path, awkward_origin: AwkwardOrigin) -> None:
    lake = PlainS3(root, awkward_origin)
    awkward_origin.misbehave(PATH, *(FlipBit(at_byte=at) for at in range(5)))
    lake.refused({"digest-mismatch"})
    lake.well_again()


@pytest.mark.parametrize(("etag", "files"), [('"0123-7"', 3), ('"0123456789abcdef0123456789abcdef"', 3)])
def test_VERIFIED_without_a_checksum_the_replica_says_so(
    root: Path, awkward_origin: AwkwardOrigin, etag: str, files: int
) -> None:
    """An upload in parts has no MD5, and under a customer's key the etag only looks like one."""
    lake = PlainS3(root, awkward_origin, etag)
    lake.fill()
    assert f"digest learned here for {files} of its files" in lake.reason()
    judge(lake.world, [], recover=True)
