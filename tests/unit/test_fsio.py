"""Counting bytes on a volume while others rename what is counted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from forebay.fsio import used_bytes_below


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
