"""Where the faults happen: a fresh folder in memory, or below FOREBAY_FAULTS_ROOT.

The same suite runs on any file system: mount it, and name a folder of it in FOREBAY_FAULTS_ROOT.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.fsio import Disk
from tests.faults.stage import STAGE


@pytest.fixture
def root() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="forebay-faults-", dir=STAGE))
    yield folder
    # On NFS: what somebody who died within this very process has open still keeps such a name until the process ends.
    assert all(path.name.startswith(".nfs") for path in Disk().remove_tree(folder))
