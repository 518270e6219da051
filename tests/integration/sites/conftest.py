"""Two volumes of one hub, a lake that counts, and the first volume served by a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forebay.testing.awkward import AwkwardOrigin
from tests.integration.sites.pair import Pair


@pytest.fixture
def pair(awkward_origin: AwkwardOrigin) -> Iterator[Pair]:
    with Pair(awkward_origin) as made:
        yield made
