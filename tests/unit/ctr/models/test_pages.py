"""What XGBoost reads a part at a time is what it would have read at once, and its disk is looked at before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost
from numpy.typing import NDArray

from forebay.ctr.models.matrix import Piece
from forebay.ctr.models.pages import Pages, Sight, bins_bytes, check_disk, paged
from forebay.ctr.schema import LABEL
from forebay.errors import CapacityError, DamagedError

ROWS, PARTS = 500, 3
COLUMNS = ("a", "b")
PARAMETERS = {"objective": "binary:logistic", "max_depth": 3, "max_bin": 16, "seed": 1, "nthread": 1}


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    random = np.random.default_rng(1)
    paths = [tmp_path / f"part-{number}.parquet" for number in range(PARTS)]
    for path in paths:
        a, b = random.normal(size=(2, ROWS)).astype(np.float32)
        pq.write_table(pa.table({LABEL: (a * b + random.normal(size=ROWS) > 0).astype(np.uint8), "a": a, "b": b}), path)
    return paths


def reckoning(asked: list[Path]) -> Sight:
    def reckon(path: Path, factor: float) -> NDArray[np.float32]:
        asked.append(path)
        table = pq.read_table(path)
        a, b = table["a"].to_numpy(), table["b"].to_numpy()
        return np.asarray(factor * a * b, np.float32).reshape(-1, 1)

    return Sight(columns=COLUMNS, features=(*COLUMNS, "more"), reckons=(reckon,))


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_parts_one_by_one_give_the_trees_of_all_rows_at_once(
    is_on_disk: bool, parts: list[Path], tmp_path: Path
) -> None:
    asked: list[Path] = []
    told: list[int] = []
    pages = Pages(
        [Piece(path=path, rows=ROWS, day=0) for path in parts],
        reckoning(asked),
        [(2.0,)],
        cache=tmp_path / "bins" if is_on_disk else None,
        told=told.append,
    )
    data = paged(pages, max_bin=16, threads=1, reference=None)
    assert isinstance(data, xgboost.ExtMemQuantileDMatrix) is is_on_disk
    written = sum(path.stat().st_size for path in tmp_path.glob("bins*"))
    assert (0 < written < 2 * bins_bytes(PARTS * ROWS, 3)) if is_on_disk else written == 0, "small pages have a head"
    assert asked == parts, "each is reckoned once, however often it is read"
    assert told == [ROWS] * PARTS
    tables = [pq.read_table(path) for path in parts]
    matrix = np.concatenate(
        [np.column_stack([t["a"], t["b"], 2 * t["a"].to_numpy() * t["b"].to_numpy()]) for t in tables]
    )
    label = np.concatenate([table[LABEL].to_numpy() for table in tables])
    whole = xgboost.QuantileDMatrix(
        matrix.astype(np.float32), label, max_bin=16, nthread=1, feature_names=[*COLUMNS, "more"]
    )
    one, other = (xgboost.train(PARAMETERS, each, 5).inplace_predict(matrix) for each in (data, whole))
    np.testing.assert_allclose(one, other, atol=0.05)
    assert np.corrcoef(one, other)[0, 1] > 0.98


def test_a_piece_is_every_so_many_rows(parts: list[Path]) -> None:
    pages = Pages(
        [Piece(path=parts[0], rows=167, day=0, first=1, step=3)],
        Sight(columns=COLUMNS, features=COLUMNS, reckons=(None,)),
        [()],
        cache=None,
        told=lambda rows: None,
    )
    data = paged(pages, max_bin=16, threads=1, reference=None)
    np.testing.assert_array_equal(data.get_label(), pq.read_table(parts[0])[LABEL].to_numpy()[1::3])


def test_a_part_that_can_not_be_read_is_named(parts: list[Path], tmp_path: Path) -> None:
    parts[1].write_bytes(b"no table")
    pages = Pages(
        [Piece(path=path, rows=ROWS, day=0) for path in parts],
        Sight(columns=COLUMNS, features=COLUMNS, reckons=(None,)),
        [()],
        cache=tmp_path / "bins",
        told=lambda rows: None,
    )
    with pytest.raises(DamagedError, match="part-1"):
        paged(pages, max_bin=16, threads=1, reference=None)


def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    check_disk(tmp_path, bins_bytes(1_000, 65))
    with pytest.raises(CapacityError, match="for its bins") as caught:
        check_disk(tmp_path, 1 << 60)
    assert caught.value.kind == "disk-too-little"
