"""Every way in which an origin misbehaves, met by `fetch`: the sink gets the right bytes once, or there is an error."""

from __future__ import annotations

import os
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest

from forebay.errors import ConflictError, DamagedError, ForebayError, InputError, NotAllowedError, UnavailableError
from forebay.lake.fetch import CHUNK_BYTES, fetch
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore
from forebay.testing.awkward import (
    AwkwardOrigin,
    ChangeEtag,
    Hold,
    IgnoreCondition,
    IgnoreRange,
    Lengthen,
    Reset,
    Shorten,
    Status,
    Truncate,
)
from tests.integration.lake.lakes import IMPATIENT, Waits, error_of, open_awkward, whole

pytestmark = pytest.mark.integration

BODY = os.urandom(5 * CHUNK_BYTES + 77)
KEY = "day_0"
PATH = f"/lake/{KEY}"


@pytest.fixture
def store(awkward_origin: AwkwardOrigin) -> LakeStore:
    awkward_origin.put(PATH, BODY)
    return open_awkward(awkward_origin)


def get(store: LakeStore, part: Part, waits: Waits | None = None) -> bytes:
    received = bytearray()
    fetch(store, part, received.extend, patience=(waits or Waits()).patience())
    return bytes(received)


def refused(store: LakeStore, part: Part, category: type[ForebayError]) -> tuple[ForebayError, bytes]:
    received = bytearray()
    with pytest.raises(category) as caught:
        fetch(store, part, received.extend, patience=Waits().patience())
    error = error_of(caught)
    assert f"s3://lake/{KEY}" in error.message
    assert error.todo
    return error, bytes(received)


def test_the_bytes_come_once_and_in_order(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    assert get(store, whole(store, KEY)) == BODY
    (seen,) = awkward_origin.seen(PATH, method="GET")
    assert (seen.range, seen.status) == (None, 200)
    assert seen.if_match is not None


def test_a_range_of_an_object(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = replace(whole(store, KEY), start=CHUNK_BYTES, end=2 * CHUNK_BYTES + 5)

    assert get(store, part) == BODY[part.start : part.end]
    assert awkward_origin.sent_bytes(PATH) == part.size_bytes


def test_an_object_of_zero_bytes(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    awkward_origin.put(PATH, b"")

    assert get(store, whole(store, KEY)) == b""
    assert awkward_origin.seen(PATH, method="GET")


def test_a_break_in_mid_object_is_resumed_where_it_was(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, Truncate(after_bytes=3 * CHUNK_BYTES), Truncate(after_bytes=CHUNK_BYTES))

    assert get(store, part) == BODY
    first, second, third = awkward_origin.seen(PATH, method="GET")
    assert first.range is None
    assert second.range is not None
    assert third.range is not None
    assert {first.if_match, second.if_match, third.if_match} == {part.etag}
    assert awkward_origin.sent_bytes(PATH) < 2 * len(BODY)


def test_the_sink_sees_nothing_of_a_break(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    waits = Waits()
    awkward_origin.misbehave(PATH, Reset(after_bytes=2 * CHUNK_BYTES), Reset(after_bytes=2 * CHUNK_BYTES))

    assert get(store, part, waits) == BODY
    assert len(waits.delays_s) == 2


def test_the_sink_sees_nothing_of_a_lake_that_hangs(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    waits = Waits()
    awkward_origin.misbehave(PATH, Hold(after_bytes=2 * CHUNK_BYTES), Hold(after_bytes=2 * CHUNK_BYTES))

    assert get(open_awkward(awkward_origin, manners=IMPATIENT), part, waits) == BODY
    assert len(waits.delays_s) >= 2


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_status_that_passes_is_retried(awkward_origin: AwkwardOrigin, store: LakeStore, code: int) -> None:
    part = whole(store, KEY)
    waits = Waits()
    awkward_origin.misbehave(PATH, Status(code), Status(code))

    assert get(store, part, waits) == BODY
    assert len(waits.delays_s) == 2
    assert min(waits.delays_s) >= (1.0 if code in (429, 503) else 0.0)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_status_that_stays_names_object_status_and_tries(
    awkward_origin: AwkwardOrigin, store: LakeStore, code: int
) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Status(code))

    error, received = refused(store, part, UnavailableError)

    assert error.kind == "lake-away"
    assert f"status {code}" in error.message
    assert "4 tries" in error.message
    assert received == b""
    assert len(awkward_origin.seen(PATH, method="GET")) == 4


def test_timeout_before_any_answer(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Hold())

    error, _ = refused(open_awkward(awkward_origin, manners=IMPATIENT), part, UnavailableError)

    assert error.kind == "lake-away"
    assert "in time" in error.message


def test_reset_that_stays(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Reset())

    error, _ = refused(store, part, UnavailableError)

    assert error.kind in ("lake-away", "truncated")


def test_truncated_body_that_stays(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Truncate(after_bytes=1000))

    error, received = refused(store, part, UnavailableError)

    assert error.kind == "truncated"
    assert BODY.startswith(received)


def test_a_slow_lake_that_always_breaks_off_is_still_read_to_its_end(
    awkward_origin: AwkwardOrigin, store: LakeStore
) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Truncate(after_bytes=CHUNK_BYTES + CHUNK_BYTES // 2))

    assert get(store, part) == BODY


def test_shorter_body_with_the_same_etag(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Shorten(missing_bytes=10))

    error, received = refused(store, part, DamagedError)

    assert error.kind == "length-mismatch"
    assert received == b""


def test_over_long_body(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Lengthen(extra_bytes=10))

    error, received = refused(store, part, DamagedError)

    assert error.kind == "length-mismatch"
    assert received == b""


def test_object_changed_after_registration(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.put(PATH, os.urandom(len(BODY)))

    error, received = refused(store, part, ConflictError)

    assert error.kind == "object-changed"
    assert "egister a new version" in error.todo
    assert received == b""


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"x"], ids=["shorter", "longer"])
def test_object_changed_in_size_where_no_etag_is_known(
    awkward_origin: AwkwardOrigin, store: LakeStore, body: bytes
) -> None:
    part = replace(whole(store, KEY), etag="")
    awkward_origin.put(PATH, body)

    assert refused(store, part, ConflictError)[0].kind == "object-changed"


def test_object_changed_on_a_lake_that_ignores_conditions(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.put(PATH, os.urandom(len(BODY)))
    awkward_origin.misbehave(PATH, always=IgnoreCondition())

    error, received = refused(store, part, ConflictError)

    assert error.kind == "object-changed"
    assert received == b""


def test_object_changed_between_two_answers(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = replace(whole(store, KEY), etag="")
    awkward_origin.misbehave(PATH, Truncate(after_bytes=2 * CHUNK_BYTES), ChangeEtag())

    error, received = refused(store, part, ConflictError)

    assert error.kind == "object-changed"
    assert BODY.startswith(received)


def test_object_vanished_after_registration(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.remove(PATH)

    error, _ = refused(store, part, ConflictError)

    assert error.kind == "object-vanished"
    assert "status 404" in error.message


@pytest.mark.parametrize("code", [401, 403])
def test_denied_is_not_retried(awkward_origin: AwkwardOrigin, store: LakeStore, code: int) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Status(code))

    error, _ = refused(store, part, NotAllowedError)

    assert error.kind == "lake-denied"
    assert len(awkward_origin.seen(PATH, method="GET")) == 1


def test_range_ignored_on_resume_skips_what_came_before(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, Truncate(after_bytes=2 * CHUNK_BYTES), always=IgnoreRange())

    assert get(store, part) == BODY


def test_range_ignored_for_a_part_names_the_object(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = replace(whole(store, KEY), start=CHUNK_BYTES)
    awkward_origin.misbehave(PATH, always=IgnoreRange())

    error, received = refused(store, part, InputError)

    assert error.kind == "range-ignored"
    assert received == b""


def test_what_the_sink_raises_comes_through(store: LakeStore) -> None:
    def full_disk(_chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fetch(store, whole(store, KEY), full_disk, patience=Waits().patience())


def test_cancelling_stops_within_a_chunk(store: LakeStore) -> None:
    received = bytearray()

    with pytest.raises(CancelledError):
        fetch(store, whole(store, KEY), received.extend, cancelled=lambda: len(received) > CHUNK_BYTES)

    assert len(received) < len(BODY)


def test_cancelling_ends_the_waiting_between_tries(awkward_origin: AwkwardOrigin, store: LakeStore) -> None:
    part = whole(store, KEY)
    awkward_origin.misbehave(PATH, always=Status(500))
    waits = Waits()

    with pytest.raises(CancelledError):
        fetch(store, part, bytes, cancelled=lambda: len(waits.delays_s) == 1, patience=waits.patience())

    assert len(awkward_origin.seen(PATH, method="GET")) == 1
