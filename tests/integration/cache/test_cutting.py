"""What one stream has left is shared when another has nothing to do; the file is whole and right all the same."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from forebay.cache import pace
from forebay.cache.digests import Digests
from forebay.cache.incoming import Incoming
from forebay.cache.journal import NAME, read_journal
from forebay.cache.line import Line
from forebay.cache.meter import Meter
from forebay.cache.plan import Missing, Range
from forebay.cache.transfer import Transfer, Wanted
from forebay.digest import digest_bytes
from forebay.fsio import Disk
from forebay.lake.look import look
from forebay.lake.stores import LakeStore
from forebay.testing.awkward import AwkwardOrigin, IgnoreRange
from tests.integration.lake.lakes import open_awkward

MIB = 1 << 20
BODY = os.urandom(8 * MIB)
KEY = "day_0"

pytestmark = pytest.mark.integration


class _SlowStart(Disk):
    """The first stream to write waits until another one writes, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.writers: set[int] = set()
        self._two = threading.Event()

    def write_at(self, descriptor: int, data: bytes, offset: int) -> None:  # type: ignore[override]
        with self._lock:
            self.writers.add(threading.get_ident())
            if len(self.writers) > 1:
                self._two.set()
        assert self._two.wait(timeout=60), "nobody took a part of what was left"
        super().write_at(descriptor, data, offset)


@pytest.fixture(autouse=True)
def _small_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LEAST_CUT_BYTES", MIB)


def _moved(
    store: LakeStore, folder: Path, disk: Disk, *, streams: int = 2, named: bool = True
) -> tuple[bytes, Digests, Meter]:
    meta = look(store, KEY)
    assert meta is not None
    wanted = Wanted(
        missing=Missing(index=0, kept=(), gaps=(Range(0, len(BODY)),)),
        key=KEY,
        etag=(meta["e_tag"] or "") if named else "",
        version_id="",
        size_bytes=len(BODY),
        digest=None,
        leftover=None,
    )
    incoming, meter, digests = Incoming(folder, 1, disk), Meter(), Digests(1)
    line = Line([wanted], entries=1, entry_of=lambda item: item.missing.index, find=lambda entry: wanted)
    transfer = Transfer(
        store,
        line,
        incoming,
        disk,
        meter,
        piece_bytes=len(BODY),
        streams=streams,
        still_held=lambda: None,
        digests=digests,
    )
    try:
        transfer.run()
    finally:
        incoming.close()
    return incoming.temp(0).read_bytes(), digests, meter


def test_an_idle_stream_takes_half_of_what_another_has_left(awkward_origin: AwkwardOrigin, tmp_path: Path) -> None:
    awkward_origin.put(f"/lake/{KEY}", BODY)
    disk = _SlowStart()
    moved, digests, meter = _moved(open_awkward(awkward_origin), tmp_path / "fill", disk)
    assert len(disk.writers) == 2
    assert awkward_origin.sent_bytes(f"/lake/{KEY}") == len(BODY), "nothing was sent for nothing"
    assert moved == BODY
    assert digests[0] == digest_bytes(BODY)
    assert (meter.progress.moved_bytes, meter.progress.moved_files) == (len(BODY), 1)
    for record in read_journal(tmp_path / "fill" / "1" / NAME):
        assert record.digest == digest_bytes(BODY[record.start : record.end])


def test_a_lake_that_ignores_ranges_still_gives_the_cut_off_half(awkward_origin: AwkwardOrigin, tmp_path: Path) -> None:
    awkward_origin.put(f"/lake/{KEY}", BODY)
    awkward_origin.misbehave(f"/lake/{KEY}", always=IgnoreRange())
    moved, digests, _ = _moved(open_awkward(awkward_origin), tmp_path / "fill", _SlowStart())
    assert moved == BODY
    assert digests[0] == digest_bytes(BODY)


def test_with_one_stream_nothing_is_cut(awkward_origin: AwkwardOrigin, tmp_path: Path) -> None:
    awkward_origin.put(f"/lake/{KEY}", BODY)
    moved, _, _ = _moved(open_awkward(awkward_origin), tmp_path / "fill", Disk(), streams=1)
    assert moved == BODY
    assert [seen.range for seen in awkward_origin.seen(f"/lake/{KEY}", method="GET")] == [None]


def test_many_streams_take_from_one_object_and_no_byte_comes_twice(
    awkward_origin: AwkwardOrigin, tmp_path: Path
) -> None:
    awkward_origin.put(f"/lake/{KEY}", BODY)
    moved, digests, _ = _moved(open_awkward(awkward_origin), tmp_path / "fill", _SlowStart(), streams=8)
    assert moved == BODY
    assert digests[0] == digest_bytes(BODY)
    asked = awkward_origin.seen(f"/lake/{KEY}", method="GET")
    assert len(asked) > 2
    assert all(seen.range and seen.if_match for seen in asked), "each is about the registered object"
    assert sum(seen.sent_bytes for seen in asked) == len(BODY)


def test_an_object_without_a_name_is_asked_for_once(awkward_origin: AwkwardOrigin, tmp_path: Path) -> None:
    """Two requests could be answered from two objects, and nobody would know."""
    awkward_origin.put(f"/lake/{KEY}", BODY)
    moved, _, _ = _moved(open_awkward(awkward_origin), tmp_path / "fill", Disk(), named=False)
    assert moved == BODY
    assert [seen.range for seen in awkward_origin.seen(f"/lake/{KEY}", method="GET")] == [None]
