"""Counting bytes on a volume while others rename what is counted; setting blocks aside."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from forebay.fsio import Disk, free_bytes, used_bytes_below


@pytest.mark.parametrize("names", [1, 2])
def test_a_file_that_is_renamed_ahead_of_the_walk_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: int
) -> None:
    roots, trash = tmp_path / "roots", tmp_path / "trash"
    roots.mkdir()
    trash.mkdir()
    (roots / "blob").write_bytes(b"x" * 1000)
    if names == 2:
        (roots / "tree").hardlink_to(roots / "blob")
    scandir = os.scandir

    def scan(path: str) -> Any:
        if Path(path) == trash and (roots / "blob").exists():
            (roots / "blob").rename(trash / "blob")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert used_bytes_below(roots, trash) == 1000


def test_a_file_that_the_disk_cannot_hold_is_refused_before_its_first_byte(tmp_path: Path) -> None:
    disk, path = Disk(), tmp_path / "file"
    descriptor = disk.create(path)
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            disk.preallocate(descriptor, 4 * free_bytes(tmp_path))
        assert (caught.value.errno, os.fstat(descriptor).st_blocks) == (errno.ENOSPC, 0)
        disk.preallocate(descriptor, 1 << 20)
        status = os.fstat(descriptor)
        assert (status.st_size, status.st_blocks * 512 >= 1 << 20) == (0, True)
    finally:
        disk.close(descriptor)
