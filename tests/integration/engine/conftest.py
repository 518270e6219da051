"""A world in memory: these tests sync a lot, and a shared disk is slow at it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.fsio import Disk
from forebay.testing.cached.process import MEMORY


@pytest.fixture
def root() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="forebay-cache-", dir=MEMORY))
    yield folder
    assert not Disk().remove_tree(folder)
