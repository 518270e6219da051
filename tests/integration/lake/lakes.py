"""Lakes to test with: an open store on each kind of server, and patience that never sleeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import obstore
import pytest

from forebay.clock import SystemClock
from forebay.errors import ForebayError
from forebay.lake.backoff import Backoff, Patience
from forebay.lake.etag import etag_of
from forebay.lake.fetch import fetch
from forebay.lake.look import look
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore, Manners
from forebay.testing.awkward import AwkwardOrigin

QUICK = Manners(connect_s=10.0, read_s=10.0, retries=2, first_delay_s=0.01)
# For a lake that hangs on purpose. On a busy machine one that does not may be taken for hanging, too.
IMPATIENT = Manners(connect_s=10.0, read_s=0.5, retries=2, first_delay_s=0.01)
SECRET = "hunter2-very-secret"


@dataclass(slots=True)
class Waits:
    """Counts the waits instead of waiting."""

    delays_s: list[float] = field(default_factory=list)

    def patience(self, attempts: int = 4) -> Patience:
        return Patience(
            backoff=Backoff(attempts=attempts), sleep=self.delays_s.append, chance=lambda: 0.0, clock=SystemClock()
        )


def fetched(lake: LakeStore, parts: Iterable[Part]) -> dict[str, bytes]:
    """The bytes of every part, by its key."""
    got: dict[str, bytes] = {}
    for part in parts:
        chunks: list[bytes] = []
        fetch(lake, part, chunks.append)
        got[part.key] = b"".join(chunks)
    return got


def open_awkward(origin: AwkwardOrigin, bucket: str = "lake", manners: Manners = QUICK) -> LakeStore:
    profile = {
        "endpoint": origin.url,
        "region": "us-east-1",
        "access_key_id": "anybody",
        "secret_access_key": SECRET,
        "session_token": SECRET,
    }
    return LakeStore.open(f"s3://{bucket}", profile, manners=manners)


def open_s3(endpoint: str, access_key_id: str, secret_access_key: str, bucket: str) -> LakeStore:
    profile = {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": access_key_id,
        "secret_access_key": secret_access_key,
    }
    return LakeStore.open(f"s3://{bucket}", profile)


def fill(store: LakeStore, objects: Mapping[str, bytes]) -> None:
    for key, body in objects.items():
        obstore.put(store.requests, key, body)


def whole(store: LakeStore, key: str, index: int = 0) -> Part:
    """The object as it is now, as a part."""
    meta = look(store, key)
    assert meta is not None
    return Part(
        index=index,
        key=key,
        etag=etag_of(meta),
        version_id=meta["version"] or "",
        start=0,
        end=meta["size"],
        object_size_bytes=meta["size"],
    )


def error_of(caught: pytest.ExceptionInfo[ForebayError]) -> ForebayError:
    """The error, after seeing that it tells no secret."""
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in repr(error)
        assert "X-Amz" not in repr(error)
        assert "Authorization" not in repr(error)
        error = error.__cause__ or error.__context__
    return caught.value
