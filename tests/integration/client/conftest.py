"""A stage for these tests, in a folder of their own: with a lake of files, or with one that counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forebay.testing.awkward import AwkwardOrigin
from tests.integration.cache.stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture
def counted(awkward_origin: AwkwardOrigin) -> Iterator[Stage]:
    with Stage(awkward_origin) as made:
        yield made
