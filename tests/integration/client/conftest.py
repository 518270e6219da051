"""Stages for these tests, each in a folder of its own: with a lake of files, or with one that counts; and a world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forebay.testing.awkward import AwkwardOrigin
from tests.integration.cache.stage import Stage
from tests.integration.engine.conftest import root

__all__ = ["root"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture
def counted(awkward_origin: AwkwardOrigin) -> Iterator[Stage]:
    with Stage(awkward_origin) as made:
        yield made
