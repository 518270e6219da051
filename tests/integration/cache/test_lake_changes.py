"""IMMUTABLE and VERIFIED: what the lake gives is not what was registered; the error names it and nothing is published.

The other objects' bytes are kept: the next try fetches only what did not come.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.client.commit import commit
from forebay.client.session import Session
from forebay.errors import ConflictError, DamagedError, ForebayError
from forebay.testing.awkward import AwkwardOrigin, ChangeEtag, FlipBit
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, assert_mended, assert_unpublished, contents

FILES = {f"part-{number}": bytes([number]) * 50_000 for number in range(5)}
BAD = "part-2"
SIZE = sum(map(len, FILES.values()))


@pytest.fixture
def stage(awkward_origin: AwkwardOrigin) -> Iterator[Stage]:
    with Stage(awkward_origin) as stage:
        yield stage


def _fails(session: Session, version: Version, category: type[ForebayError]) -> ForebayError:
    with pytest.raises(category) as caught:
        session.warm(version, "test")
    assert BAD in caught.value.message, "the error does not name the object"
    assert_unpublished(session, version)
    return caught.value


def _ledger_bytes(session: Session) -> int:
    """What the ledger says was read from the lake."""
    return sum(item.moved_bytes for item in session.hub.volumes.savings(session.cache.volume_id))


def _gets(stage: Stage) -> list[int]:
    return [stage.gets("clicks", name) for name in FILES]


@pytest.mark.parametrize("change", ["other bytes", "other length", "gone"])
def test_IMMUTABLE_an_object_that_changed_after_registration(stage: Stage, change: str) -> None:
    version = stage.add("clicks", FILES)
    session = stage.session()
    assert stage.origin is not None
    path = stage.object("clicks", BAD)
    match change:
        case "other bytes":
            stage.origin.put(path, b"x" * 50_000)
        case "other length":
            stage.origin.put(path, b"x" * 10)
        case _:
            stage.origin.remove(path)

    error = _fails(session, version, ConflictError)
    assert error.kind in {"object-changed", "object-vanished"}
    first = _gets(stage)

    # It stays an error as long as it is so, and what has come once is not asked for again.
    _fails(stage.session(), version, ConflictError)
    stage.put("clicks", BAD, FILES[BAD])
    warmed = stage.session().warm(version, "test")
    assert contents(warmed.path) == FILES
    assert warmed.moved_bytes == 50_000
    assert all(now == before for name, now, before in zip(FILES, _gets(stage), first, strict=True) if name != BAD)
    assert session.hub.catalog.resolve(version.ref).manifest_digest == version.manifest_digest
    assert_mended(session)


def test_a_fill_tells_of_each_object_that_failed(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    assert stage.origin is not None
    for name in FILES:
        stage.origin.remove(stage.object("clicks", name))
    with pytest.raises(ConflictError) as caught:
        stage.session().warm(version, "test")
    lines = [caught.value.message, *caught.value.besides]
    assert len(lines) == len(FILES) <= 5
    assert all(sum(name in line for line in lines) == 1 for name in FILES)


def test_IMMUTABLE_a_changed_object_is_a_new_version(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    stage.put("clicks", BAD, b"x" * 50_000)

    newer = stage.add("clicks", {})

    session = stage.session()
    assert newer.number == version.number + 1
    assert contents(session.warm(newer, "test").path) == FILES | {BAD: b"x" * 50_000}
    _fails(session, version, ConflictError)


def test_VERIFIED_an_etag_that_is_wrong_once_only_delays(stage: Stage) -> None:
    version = stage.add("clicks", FILES)
    assert stage.origin is not None
    stage.origin.misbehave(stage.object("clicks", BAD), ChangeEtag())
    session = stage.session()

    _fails(session, version, ConflictError)

    assert contents(session.warm(version, "test").path) == FILES


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
def test_VERIFIED_a_flipped_bit_where_the_digest_is_known(stage: Stage, lasting: bool) -> None:
    version = stage.add("clicks", FILES)
    learned = stage.session()
    learned.warm(version, "test")
    session = stage.session(volume=str(stage.root / "another"))
    assert stage.origin is not None
    before, sent_bytes = _gets(stage), stage.origin.sent_bytes()
    fault = FlipBit(at_byte=777)
    if not lasting:
        stage.origin.misbehave(stage.object("clicks", BAD), fault)
        assert contents(session.warm(version, "test").path) == FILES
        assert stage.gets("clicks", BAD) == before[2] + 2, "a bad body is fetched again"
        assert _ledger_bytes(session) == stage.origin.sent_bytes() - sent_bytes == SIZE + 50_000
        return
    stage.origin.misbehave(stage.object("clicks", BAD), always=fault)

    assert _fails(session, version, DamagedError).kind == "digest-mismatch"
    assert _ledger_bytes(session) == stage.origin.sent_bytes() - sent_bytes >= 3 * 50_000

    stage.origin.misbehave(stage.object("clicks", BAD))
    warmed = stage.session(volume=str(stage.root / "another")).warm(version, "test")
    assert contents(warmed.path) == FILES
    assert warmed.moved_bytes == 50_000
    others = [now - was for name, now, was in zip(FILES, _gets(stage), before, strict=True) if name != BAD]
    assert others == [1, 1, 1, 1]


def test_VERIFIED_a_flipped_bit_in_a_committed_version(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    with Stage() as stage:
        session = stage.session(lake=stage.lake.as_uri())
        version = commit(session, "features", folder, keep=False).version
        (stored,) = [path for path in stage.lake.rglob("*") if path.is_file() and path.read_bytes() == FILES[BAD]]
        facts = stored.stat()
        stored.chmod(0o644)
        stored.write_bytes(FILES[BAD][:-1] + b"\xff")

        with pytest.raises((DamagedError, ConflictError)) as caught:
            session.warm(version, "test")

        assert stored.name in caught.value.message
        assert_unpublished(session, version)
        stored.write_bytes(FILES[BAD])
        assert stored.stat().st_size == facts.st_size
        warmed = session.warm(version, "test")
        assert contents(warmed.path) == FILES
        assert warmed.moved_bytes == 50_000
        assert_mended(session)


def test_VERIFIED_what_another_volume_learned_holds_here(stage: Stage) -> None:
    """The lake swaps an object and keeps its etag: without a digest nobody could know, with one it is an error."""
    version = stage.add("clicks", FILES)
    stage.session().warm(version, "test")
    assert stage.origin is not None
    etag = stage.origin.find(stage.object("clicks", BAD))
    assert etag is not None
    stage.origin.put(stage.object("clicks", BAD), b"y" * 50_000, etag=etag.etag)
    session = stage.session(volume=str(stage.root / "another"))

    assert _fails(session, version, DamagedError).kind == "digest-mismatch"

    (replica,) = stage.session().cache.replicas()
    assert replica.state == "ready", "the other volume's copy is good"
