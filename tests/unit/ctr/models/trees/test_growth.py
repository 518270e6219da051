"""Trees from histograms, beside trees that are grown the slow way: node by node, from the rows that reach each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forebay.ctr.models.trees.bins import bins_of, coded, cuts_of
from forebay.ctr.models.trees.booster import to_booster
from forebay.ctr.models.trees.growth import LEAST_GAIN, Shape, Tree, grow
from forebay.ctr.models.trees.rows import Part, Shard

COLUMNS = 5
NAN = np.float32(np.nan)


def made(rows: int, seed: int = 1) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Integers with blanks, of which three columns tell something about the label."""
    random = np.random.default_rng(seed)
    matrix = np.round(random.lognormal(1.0, 1.5, (rows, COLUMNS))).astype(np.float32)
    matrix[random.random(matrix.shape) < 0.1] = NAN
    filled = np.nan_to_num(matrix, nan=-1.0)
    logit = np.log1p(filled[:, 0] + 1) - 0.7 * (filled[:, 1] > 3) * filled[:, 2].clip(0, 5) - 2.0
    return matrix, (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.uint8)


class Grown:
    """A forest of four parts, in as many shards as one likes."""

    def __init__(self, rows: int, *, shards: int = 1, threads: int = 1, **changed: Any) -> None:
        self.matrix, self.label = made(rows)
        self.cuts = cuts_of(self.matrix, 8)
        cut = [slice(rows * number // 4, rows * (number + 1) // 4) for number in range(4)]
        whole = [Part(number=n, matrix=self.matrix[here], label=self.label[here]) for n, here in enumerate(cut)]
        self.shards = [Shard(whole[first::shards], threads=threads) for first in range(shards)]
        given: dict[str, Any] = {"trees": 3, "depth": 4, "looks": 2, "share": 0.6, "seed": 5} | changed
        self.shape = Shape(columns=COLUMNS, bins=bins_of(self.cuts), **given)
        self.ask("cut", self.cuts, self.shape.bins)
        self.asked: list[Any] = []
        self.trees = grow(self.ask, self.shape)

    def ask(self, method: str, *given: Any) -> list[Any]:
        if method == "step":
            self.asked.append(given[0])
        return [getattr(shard, method)(*given) for shard in self.shards]


def same(left: Sequence[Tree], right: Sequence[Tree]) -> bool:
    return len(left) == len(right) and all(np.array_equal(*pair) for pair in zip(left, right, strict=True))


def slow(codes: NDArray[np.uint8], tree: Tree, looked_at: Any, node: int, depth: int) -> None:
    """Check `node` and all below it: the rows that reach it, and that no other split of what it looked at is better."""
    rows, clicks = len(codes), int(codes[:, -1].sum())
    found = tree[node]
    assert (found["rows"], found["clicks"]) == (rows, clicks)
    best = (LEAST_GAIN, -1, -1)
    if depth and 0 < clicks < rows:
        for column in looked_at(node):
            for cut in range(int(codes[:, column].max())):
                goes = codes[:, column] <= cut
                if 0 < goes.sum() < rows:
                    error = sum(len(side) * side.var() for side in (codes[goes, -1], codes[~goes, -1]))
                    gain = rows * codes[:, -1].var() - error
                    if gain > best[0] + 1e-9:
                        best = (gain, int(column), cut)
    if best[1] < 0:
        assert (found["left"], found["right"], found["gain"]) == (-1, -1, 0.0)
        return
    assert found["gain"] == pytest.approx(best[0])
    assert (found["column"], found["cut"]) == best[1:]
    goes = codes[:, best[1]] <= best[2]
    slow(codes[goes], tree, looked_at, found["left"], depth - 1)
    slow(codes[~goes], tree, looked_at, found["right"], depth - 1)


def test_each_node_has_the_best_split_of_its_rows() -> None:
    grown = Grown(600, share=1.0, trees=2, depth=5)
    codes = coded(grown.matrix, grown.label, grown.cuts)
    for number, tree in enumerate(grown.trees):
        drawn = drawn_columns(tree, [steps[number].looked_at for steps in grown.asked])
        slow(codes, tree, drawn.__getitem__, 0, 5)
        assert (tree["left"] >= 0).sum() > 10


def drawn_columns(tree: Tree, by_level: Sequence[NDArray[np.uint16]]) -> dict[int, NDArray[np.uint16]]:
    """Which columns each node looked at: slots are the impure nodes of a level, from left to right."""
    drawn: dict[int, NDArray[np.uint16]] = {}
    level = [0]
    for looked_at in by_level:
        live = [node for node in level if 0 < tree[node]["clicks"] < tree[node]["rows"]]
        drawn |= dict(zip(live, looked_at, strict=True))
        level = [int(child) for node in live if tree[node]["left"] >= 0 for child in tree[node][["left", "right"]]]
    return drawn


@pytest.mark.parametrize(("shards", "threads"), [(2, 1), (4, 1), (1, 3), (3, 2)])
def test_trees_depend_on_no_shard_and_no_thread(shards: int, threads: int) -> None:
    assert same(Grown(2_000, shards=shards, threads=threads).trees, Grown(2_000).trees)


def test_trees_differ_from_each_other_and_by_seed() -> None:
    first, other = Grown(2_000), Grown(2_000, seed=6)
    assert not same(first.trees[:1], first.trees[1:2])
    assert not same(first.trees, other.trees)


def test_each_tree_sees_its_share_of_the_rows() -> None:
    seen = [int(tree["rows"][0]) for tree in Grown(10_000, trees=4).trees]
    assert all(5_800 < rows < 6_200 for rows in seen)
    assert len(set(seen)) > 1


def test_trees_that_are_grown_later_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Grown(2_000)
    monkeypatch.setattr("forebay.ctr.models.trees.growth._COUNTS_BYTES", 1)
    assert before.shape.at_once == 1
    assert same(before.trees, Grown(2_000).trees)


def test_progress_is_told_by_level() -> None:
    grown, told = Grown(500), list[int]()
    grow(grown.ask, grown.shape, told.append)
    assert told == [3, 6, 9, 12]


def test_rows_of_one_class_are_one_leaf() -> None:
    shard = Shard([Part(number=0, matrix=made(50)[0], label=np.ones(50, np.uint8))], threads=1)
    cuts = cuts_of(made(50)[0], 8)
    shape = Shape(trees=1, depth=3, columns=COLUMNS, looks=2, bins=bins_of(cuts), share=1.0, seed=1)
    shard.cut(cuts, shape.bins)
    [tree] = grow(lambda method, *given: [getattr(shard, method)(*given)], shape)
    assert tree[["left", "rows", "clicks"]].tolist() == [(-1, 50, 50)]
    assert to_booster([tree], cuts, list("abcde")).inplace_predict(np.zeros((1, COLUMNS), np.float32)) == [1.0]


def test_the_booster_predicts_the_mean_of_the_leaves() -> None:
    grown = Grown(3_000)
    booster = to_booster(grown.trees, grown.cuts, list("abcde"))
    rows, label = made(400, seed=2)
    codes = coded(rows, label, grown.cuts)
    expected = [np.mean([walked(tree, row) for tree in grown.trees]) for row in codes]
    assert booster.inplace_predict(rows).tolist() == pytest.approx(expected, abs=1e-6)


def walked(tree: Tree, codes: NDArray[np.uint8]) -> float:
    node = tree[0]
    while node["left"] >= 0:
        node = tree[node["left"] if codes[node["column"]] <= node["cut"] else node["right"]]
    return float(node["clicks"] / node["rows"])


def test_the_booster_tells_what_splits_gain() -> None:
    grown = Grown(3_000)
    booster = to_booster(grown.trees, grown.cuts, list("abcde"))
    splits = np.concatenate([tree[tree["left"] >= 0] for tree in grown.trees])
    gains = {"abcde"[column]: splits["gain"][splits["column"] == column].mean() for column in set(splits["column"])}
    assert booster.get_score(importance_type="gain") == pytest.approx(gains, rel=1e-4)
    assert booster.feature_names == list("abcde")
    assert booster.num_boosted_rounds() == 1
