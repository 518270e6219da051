"""How a forest on GPUs is dealt out, fitted and asked: a tree of scikit-learn's stands in for cuML's and Treelite's."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from forebay.ctr.models import forest_cuda
from forebay.ctr.models.forest_cuda import CudaForestPredictor, fit_share, shared
from forebay.ctr.models.options import ForestOptions
from forebay.ctr.schema import LABEL

ROWS = 400


def test_trees_are_shared_out_among_workers() -> None:
    assert shared(10, 3) == [4, 3, 3]
    assert shared(2, 3) == [1, 1, 0]


class Forest:
    """One tree. As cuML it takes no NaN."""

    def __init__(self, *, max_depth: int, **told: Any) -> None:
        self.tree = DecisionTreeClassifier(max_depth=max_depth, random_state=1)

    def fit(self, matrix: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
        assert np.isfinite(matrix).all()
        self.tree.fit(matrix, labels)

    def as_treelite(self) -> Any:
        return SimpleNamespace(serialize_bytes=lambda: pickle.dumps(self.tree))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "cuml.ensemble": SimpleNamespace(RandomForestClassifier=Forest),
        "treelite": SimpleNamespace(Model=SimpleNamespace(deserialize_bytes=pickle.loads)),
        "treelite.gtil": SimpleNamespace(predict=lambda tree, rows: tree.predict_proba(rows).reshape(len(rows), 1, 2)),
    }
    monkeypatch.setattr(forest_cuda, "required", lambda module, what: modules[module])


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(("blank", "of_blanks"), [(None, 1.0), (5.0, 0.0)])
def test_a_blank_is_below_all_values_or_what_stands_for_it(
    blank: float | None, of_blanks: float, tmp_path: Path
) -> None:
    value = np.linspace(-3, 6, ROWS, dtype=np.float32)
    value[::4] = np.nan
    label = np.where(np.isnan(value), of_blanks, (value > 0) & (value < 4)).astype(np.uint8)
    pq.write_table(
        pa.table({LABEL: label, "a": value}, schema=pa.schema([(LABEL, pa.uint8()), ("a", pa.float32())])),
        tmp_path / "part.parquet",
    )
    options = ForestOptions(trees=3, max_depth=4, blank=blank)
    forest = fit_share([tmp_path / "part.parquet"], ("a",), options, 3, 0)
    predictor = CudaForestPredictor(features=("a",), blank=blank, forests=(forest, forest))
    matrix = value.reshape(-1, 1)
    np.testing.assert_array_equal(predictor.predict(matrix, None), label)
    assert np.isnan(matrix).any(), "what was given is left as it is"
