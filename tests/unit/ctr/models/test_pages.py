"""What XGBoost reads a part at a time is what it would have read at once, and disks are looked at before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost
from numpy.typing import NDArray

from forebay.ctr.models.held_out import HeldOut
from forebay.ctr.models.matrix import Piece
from forebay.ctr.models.pages import Disk, Pages, Reading, check_disks, disk_bytes, paged
from forebay.ctr.schema import LABEL
from forebay.errors import CapacityError, DamagedError

ROWS, PARTS = 500, 3
COLUMNS = ("a", "b")
PLAIN = Reading(columns=COLUMNS, features=COLUMNS, reckons=(None,))
PARAMETERS = {"objective": "binary:logistic", "max_depth": 3, "max_bin": 16, "seed": 1, "nthread": 1}


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(1)
    paths = [tmp_path / f"part-{number}.parquet" for number in range(PARTS)]
    for path in paths:
        a, b = random.normal(size=(2, ROWS)).astype(np.float32)
        label = (a * b + random.normal(size=ROWS) > 0).astype(np.uint8)
        pq.write_table(pa.table({LABEL: label, "a": a, "b": b}), path)
    return paths


def pieces_of(parts: list[Path]) -> list[Piece]:
    return [Piece(path=path, rows=ROWS, day=0) for path in parts]


def whole(parts: list[Path]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    table = pa.concat_tables([pq.read_table(path) for path in parts])
    return np.column_stack([table["a"], table["b"]]).astype(np.float32), table[LABEL].to_numpy()


def reckoning(asked: list[Path]) -> Reading:
    def reckon(path: Path, factor: float) -> NDArray[np.float32]:
        asked.append(path)
        table = pq.read_table(path)
        a, b = table["a"].to_numpy(), table["b"].to_numpy()
        return np.asarray(factor * a * b, np.float32).reshape(-1, 1)

    return Reading(columns=COLUMNS, features=(*COLUMNS, "more"), reckons=(reckon,))


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_parts_one_by_one_give_the_trees_of_all_rows_at_once(
    is_on_disk: bool, parts: list[Path], tmp_path: Path
) -> None:
    asked: list[Path] = []
    told: list[int] = []
    pages = Pages(
        pieces_of(parts),
        reckoning(asked),
        [(2.0,)],
        cache=tmp_path / "bins" if is_on_disk else None,
        told=told.append,
    )
    data = paged(pages, max_bin=16, threads=1)
    assert isinstance(data, xgboost.ExtMemQuantileDMatrix) is is_on_disk
    assert any(tmp_path.glob("bins*")) is is_on_disk
    assert asked == parts, "each is reckoned once, however often it is read"
    assert [rows for rows in told if rows] == [ROWS] * PARTS
    assert len(told) > PARTS, "it can be ended while it is read again"
    matrix, label = whole(parts)
    matrix = np.column_stack([matrix, 2 * matrix[:, 0] * matrix[:, 1]])
    at_once = xgboost.QuantileDMatrix(matrix, label, max_bin=16, nthread=1, feature_names=[*COLUMNS, "more"])
    one, other = (xgboost.train(PARAMETERS, each, 5).inplace_predict(matrix) for each in (data, at_once))
    np.testing.assert_allclose(one, other, atol=0.05)
    assert np.corrcoef(one, other)[0, 1] > 0.98


def test_a_piece_is_every_so_many_rows(parts: list[Path]) -> None:
    piece = Piece(path=parts[0], rows=167, day=0, first=1, step=3)
    data = paged(Pages([piece], PLAIN, [()], cache=None, told=lambda rows: None), max_bin=16, threads=1)
    np.testing.assert_array_equal(data.get_label(), pq.read_table(parts[0])[LABEL].to_numpy()[1::3])


def test_bins_are_made_where_the_values_were_put(parts: list[Path]) -> None:
    put = list[NDArray[np.float32]]()

    def elsewhere(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        put.append(matrix)
        return matrix + 100

    pages = Pages(pieces_of(parts), PLAIN, [()], cache=None, told=lambda rows: None, put=elsewhere)
    data = paged(pages, max_bin=16, threads=1)
    np.testing.assert_array_equal(np.concatenate(put[:PARTS]), whole(parts)[0])
    assert np.median(data.get_quantile_cut()[1]) > 50


def test_a_part_that_can_not_be_read_is_named(parts: list[Path], tmp_path: Path) -> None:
    parts[1].write_bytes(b"no table")
    pages = Pages(pieces_of(parts), PLAIN, [()], cache=tmp_path / "bins", told=lambda rows: None)
    with pytest.raises(DamagedError, match="part-1"):
        paged(pages, max_bin=16, threads=1)


@pytest.mark.parametrize("begun", [0, 3])
def test_the_loss_of_rows_held_out_is_xgboosts_after_every_round(
    begun: int, parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    cut = [Piece(path=path, rows=ROWS // 2, day=0, first=1, step=2) for path in parts]
    held_out = HeldOut(cut, PLAIN, [()], file=tmp_path / "held_out", told=told.append)
    assert told == [ROWS // 2] * PARTS
    matrix, label = whole(parts)
    fitted = xgboost.QuantileDMatrix(matrix[::2], label[::2], max_bin=16)
    held = xgboost.QuantileDMatrix(matrix[1::2], label[1::2], max_bin=16, ref=fitted)
    before = xgboost.train(PARAMETERS, fitted, begun) if begun else None
    losses = list[float]()
    asked = set[str]()
    predict = xgboost.Booster.inplace_predict

    def look(booster: xgboost.Booster, *given: Any, **told: Any) -> Any:
        asked.add(json.loads(booster.save_config())["learner"]["generic_param"]["device"])
        asked.add(f"{booster.num_boosted_rounds()} rounds")
        return predict(booster, *given, **told)

    monkeypatch.setattr(xgboost.Booster, "inplace_predict", look)

    class Look(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: object) -> bool:
            loss, rows = held_out.loss(model)
            losses.append(loss / rows)
            return False

    history: dict[str, dict[str, list[float]]] = {}
    xgboost.train(
        PARAMETERS | {"eval_metric": "logloss"},
        fitted,
        6,
        evals=[(held, "held")],
        evals_result=history,
        xgb_model=before,
        callbacks=[Look()],
        verbose_eval=False,
    )
    np.testing.assert_allclose(losses, history["held"]["logloss"], rtol=1e-5)
    assert len(set(losses)) == 6
    assert asked == {"cpu", f"{begun + 1} rounds", "1 rounds"}, "new trees alone, where the values are"


def disks(*free: int, where: tuple[str, ...]) -> dict[str, Disk]:
    return {
        f"worker-{number}": Disk(where=(host, 1), folder="/tmp", free_bytes=bytes_)
        for number, (bytes_, host) in enumerate(zip(free, where, strict=True))
    }


def test_workers_of_one_disk_need_it_together() -> None:
    needed = {"worker-0": 60, "worker-1": 60}
    check_disks(needed, disks(100, 100, where=("one", "other")))
    check_disks(needed, disks(120, 120, where=("one", "one")))
    with pytest.raises(CapacityError, match="on one") as caught:
        check_disks(needed, disks(100, 100, where=("one", "one")))
    assert caught.value.kind == "disk-too-little"


def test_what_is_written_follows_rows_and_width_of_bins() -> None:
    assert disk_bytes(10, 0, 65, 256) == 10 * 65 * 6
    assert disk_bytes(10, 0, 65, 257) == 10 * 65 * 8
    assert disk_bytes(0, 10, 65, 256) == 10 * 65 * 4
