"""Cuts of trees midway between the two values that they part, as LightGBM and scikit-learn put them.

XGBoost cuts at a value of the train rows itself. A category's rate or share is one value in many rows, and a little
another one in each later day: where a cut is that very value, all of its rows fall on the other side the day after.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from forebay.ctr.models.matrix import Reader, Reckon, read_rows_of
from forebay.ctr.models.protocol import FitJob
from forebay.ctr.models.tasks import gathered

Values = NDArray[np.float32]
Cuts = Mapping[int, Values]
"""By a feature's place the values at which trees cut it, rising."""


def settled(job: FitJob, booster: xgboost.Booster, reader: Reader) -> xgboost.Booster:
    """The same trees: every train row falls into the leaf where it fell.

    UnavailableError and CapacityError as `gathered` raises them.
    """
    model = json.loads(bytes(booster.save_raw(raw_format="json")))
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    cuts = cuts_of(trees)
    client, futures = job.cluster.client, list[Any]()
    with job.stages.stage("fit"):
        for day in job.features.train_days:
            reckon, given = reader.of(client, day)
            futures += [
                client.submit(part_below, cuts, tuple(reader.columns), reckon, path, *given, pure=False)
                for path in job.paths(day)
            ]
        move(trees, cuts, merged(gathered(client, futures, limit_s=job.left_s)))
    moved = xgboost.Booster(model_file=bytearray(json.dumps(model).encode()))
    moved.feature_names = booster.feature_names
    return moved


def cuts_of(trees: Iterable[Mapping[str, Any]]) -> Cuts:
    """Of trees as XGBoost's JSON has them."""
    found: defaultdict[int, set[float]] = defaultdict(set)
    for tree in trees:
        for feature, cut, left in zip(
            tree["split_indices"], tree["split_conditions"], tree["left_children"], strict=True
        ):
            if left >= 0:
                found[feature].add(cut)
    return {feature: np.array(sorted(values), np.float32) for feature, values in sorted(found.items())}


def part_below(
    cuts: Cuts, columns: tuple[str, ...], reckon: Reckon | None, path: Path, *given: Any
) -> dict[int, Values]:
    """Runs on a worker."""
    more = None if reckon is None else reckon(path, *given)
    return highest_below(cuts, read_rows_of(path, columns, more)[0])


def highest_below(cuts: Cuts, matrix: NDArray[np.float32]) -> dict[int, Values]:
    """For each cut the highest value of its feature below it and not below the one before, -inf where there is none."""
    found = {}
    for feature, values in cuts.items():
        column = matrix[:, feature]
        column = column[~np.isnan(column)]
        place = np.searchsorted(values, column, side="right")
        highest = np.full(values.size + 1, -np.inf, np.float32)
        np.maximum.at(highest, place, column)
        found[feature] = highest[:-1]
    return found


def merged(parts: Sequence[dict[int, Values]]) -> dict[int, Values]:
    """Of all rows."""
    return reduce(lambda one, other: {key: np.maximum(one[key], other[key]) for key in one}, parts)


def move(trees: Iterable[dict[str, Any]], cuts: Cuts, below: Mapping[int, Values]) -> None:
    """Put each cut midway between itself, the lowest value above, and the highest one below."""
    moved = {}
    for feature, values in cuts.items():
        # A cut with no row between it and the one before parts the values below that one.
        highest = np.maximum.accumulate(below[feature])
        middle = (values.astype(np.float64) + highest.astype(np.float64)) / 2.0
        rounded = middle.astype(np.float32)
        placed = np.where(np.isfinite(middle) & (rounded > highest), rounded, values)
        moved[feature] = dict(zip(values.tolist(), placed.tolist(), strict=True))
    for tree in trees:
        for node, (feature, left) in enumerate(zip(tree["split_indices"], tree["left_children"], strict=True)):
            if left >= 0:
                cut = float(np.float32(tree["split_conditions"][node]))
                tree["split_conditions"][node] = moved[feature][cut]
