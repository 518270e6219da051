"""Cuts lie midway between the values that they part, and part the train rows as before."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.models.margins import Cuts, cuts_of, highest_below, merged, move


def _tree(*nodes: tuple[int, float, int]) -> dict[str, Any]:
    """Of (feature, cut or leaf's value, left child) each, as XGBoost tells one."""
    features, cuts, lefts = zip(*nodes, strict=True)
    return {"split_indices": list(features), "split_conditions": list(cuts), "left_children": list(lefts)}


def test_cuts_are_those_of_the_inner_nodes() -> None:
    trees = [_tree((1, 0.5, 1), (0, 7.0, -1), (0, 2.0, 3), (1, 9.0, -1), (1, 0.1, -1)), _tree((1, 0.25, 1))]
    assert {key: values.tolist() for key, values in cuts_of(trees).items()} == {0: [2.0], 1: [0.25, 0.5]}


def test_a_cut_moves_midway() -> None:
    tree = _tree((0, 4.0, 1), (0, 8.0, 3), (0, 0.5, -1), (0, 1.0, 5), (0, 2.5, 7))
    cuts = cuts_of([tree])
    matrix = np.array([[1.0], [2.0], [4.0], [9.0], [np.nan]], np.float32)
    move([tree], cuts, merged([highest_below(cuts, matrix[:2]), highest_below(cuts, matrix[2:])]))
    # No row lies between 2.5 and 4, so 2 is below both. None is below 1, which stays.
    assert tree["split_conditions"] == [3.0, 6.0, 0.5, 1.0, 2.25]


def test_no_cut_moves_where_floats_have_nothing_between() -> None:
    above = float(np.nextafter(np.float32(1.0), np.float32(2.0)))
    tree = _tree((0, above, 1))
    cuts = cuts_of([tree])
    move([tree], cuts, highest_below(cuts, np.array([[1.0], [above]], np.float32)))
    assert tree["split_conditions"] == [above]


@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    cuts=st.sets(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8),
)
def test_every_row_stays_on_its_side(values: list[float], cuts: set[float]) -> None:
    tree = _tree(*((0, cut, 1) for cut in sorted(cuts)))
    column = np.array(values, np.float32)
    before: Cuts = cuts_of([tree])
    move([tree], before, highest_below(before, column[:, None]))
    after = np.array(tree["split_conditions"], np.float32)
    assert ((column[:, None] < before[0]) == (column[:, None] < after)).all()
    assert (after <= before[0]).all()


def test_a_category_that_comes_a_little_rarer_stays_on_its_side() -> None:
    draw = np.random.default_rng(1)
    rate = draw.choice(np.array([0.02, 0.03, 0.05], np.float32), 4_000)
    matrix = np.column_stack([rate, draw.random(4_000, np.float32)])
    label = draw.random(4_000) < 8 * rate
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, xgboost.QuantileDMatrix(matrix, label), 5)
    model = json.loads(bytes(booster.save_raw(raw_format="json")))
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    cuts = cuts_of(trees)
    move(trees, cuts, highest_below(cuts, matrix))
    moved = xgboost.Booster(model_file=bytearray(json.dumps(model).encode()))
    assert (moved.inplace_predict(matrix) == booster.inplace_predict(matrix)).all()
    later = matrix.copy()
    later[:, 0] *= np.float32(0.995)
    assert (moved.inplace_predict(later) == booster.inplace_predict(matrix)).all()
    assert (booster.inplace_predict(later) != booster.inplace_predict(matrix)).mean() > 0.3
