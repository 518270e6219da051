"""Counting, adding up and looking up tens of millions of categories takes no more memory than a few millions do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.ctr import many_categories

pytestmark = pytest.mark.soak
_MB = 1 << 20


def peak_bytes(folder: Path, categories: int) -> int:
    """Private memory of a process at its highest: mapped files are the kernel's, which may drop them."""
    folder.mkdir()
    command = [sys.executable, many_categories.__file__, str(folder), str(categories)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(ended.stdout)
    assert found["entries"] == categories
    assert found["known"] == found["looked_up"]
    peak: int = found["peak_bytes"]
    return peak


@pytest.mark.timeout(3600)
def test_memory_does_not_follow_the_cardinality(tmp_path: Path) -> None:
    few = peak_bytes(tmp_path / "few", 5_000_000)
    many = peak_bytes(tmp_path / "many", 20_000_000)
    assert many < few + 100 * _MB
    assert many < 800 * _MB
