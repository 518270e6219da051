"""Kernels compile also where numba finds no writable place for its cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import pytest

from forebay.ctr.jit import compiled

njit = numba.njit


def twice(x: int) -> int:
    return 2 * x


def test_without_a_writable_cache_it_compiles_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_cache(*functions: Any, **options: Any) -> Callable[..., Any]:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        compiler: Callable[..., Any] = njit(*functions, **options)
        return compiler

    monkeypatch.setattr(numba, "njit", refuse_cache)
    assert compiled(twice)(21) == 42
