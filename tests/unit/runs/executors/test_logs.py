"""The log on a disk: it is read as it was written, also by who follows; a disk that refuses loses bytes and no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import DamagedError
from forebay.runs.executors.logs import LogWriter, make_log, read_log, whole_log

BOUND = 64 << 10


@given(st.lists(st.binary(min_size=1, max_size=9000), max_size=30), st.integers(1, 10_000))
def test_who_follows_gets_every_byte_that_is_still_there(
    tmp_path_factory: pytest.TempPathFactory, writes: list[bytes], step: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    written = b""
    writer, offset = LogWriter(folder, BOUND), 0
    for data in writes:
        writer.write(data)
        written += data
        while (part := read_log(folder, offset, step)).data:
            assert part.missing_bytes == 0, "it was read as it came"
            offset = part.next_offset
            assert written[part.offset : offset] == part.data
        assert offset == len(written)
    writer.close()
    late = read_log(folder)
    while late.data:
        assert written[late.offset : late.next_offset] == late.data
        late = read_log(folder, late.next_offset)
    assert late.offset == len(written)


def test_what_is_missing_is_said_in_between(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log", BOUND)
    for number in range(100_000):
        writer.write(b"%08d\n" % number)
    writer.close()
    text = b"".join(whole_log(tmp_path / "log"))
    kept = sum(path.stat().st_size for path in (tmp_path / "log").iterdir() if path.name.isdigit())
    assert kept <= BOUND
    assert f"\n... {900_000 - kept} bytes are missing here: the log is bounded ...\n".encode() in text
    assert text.startswith(b"00000000\n00000001\n")
    assert text.endswith(b"00099998\n00099999\n")


def test_a_log_that_is_not_there_is_empty_and_one_that_is_none_is_said(tmp_path: Path) -> None:
    assert read_log(tmp_path / "nowhere", 5).data == b""
    make_log(tmp_path / "log", BOUND)
    (tmp_path / "log" / "shape.json").chmod(0o644)
    (tmp_path / "log" / "shape.json").write_text("{}")
    with pytest.raises(DamagedError) as caught:
        read_log(tmp_path / "log")
    assert caught.value.kind == "log-damaged"


def test_a_disk_that_refuses_loses_bytes_and_no_more(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "log", BOUND)
    writer.write(b"before ")
    os.symlink("/dev/full", tmp_path / "log" / "00000001")
    writer.write(b"x" * (BOUND // 16))
    assert writer.lost_bytes == len(b"before ")
    (tmp_path / "log" / "00000001").unlink()
    writer.close()
    writer.write(b"after")
    writer.close()
    assert read_log(tmp_path / "log").data[:7] == b"before "
    assert (tmp_path / "log" / "00000001").read_bytes() == b"after"
