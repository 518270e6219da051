"""What an earlier holder left: nothing is believed before it hashed, and what became blobs is known to the byte."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.cache.digests import Digests
from forebay.cache.incoming import Incoming, Leftover, held_bytes, placed_bytes
from forebay.cache.journal import Record
from forebay.cache.plan import Range
from forebay.digest import digest_bytes
from forebay.fsio import Disk

DATA = bytes(range(256)) * 20


def left_by(folder: Path, token: int, index: int, data: bytes, *records: tuple[int, int]) -> Incoming:
    """A dead holder that wrote `data` and journalled these ranges of DATA."""
    holder = Incoming(folder, token, Disk())
    holder.temp(index).write_bytes(data)
    for start, end in records:
        holder.journal.add(Record(index, start, end, digest_bytes(DATA[start:end])))
    holder.close()
    return holder


def left(holder: Incoming, size: int = len(DATA)) -> Leftover:
    """What was left of the first entry."""
    leftover = holder.leftovers([size]).get(0, size)
    assert leftover is not None
    return leftover


def test_a_whole_file_that_agrees_is_found_and_moves_over(tmp_path: Path) -> None:
    left_by(tmp_path, 1, 0, DATA, (0, 100), (0, len(DATA)))
    new = Incoming(tmp_path, 2, Disk())
    leftover = left(new)
    assert (leftover.digest, leftover.ranges) == (digest_bytes(DATA), (Range(0, len(DATA)),))
    assert new.take_whole(0, new.leftovers([len(DATA)]), len(DATA)) == digest_bytes(DATA)
    assert new.temp(0).read_bytes() == DATA
    new.close()
    third = Incoming(tmp_path, 3, Disk())
    assert left(third).path == new.temp(0)
    third.close()


def test_VERIFIED_bytes_that_changed_are_not_believed(tmp_path: Path) -> None:
    spoilt = DATA[:300] + b"\x00" + DATA[301:]
    left_by(tmp_path, 1, 0, spoilt, (0, 200), (0, 400), (500, 700), (0, len(DATA)))
    new = Incoming(tmp_path, 2, Disk())
    leftover = left(new)
    assert (leftover.digest, leftover.ranges) == (None, (Range(0, 200), Range(500, 700)))
    assert b"".join(leftover.read(500, 700)) == DATA[500:700]
    new.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5200), st.integers(0, 5200)).map(sorted), max_size=5), st.integers(0, 5200))
def test_VERIFIED_every_range_found_is_what_was_meant(tmp_path: Path, records: list[list[int]], held: int) -> None:
    folder = tmp_path / "fill"
    Disk().remove_tree(folder)
    left_by(folder, 1, 0, DATA[:held], *((start, end) for start, end in records))
    new = Incoming(folder, 2, Disk())
    leftover = new.leftovers([len(DATA)]).get(0, len(DATA))
    if leftover is not None:
        for item in leftover.ranges:
            assert b"".join(leftover.read(item.start, item.end)) == DATA[item.start : item.end]
            assert item.end <= held
    new.close()


def test_the_newest_holder_goes_first_and_strangers_are_ignored(tmp_path: Path) -> None:
    left_by(tmp_path, 1, 0, DATA, (0, len(DATA)))
    newer = left_by(tmp_path, 2, 0, DATA, (0, len(DATA)))
    left_by(tmp_path, 3, 9, DATA, (0, len(DATA)))
    new = Incoming(tmp_path, 4, Disk())
    found = new.leftovers([len(DATA)])
    servers_own = tmp_path / "1/0/.nfs0000000000000001"
    servers_own.write_bytes(b"removed while it was open")
    assert left(new).path == newer.temp(0)
    kept = new.drop_earlier(found)
    assert newer.temp(0).exists()
    assert not (tmp_path / "3/0/9").exists()
    assert not (tmp_path / "1/0/0").exists()
    assert not servers_own.exists()
    assert len(DATA) <= kept <= len(DATA) + 4 * 56
    new.close()


def test_FITS_temp_files_that_became_blobs_count_until_they_are_reported(tmp_path: Path) -> None:
    old = left_by(tmp_path, 1, 0, DATA, (0, len(DATA)))
    old.temp(1).write_bytes(b"12345")
    assert placed_bytes(tmp_path) == 0
    old.begin_placing([(0, len(DATA)), (1, 5)])
    assert placed_bytes(tmp_path) == 0
    old.temp(1).rename(tmp_path / "a blob")
    assert placed_bytes(tmp_path) == 5
    new = Incoming(tmp_path, 2, Disk())
    new.take_whole(0, new.leftovers([len(DATA), 5]), len(DATA))
    assert placed_bytes(tmp_path) == 5, "moved to a new holder is not placed"
    assert held_bytes(tmp_path) >= len(DATA)
    new.begin_placing([(0, len(DATA))])
    new.temp(0).rename(tmp_path / "another blob")
    assert placed_bytes(tmp_path) == 5 + len(DATA)
    new.close()


def test_FITS_an_older_holders_part_of_a_placed_file_changes_nothing(tmp_path: Path) -> None:
    left_by(tmp_path, 1, 0, DATA[:500], (0, 500))
    new = Incoming(tmp_path, 2, Disk())
    new.temp(0).write_bytes(DATA)
    new.begin_placing([(0, len(DATA))])
    assert placed_bytes(tmp_path) == 0
    new.temp(0).rename(tmp_path / "a blob")
    assert placed_bytes(tmp_path) == len(DATA)
    new.close()


def test_what_is_not_what_the_manifest_says_is_forgotten(tmp_path: Path) -> None:
    left_by(tmp_path, 1, 0, DATA, (0, len(DATA)))
    left_by(tmp_path, 2, 1, DATA, (0, len(DATA)))
    left_by(tmp_path, 3, 2, DATA, (0, len(DATA)))
    new = Incoming(tmp_path, 4, Disk())
    found = new.leftovers([len(DATA)] * 4)
    assert list(map(bool, found.whole)) == [True, True, True, False]
    known = Digests(4)
    known[0], known[1] = digest_bytes(b"another"), digest_bytes(DATA)
    found.drop_unlike(known)
    assert list(map(bool, found.whole)) == [False, True, True, False]
    new.drop_earlier(found)
    assert [path.exists() for path in (tmp_path / "1/0/0", tmp_path / "2/0/1", tmp_path / "3/0/2")] == [
        False,
        True,
        True,
    ]
    new.close()
