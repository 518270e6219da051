"""A fill's journal: every whole record comes back, a torn one does not."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.cache.journal import (
    RECORD_BYTES,
    Journal,
    JournalFollowed,
    Record,
    read_journal,
    read_placing,
    write_placing,
)
from forebay.fsio import Disk

numbers = st.integers(0, 2**40)
records = st.builds(
    lambda index, start, size, digest: Record(index, start, start + size, digest),
    numbers,
    numbers,
    numbers,
    st.binary(min_size=32, max_size=32),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, max_size=5), st.integers(0, 5 * RECORD_BYTES))
def test_what_was_written_whole_is_read_back(tmp_path: Path, written: list[Record], cut: int) -> None:
    path = tmp_path / "journal"
    path.unlink(missing_ok=True)
    journal = Journal(path, Disk())
    for record in written:
        journal.add(record)
    journal.close()
    assert list(read_journal(path)) == written
    with path.open("r+b") as file:
        file.truncate(min(cut, path.stat().st_size))
    assert list(read_journal(path)) == written[: cut // RECORD_BYTES]


def test_absent_files_hold_nothing(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path / "none")) == []
    assert list(read_placing(tmp_path / "none")) == []


def test_what_is_about_to_be_placed_is_read_back(tmp_path: Path) -> None:
    write_placing(tmp_path / "placing", [(0, 10), (7, 0)], Disk())
    assert list(read_placing(tmp_path / "placing")) == [(0, 10), (7, 0)]


def test_more_rows_than_are_read_at_once(tmp_path: Path) -> None:
    rows = [(index, index * 3) for index in range(10_000)]
    write_placing(tmp_path / "placing", rows, Disk())
    assert list(read_placing(tmp_path / "placing")) == rows


def test_a_reader_follows_whole_files_as_they_are_written(tmp_path: Path) -> None:
    path, digests = tmp_path / "journal", [bytes([number]) * 32 for number in range(9)]
    followed = JournalFollowed(path, entries=4)
    assert followed.whole(0, 10) is None, "the holder has not begun"
    journal = Journal(path, Disk())
    journal.add(Record(0, 0, 6, digests[0]))
    journal.add(Record(2, 4, 10, digests[1]))
    assert followed.whole(0, 10) is None, "only a part of it is here"
    assert followed.whole(2, 10) is None
    journal.add(Record(0, 0, 10, digests[2]))
    journal.add(Record(3, 0, 0, digests[3]))
    journal.add(Record(2**40, 0, 10, digests[4]))
    assert followed.whole(0, 10) == digests[2]
    assert followed.whole(3, 0) == digests[3]
    assert followed.whole(1, 10) is None
    journal.close()


def test_a_reader_waits_for_the_rest_of_a_torn_record(tmp_path: Path) -> None:
    path, digest = tmp_path / "journal", bytes(range(32))
    journal = Journal(path, Disk())
    journal.add(Record(1, 0, 5, bytes(32)))
    journal.add(Record(0, 0, 5, digest))
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    followed = JournalFollowed(path, entries=2)
    assert followed.whole(0, 5) is None
    assert followed.whole(1, 5) == bytes(32)
    path.write_bytes(whole)
    assert followed.whole(0, 5) == digest
