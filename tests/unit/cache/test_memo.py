"""The memo of hashed files: believed while nothing changed, and not for ever."""

from __future__ import annotations

import os
from pathlib import Path

from forebay.cache.memo import EXPIRES_SECONDS, Memo, fingerprint

NOW = 1_800_000_000.0


def test_a_file_is_known_until_it_changes_or_the_memo_is_old(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    memo = Memo(tmp_path / "memo/clicks.parquet")
    seen = fingerprint(file)
    assert not memo.fresh("file", seen, NOW)
    memo.remember("file", seen, NOW)
    memo.save()
    again = Memo(tmp_path / "memo/clicks.parquet")
    assert again.fresh("file", seen, NOW + EXPIRES_SECONDS - 1)
    assert not again.fresh("file", seen, NOW + EXPIRES_SECONDS)
    assert not again.fresh("file", seen, NOW - 1), "a clock that was set back proves nothing"
    file.write_bytes(b"Data")
    os.utime(file, ns=(seen[3], seen[3]))
    assert not again.fresh("file", fingerprint(file), NOW), "the same size and mtime, another ctime"
    again.forget("file")
    assert not again.fresh("file", seen, NOW)


def test_a_damaged_or_unwritable_memo_costs_only_time(tmp_path: Path) -> None:
    path = tmp_path / "memo.parquet"
    path.write_bytes(b"PAR1 is not enough")
    memo = Memo(path)
    memo.remember("file", (1, 2, 3, -4, 5), NOW)
    memo.save()
    assert Memo(path).fresh("file", (1, 2, 3, -4, 5), NOW)
    (tmp_path / "taken").write_bytes(b"")
    blocked = Memo(tmp_path / "taken/memo.parquet")
    blocked.remember("file", (1, 2, 3, 4, 5), NOW)
    blocked.save()


def test_a_symbolic_link_is_not_the_file_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    (tmp_path / "link").symlink_to("file")
    assert fingerprint(tmp_path / "link") != fingerprint(tmp_path / "file")
