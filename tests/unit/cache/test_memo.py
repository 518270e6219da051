"""The memo of hashed files: believed while nothing changed, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forebay.cache.memo import EXPIRES_SECONDS, Memo, fingerprint

NOW = 1_800_000_000.0


SEEN = (1, 2, 3, -4, 5)


def knows(path: Path, name: str, seen: tuple[int, int, int, int, int], now: float) -> bool:
    """Whether the memo knows a file; that of a folder of its own is left as it was."""
    return Memo(path).fresh(name, seen, now)


def test_a_file_is_known_until_it_changes_or_the_memo_is_old(tmp_path: Path) -> None:
    file, path = tmp_path / "file", tmp_path / "memo/clicks.parquet"
    file.write_bytes(b"data")
    seen = fingerprint(file)
    with Memo(path) as memo:
        assert not memo.fresh("file", seen, NOW)
        memo.remember("file", seen, NOW)
    assert knows(path, "file", seen, NOW + EXPIRES_SECONDS - 1)
    assert not knows(path, "file", seen, NOW + EXPIRES_SECONDS)
    assert not knows(path, "file", seen, NOW - 1), "a clock that was set back proves nothing"
    file.write_bytes(b"Data")
    os.utime(file, ns=(seen[3], seen[3]))
    assert not knows(path, "file", fingerprint(file), NOW), "the same size and mtime, another ctime"


def test_what_was_fresh_stays_with_its_age_and_what_was_not_leaves(tmp_path: Path) -> None:
    path = tmp_path / "memo.parquet"
    names = [f"{number:06}" for number in range(20_000)]
    with Memo(path) as memo:
        for name in names:
            memo.remember(name, SEEN, NOW)
    with Memo(path) as memo:
        assert all(memo.fresh(name, SEEN, NOW + 1) for name in names[1::2])
    with Memo(path) as memo:
        assert [memo.fresh(name, SEEN, NOW + EXPIRES_SECONDS - 1) for name in names] == [False, True] * 10_000
    assert not knows(path, names[1], SEEN, NOW + EXPIRES_SECONDS), "still of the day it was hashed"


def test_a_verification_that_broke_off_leaves_the_memo_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "memo.parquet"
    with Memo(path) as memo:
        memo.remember("file", SEEN, NOW)

    def break_off() -> None:
        with Memo(path) as memo:
            memo.remember("another", SEEN, NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert knows(path, "file", SEEN, NOW)
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_or_unwritable_memo_costs_only_time(tmp_path: Path) -> None:
    path = tmp_path / "memo.parquet"
    path.write_bytes(b"PAR1 is not enough")
    with Memo(path) as memo:
        assert not memo.fresh("file", SEEN, NOW)
        memo.remember("file", SEEN, NOW)
    assert knows(path, "file", SEEN, NOW)
    (tmp_path / "taken").write_bytes(b"")
    with Memo(tmp_path / "taken/memo.parquet") as blocked:
        blocked.remember("file", SEEN, NOW)


def test_a_symbolic_link_is_not_the_file_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "link").symlink_to("file")
    assert fingerprint(tmp_path / "link") != fingerprint(tmp_path / "file")
