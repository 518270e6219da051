"""Weights on disk: what was saved is loaded, and so is a model of before there were slopes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from forebay.ctr.models.hashing import Hashing
from forebay.ctr.models.logistic import WEIGHTS_FILE, LogisticPredictor, load_logistic

WEIGHTS = np.arange(1 << 10, dtype=np.float32)


def test_crosses_and_slopes_are_kept(tmp_path: Path) -> None:
    hashing = Hashing(bits=10, integer_bins=2.0, crosses=((1, 2),), slopes=((3, 4), (5, 6)))
    LogisticPredictor(hashing=hashing, weights=WEIGHTS).save(tmp_path)
    loaded = load_logistic(tmp_path)
    assert loaded.hashing == hashing
    np.testing.assert_array_equal(loaded.weights, WEIGHTS)


def test_a_model_that_says_nothing_of_slopes_has_none(tmp_path: Path) -> None:
    LogisticPredictor(hashing=Hashing(bits=10, integer_bins=2.0, crosses=((1, 2),)), weights=WEIGHTS).save(tmp_path)
    table = pq.ParquetFile(tmp_path / WEIGHTS_FILE).read()
    told = json.loads(table.schema.metadata[b"hashing"])
    del told["slopes"]
    pq.write_table(table.replace_schema_metadata({b"hashing": json.dumps(told)}), tmp_path / WEIGHTS_FILE)
    assert load_logistic(tmp_path).hashing == Hashing(bits=10, integer_bins=2.0, crosses=((1, 2),))
