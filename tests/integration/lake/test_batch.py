"""Many small objects at once: one bad object delays no other, and a lake that is away is not asked for ever."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from forebay.lake.batch import Batch, fetch_many
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore
from forebay.testing.awkward import AwkwardOrigin, Status
from tests.integration.lake.lakes import Waits, open_awkward, whole

pytestmark = pytest.mark.integration

BODIES = {f"{number:03d}": str(number).encode() * number for number in range(60)}


@pytest.fixture
def store(awkward_origin: AwkwardOrigin) -> LakeStore:
    for key, body in BODIES.items():
        awkward_origin.put(f"/lake/{key}", body)
    return open_awkward(awkward_origin)


@pytest.fixture
def parts(store: LakeStore) -> list[Part]:
    return [whole(store, key, index) for index, key in enumerate(BODIES)]


def fetch_all(store: LakeStore, parts: list[Part]) -> tuple[Batch, dict[str, bytes]]:
    got: dict[str, bytes] = {}
    batch = fetch_many(
        store, parts, lambda part, body: got.update({part.key: body}), concurrency=8, patience=Waits().patience()
    )
    return batch, got


def test_every_object_is_delivered_once(awkward_origin: AwkwardOrigin, store: LakeStore, parts: list[Part]) -> None:
    batch, got = fetch_all(store, parts)

    assert got == BODIES
    assert batch == Batch(fetched=60, failed=(), given_up=False)
    assert len(awkward_origin.seen(method="GET")) == 60


def test_one_bad_object_delays_no_other(awkward_origin: AwkwardOrigin, store: LakeStore, parts: list[Part]) -> None:
    awkward_origin.remove("/lake/003")
    awkward_origin.put("/lake/007", b"other")
    awkward_origin.misbehave("/lake/011", always=Status(500))

    batch, got = fetch_all(store, parts)

    assert set(BODIES) - set(got) == {"003", "007", "011"}
    assert {failed.part.key: failed.error.kind for failed in batch.failed} == {
        "003": "object-vanished",
        "007": "object-changed",
        "011": "lake-away",
    }
    assert not batch.given_up


def test_a_lake_that_is_away_is_given_up(awkward_origin: AwkwardOrigin, store: LakeStore, parts: list[Part]) -> None:
    for key in BODIES:
        awkward_origin.misbehave(f"/lake/{key}", always=Status(503))

    batch, got = fetch_all(store, parts)

    assert got == {}
    assert batch.given_up
    assert 8 <= len(batch.failed) < 24


def test_what_deliver_raises_ends_everything(store: LakeStore, parts: list[Part]) -> None:
    taken: list[Part] = []

    def endless() -> Iterator[Part]:
        for part in parts:
            taken.append(part)
            yield part

    def full_disk(part: Part, _body: bytes) -> None:
        if part.index == 5:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fetch_many(store, endless(), full_disk, concurrency=2)
    assert len(taken) < len(parts)


def test_cancelling_ends_everything(store: LakeStore, parts: list[Part]) -> None:
    got: list[int] = []

    with pytest.raises(CancelledError):
        fetch_many(
            store, parts, lambda part, _body: got.append(part.index), concurrency=2, cancelled=lambda: len(got) >= 10
        )

    assert 10 <= len(got) < 14
