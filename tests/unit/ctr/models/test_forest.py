"""What a forest is told."""

from __future__ import annotations

from forebay.ctr.models.forest import parameters
from forebay.ctr.models.forest_cuda import shared
from forebay.ctr.models.options import TR4904


def test_trees_are_shared_out_among_workers() -> None:
    assert shared(10, 3) == [4, 3, 3]
    assert shared(2, 3) == [1, 1, 0]


def test_each_node_sees_the_square_root_of_the_columns() -> None:
    told = parameters(TR4904, 13, 0.03)
    assert int(told["colsample_bynode"] * 13) == 3
    assert (told["num_parallel_tree"], told["max_depth"], told["max_bin"]) == (10, 10, 16)
    assert parameters(TR4904, 1, 0.03)["colsample_bynode"] == 1.0
