"""A forebay of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program


@pytest.fixture
def forebay(tmp_path: Path) -> Program:
    """forebay with an empty home."""
    return Program(tmp_path)


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """A lake folder with three objects of 1,000, 2,000 and 3,000 bytes."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(3):
        (folder / f"day_{number}").write_bytes(bytes([number]) * 1000 * (number + 1))
    return folder
