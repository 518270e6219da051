"""A grown forest as a model of XGBoost, which predicts, explains and keeps it. In the format of XGBoost 3.0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xgboost

from forebay.ctr.models.trees.bins import Cuts
from forebay.ctr.models.trees.growth import Tree

_NO_PARENT: Final = 2147483647


def to_booster(trees: Sequence[Tree], cuts: Cuts, features: Sequence[str]) -> xgboost.Booster:
    """It predicts the mean of the trees' shares of clicks; NaN goes left."""
    model = {
        "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
        "gbtree_model_param": {"num_parallel_tree": str(len(trees)), "num_trees": str(len(trees))},
        "iteration_indptr": [0, len(trees)],
        "tree_info": [0] * len(trees),
        "trees": [_tree(number, tree, cuts, len(trees)) for number, tree in enumerate(trees)],
    }
    shape = {"boost_from_average": "0", "num_class": "0", "num_feature": str(len(features)), "num_target": "1"}
    learner = {
        "attributes": {},
        "feature_names": list(features),
        "feature_types": [],
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {"base_score": "0E0", **shape},
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}},
    }
    text = json.dumps({"learner": learner, "version": [3, 0, 0]}, allow_nan=False)
    return xgboost.Booster(model_file=bytearray(text.encode()))


def _tree(number: int, tree: Tree, cuts: Cuts, trees: int) -> dict[str, Any]:
    is_leaf = tree["left"] < 0
    mean = tree["clicks"] / np.maximum(tree["rows"], 1)
    # Only infinity is not below the cut of infinity, nor below the largest finite one.
    at = np.nan_to_num(cuts[tree["column"], tree["cut"]], posinf=float(np.finfo(np.float32).max))
    parents = np.full(len(tree), _NO_PARENT, np.int64)
    for side in ("left", "right"):
        parents[tree[side][~is_leaf]] = np.flatnonzero(~is_leaf)
    zeros = [0] * len(tree)
    return {
        "base_weights": mean.tolist(),
        "categories": [],
        "categories_nodes": [],
        "categories_segments": [],
        "categories_sizes": [],
        "default_left": (~is_leaf).astype(int).tolist(),
        "id": number,
        "left_children": tree["left"].tolist(),
        "loss_changes": tree["gain"].tolist(),
        "parents": parents.tolist(),
        "right_children": tree["right"].tolist(),
        "split_conditions": np.where(is_leaf, mean / trees, at).tolist(),
        "split_indices": tree["column"].tolist(),
        "split_type": zeros,
        "sum_hessian": tree["rows"].astype(float).tolist(),
        "tree_param": {
            "num_deleted": "0",
            "num_feature": str(len(cuts)),
            "num_nodes": str(len(tree)),
            "size_leaf_vector": "1",
        },
    }
