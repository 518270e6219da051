"""How a forest's work is dealt out."""

from __future__ import annotations

from forebay.ctr.models.forest_cuda import shared


def test_trees_are_shared_out_among_workers() -> None:
    assert shared(10, 3) == [4, 3, 3]
    assert shared(2, 3) == [1, 1, 0]
