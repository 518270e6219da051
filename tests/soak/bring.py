"""Parts that only the soak needs: missing, they skip loudly, and fail in CI, like the servers of the other tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from forebay.testing.servers import PartMissingError
from tests.conftest import IN_CI, MISSING_PART


@contextlib.contextmanager
def brought() -> Iterator[None]:
    try:
        yield
    except PartMissingError as missing:
        reason = f"{MISSING_PART}{missing.message}. {missing.todo}"
        if IN_CI:
            pytest.fail(reason)
        pytest.skip(reason)
