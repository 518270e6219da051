"""The whole workload on small days: real numba, Arrow, Dask workers and XGBoost.

Nothing may beat the generator's own optimum beyond noise; test_traps.py has the other trap.
"""

from __future__ import annotations

import math
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest

from forebay.ctr.evaluate import EvaluationReport
from forebay.ctr.feature_set import read_feature_set
from forebay.ctr.law import LawOptions
from forebay.ctr.model import load_model
from forebay.ctr.models.options import BoostingOptions
from forebay.ctr.report.build import stage_times
from forebay.ctr.report.order import ReportOrder
from forebay.ctr.report.training_report import DayRole, read_report
from forebay.ctr.truth import read_truth
from forebay.ctr.workload import TrainReport, baseline, evaluate, generate, prepare, train
from forebay.errors import DamagedError, InputError, NotFoundError

ROWS = 15_000
FAST = BoostingOptions(rounds=60, max_depth=3)


def noise(clicks: int) -> float:
    """Four standard errors of an AUC: each is at most sqrt(AUC (1 - AUC) / rarer class) <= 0.5 / sqrt(clicks)."""
    return 4 * 0.5 / math.sqrt(clicks)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of 15,000 rows, CTR 10 %, so that few rows hold many clicks."""
    out = tmp_path_factory.mktemp("clicks")
    generate(out, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    return out


@pytest.fixture(scope="module")
def features(clicks: Path) -> Path:
    out = clicks.with_name(f"{clicks.name}-features")
    prepare(clicks, out, parents=["clicks@v1"], range_bytes=1_000_000)
    return out


@pytest.fixture(scope="module")
def model(features: Path) -> TrainReport:
    return train(features, features.with_name(f"{features.name}-model"), options=FAST, workers=2, threads_per_worker=1)


@pytest.fixture(scope="module")
def evaluation(features: Path, model: TrainReport) -> EvaluationReport:
    earlier = stage_times(model.seconds, {"load": model.rows, "fit": model.rows})
    order = ReportOrder(
        folder=model.model.with_name(f"{model.model.name}-report"),
        made_at=1_796_000_000.0,
        command="train <it>",
        earlier=earlier,
    )
    return evaluate(features, model.model, report=order)


def test_the_model_is_good_and_not_better_than_the_optimum(clicks: Path, evaluation: EvaluationReport) -> None:
    best = read_truth(clicks).days[1]
    assert best.best_auc is not None
    assert evaluation.metrics.rows == best.rows
    assert evaluation.metrics.clicks == best.clicks
    assert best.best_auc - 0.08 < evaluation.metrics.auc < best.best_auc + noise(best.clicks)
    assert evaluation.metrics.log_loss > best.best_log_loss - 0.005
    assert evaluation.metrics.normalised_entropy < 0.95
    assert 0.9 < evaluation.metrics.calibration < 1.1


def test_the_report_is_on_what_was_measured(features: Path, model: TrainReport, evaluation: EvaluationReport) -> None:
    assert evaluation.report is not None
    report = read_report(evaluation.report.parent)
    assert report.metrics == evaluation.metrics
    (day,) = report.days
    assert (day.day, day.role, day.rows) == (1, DayRole.TEST, ROWS)
    assert day.auc == pytest.approx(evaluation.metrics.auc, abs=1e-4)
    assert {each.feature for each in report.importance} <= set(read_feature_set(features).features)
    assert len(report.importance) > 5
    stages = ["cluster", "load", "fit", "calibrate", "save", "predict", "measure"]
    assert [each.stage for each in report.stages] == stages
    assert [each.rows for each in report.stages] == [None, ROWS, ROWS, None, None, ROWS, ROWS]
    made_by = report.provenance
    assert (made_by.parents, made_by.train_days, made_by.train_rows) == (("clicks@v1",), (0,), ROWS)
    assert made_by.seeds == {"seed": FAST.seed}
    assert made_by.options["rounds"] == str(FAST.rounds)
    assert made_by.versions["xgboost"] == model.description.versions["xgboost"]
    page = evaluation.report.read_text()
    assert f"AUC {evaluation.metrics.auc:.4f}" in page
    assert "train &lt;it&gt;" in page


def test_the_model_beats_the_reports_forest_on_the_same_rows(clicks: Path, evaluation: EvaluationReport) -> None:
    forest = baseline(clicks)
    assert forest.train_rows == ROWS
    assert (forest.metrics.rows, forest.metrics.clicks) == (evaluation.metrics.rows, evaluation.metrics.clicks)
    assert 0.55 < forest.metrics.auc < evaluation.metrics.auc
    assert list(forest.seconds) == ["read", "fit", "predict"]


def test_the_baseline_refuses_what_pandas_cannot_read(clicks: Path, tmp_path: Path) -> None:
    for day in (0, 1):
        (tmp_path / f"day_{day}").write_bytes((clicks / f"day_{day}").read_bytes()[:10_000] + b"\nx\ty\n")
    with pytest.raises(InputError, match="day_0") as caught:
        baseline(tmp_path)
    assert caught.value.kind == "bad-row"
    (tmp_path / "day_0").unlink()
    with pytest.raises(InputError) as caught:
        baseline(tmp_path)
    assert caught.value.kind == "too-few-days"


def test_the_model_tells_what_made_it(features: Path, model: TrainReport) -> None:
    loaded = load_model(model.model)
    description = loaded.description
    feature_set = read_feature_set(features)
    assert description == model.description
    assert description.features_digest == feature_set.digest
    assert (description.train_days, description.train_rows, model.rows) == ((0,), ROWS, ROWS)
    assert (description.workers, description.threads_per_worker) == (2, 1)
    assert (description.validation_day, description.best_round) == (None, FAST.rounds)
    assert loaded.predictor.features == feature_set.features
    assert loaded.calibration is None
    assert list(model.seconds) == ["cluster", "load", "fit", "calibrate", "save"]


def test_the_same_seed_gives_the_same_model_also_where_the_evaluation_day_is_absent(
    features: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "f"
    shutil.copytree(features, copy)
    shutil.rmtree(copy / "day_1")
    rounds: list[tuple[str, int, int]] = []
    options = BoostingOptions(rounds=10, seed=7)
    for source, out in ((features, "a"), (copy, "b")):
        train(source, tmp_path / out, options=options, threads_per_worker=1, progress=lambda *step: rounds.append(step))
    first, second = ((tmp_path / out / "model.ubj").read_bytes() for out in ("a", "b"))
    assert first == second
    assert multiprocessing.active_children() == []
    assert ("fit", 1, 10) in rounds
    with pytest.raises(DamagedError):
        evaluate(copy, tmp_path / "b")


def test_features_of_another_encoder_are_refused(clicks: Path, model: TrainReport, tmp_path: Path) -> None:
    prepare(clicks, tmp_path / "f", parents=["clicks@v2"])
    with pytest.raises(InputError) as caught:
        evaluate(tmp_path / "f", model.model)
    assert caught.value.kind == "features-mismatch"


def test_what_is_missing_is_said(features: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"features\.json"):
        train(tmp_path, tmp_path / "m")
    with pytest.raises(NotFoundError, match=r"model\.json"):
        evaluate(features, tmp_path)


def test_a_missing_part_is_said_before_a_cluster_starts(features: Path, tmp_path: Path) -> None:
    (tmp_path / "features.json").write_bytes((features / "features.json").read_bytes())
    with pytest.raises(DamagedError, match=r"part-00000\.parquet"):
        train(tmp_path, tmp_path / "m")


def test_predictions_are_probabilities_of_every_row(evaluation: EvaluationReport) -> None:
    assert sum(each.rows for each in evaluation.metrics.bins) == ROWS
    assert np.all(np.diff([each.mean_prediction for each in evaluation.metrics.bins]) >= 0)


def test_later_days_are_in_the_report(tmp_path: Path) -> None:
    generate(tmp_path / "c", days=5, rows_per_day=3_000, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    prepare(tmp_path / "c", tmp_path / "f", test_day=2)
    train(tmp_path / "f", tmp_path / "m", options=BoostingOptions(rounds=5, max_depth=3), threads_per_worker=1)
    found = evaluate(tmp_path / "f", tmp_path / "m", report=ReportOrder(folder=tmp_path / "r", made_at=0.0))
    assert (found.day, found.metrics.rows) == (2, 3_000)
    days = {day.day: day.role for day in read_report(tmp_path / "r").days}
    assert days == {1: DayRole.VALIDATE, 2: DayRole.TEST, 3: DayRole.LATER, 4: DayRole.LATER}
