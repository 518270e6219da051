"""Two traps for features, and for models, that know too much.

Clicks that depend on nothing must give an AUC of one half within its noise, on the test day and on rows of the other
days that were kept from the trees: a label that reaches its own features gives more, which the first test shows. And
nothing may beat the generator's own optimum beyond noise. Both are for plain trees over the features, over two days and
three, and for every model as `train` makes it, over four.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from forebay.ctr.encoder import encode_rows, load_encoder
from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.ctr.feature_set import FeatureDay, FeatureSet, read_part
from forebay.ctr.law import LawOptions
from forebay.ctr.metrics import Metrics, measure
from forebay.ctr.scan import ScannedRows, scan
from forebay.ctr.truth import read_truth
from forebay.ctr.workload import evaluate, generate, prepare, train
from tests.integration.ctr.models import BELIEVING, MODELS

ROWS = 12_000
EVERY_MODEL = MODELS | BELIEVING
Rows = tuple[NDArray[Any], NDArray[np.uint8]]


def noise(clicks: int) -> float:
    """Four standard errors of an AUC: each is at most sqrt(AUC (1 - AUC) / rarer class) <= 0.5 / sqrt(clicks)."""
    return 4 * 0.5 / math.sqrt(clicks)


def read_day(features: FeatureSet, day: FeatureDay) -> Rows:
    parts = [read_part(features.directory / part.path, features.features) for part in day.parts]
    return np.concatenate([matrix for matrix, _ in parts]), np.concatenate([label for _, label in parts])


def joined(days: list[Rows]) -> Rows:
    return np.concatenate([matrix for matrix, _ in days]), np.concatenate([label for _, label in days])


def every_second(rows: Rows, first: int) -> Rows:
    return rows[0][first::2], rows[1][first::2]


def measured(known: Rows, unknown: Rows) -> Metrics:
    """Of trees grown on some rows, on others."""
    parameters = {"objective": "binary:logistic", "max_depth": 3, "eta": 0.1, "seed": 1, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(*known), num_boost_round=40)
    return measure(unknown[1], booster.predict(xgboost.DMatrix(unknown[0])))


def without_law(out: Path, days: int) -> FeatureSet:
    law = LawOptions(ctr=0.1, signal=0.0, seed=2, cardinality_scale=0.01)
    generate(out / "c", days=days, rows_per_day=ROWS, options=law)
    return prepare(out / "c", out / "f").features


def test_a_label_that_reaches_its_own_features_is_seen(tmp_path: Path) -> None:
    encoder = load_encoder(without_law(tmp_path, days=2).directory / "encoder")
    rows = scan(np.fromfile(tmp_path / "c" / "day_0", np.uint8), skip_bad_rows=False)
    assert isinstance(rows, ScannedRows)
    # The encoder knows day_0: its rows must not be encoded by it, and here they are.
    matrix = encode_rows(encoder, rows.integers, rows.integers_valid, rows.categories, rows.categories_valid)
    leaking = (matrix, rows.label)
    found = measured(every_second(leaking, 0), every_second(leaking, 1))
    assert found.auc > 0.5 + noise(found.clicks)


@pytest.mark.parametrize("days", [2, 3])
def test_clicks_that_depend_on_nothing_give_one_half(tmp_path: Path, days: int) -> None:
    features = without_law(tmp_path, days)
    read = [read_day(features, day) for day in features.days]
    half = joined([every_second(day, 0) for day in read[:-1]])
    for unknown in (*(every_second(day, 1) for day in read[:-1]), read[-1]):
        found = measured(half, unknown)
        assert abs(found.auc - 0.5) < noise(found.clicks)
        assert found.normalised_entropy > 0.98


@pytest.mark.parametrize("days", [2, 3])
def test_nothing_beats_the_law_itself_and_the_features_come_near_it(tmp_path: Path, days: int) -> None:
    law = LawOptions(ctr=0.1, cardinality_scale=0.01)
    generate(tmp_path / "c", days=days, rows_per_day=ROWS, options=law)
    features = prepare(tmp_path / "c", tmp_path / "f").features
    read = [read_day(features, day) for day in features.days]
    found = measured(joined(read[:-1]), read[-1])
    best = read_truth(tmp_path / "c").days[-1]
    assert best.best_auc is not None
    assert best.best_auc - 0.08 < found.auc < best.best_auc + noise(best.clicks)
    assert found.log_loss > best.best_log_loss - 0.005


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster(EngineSpec(place=Local(), workers=1, threads_per_worker=2)) as opened:
        yield opened


@pytest.fixture(scope="module")
def of_nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days of clicks that depend on nothing: two to train on, one to validate, one to test."""
    folder = tmp_path_factory.mktemp("nothing")
    law = LawOptions(ctr=0.3, signal=0.0, seed=3, cardinality_scale=0.01)
    generate(folder / "c", days=4, rows_per_day=ROWS, options=law)
    prepare(folder / "c", folder / "f")
    return folder / "f"


@pytest.fixture(scope="module")
def of_the_law(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("law")
    generate(folder / "c", days=4, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    prepare(folder / "c", folder / "f")
    return folder / "f"


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_no_model_finds_what_is_not_there(name: str, of_nothing: Path, cluster: Cluster, tmp_path: Path) -> None:
    report = train(of_nothing, tmp_path / "m", options=EVERY_MODEL[name][0], cluster=cluster)
    found = evaluate(of_nothing, report.model).metrics
    assert abs(found.auc - 0.5) < noise(found.clicks)
    assert found.normalised_entropy > 0.995
    assert report.validation is not None
    assert report.validation.auc is not None
    assert abs(report.validation.auc - 0.5) < noise(found.clicks)


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_no_model_beats_the_law_itself(name: str, of_the_law: Path, cluster: Cluster, tmp_path: Path) -> None:
    options, least = EVERY_MODEL[name]
    report = train(of_the_law, tmp_path / "m", options=options, cluster=cluster)
    found = evaluate(of_the_law, report.model).metrics
    best = read_truth(of_the_law.parent / "c").days[-1]
    assert best.best_auc is not None
    assert least < found.auc < best.best_auc + noise(best.clicks)
    assert found.log_loss > best.best_log_loss - 0.005
