"""The core of the suite as tests on whatever FOREBAY_FAULTS_ROOT is on; collected where it is named, as in a guest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.checks import CHECKS
from tests.faults.stage import folder


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_core(check: Callable[[Path], None]) -> None:
    with folder("core") as root:
        check(root)
