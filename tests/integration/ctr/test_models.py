"""Every model on small days: one way to train, load and ask; the same bytes again; resumed; survived."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forebay.cli.ctr import _TRAIN_UNITS
from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.spec import Device, EngineSpec, Local
from forebay.ctr.feature_set import read_feature_set
from forebay.ctr.law import LawOptions
from forebay.ctr.model import load_model, read_rows
from forebay.ctr.models.options import TR4904, BoostingOptions
from forebay.ctr.report.order import ReportOrder
from forebay.ctr.report.training_report import DayRole, read_report
from forebay.ctr.workload import TrainReport, evaluate, generate, prepare, train
from forebay.errors import ConflictError, InputError, UnavailableError
from tests.integration.ctr.models import BOOSTING, LOGISTIC, MODELS

ROWS = 4_000
TWO_WORKERS = EngineSpec(place=Local(), workers=2, threads_per_worker=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster(TWO_WORKERS) as opened:
        yield opened


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days, so two to train on, one to validate on, one to measure on; each of several parts."""
    folder = tmp_path_factory.mktemp("models")
    generate(folder / "c", days=4, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    prepare(folder / "c", folder / "f", range_bytes=400_000)
    return folder / "f"


Steps = dict[str, list[tuple[str, int, int]]]


@pytest.fixture(scope="module")
def steps() -> Steps:
    """What `trained` told of its progress, by model."""
    return {name: [] for name in MODELS}


@pytest.fixture(scope="module")
def trained(features: Path, cluster: Cluster, steps: Steps) -> dict[str, TrainReport]:
    out = features.parent
    return {
        name: train(
            features,
            out / name,
            options=options,
            cluster=cluster,
            checkpoints=out / f"{name}-checkpoints",
            progress=lambda *step, told=steps[name]: told.append(step),
        )
        for name, (options, _) in MODELS.items()
    }


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("boosting", {"load": 3 * ROWS}),
        ("tr4904", {"load": 2 * ROWS}),
        ("forest", {"load": 2 * ROWS}),
        ("logistic", {"learn": 2 * ROWS}),
        ("hybrid", {"learn": 4 * ROWS, "load": 3 * ROWS}),
    ],
)
def test_every_stage_on_rows_tells_how_many_are_done(
    name: str, rows: dict[str, int], trained: dict[str, TrainReport], steps: Steps
) -> None:
    told = {stage: [step[1:] for step in steps[name] if step[0] == stage] for stage, _, _ in steps[name]}
    assert set(told) <= set(_TRAIN_UNITS), "each with its unit in the bar"
    for stage, all_rows in {**rows, "calibrate": ROWS}.items():
        assert len(told[stage]) > 1
        assert told[stage] == sorted(told[stage])
        assert told[stage][-1] == (all_rows, all_rows)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_predicts_the_test_day(name: str, features: Path, trained: dict[str, TrainReport]) -> None:
    report, (options, least) = trained[name], MODELS[name]
    model = load_model(report.model)
    assert model.description == report.description
    assert (model.description.options, model.description.train_days) == (options, (0, 1))
    assert report.validation is not None
    assert (report.validation.day, report.validation.rows, report.rows) == (2, ROWS, 2 * ROWS)
    metrics = evaluate(features, report.model).metrics
    assert metrics.rows == ROWS
    assert metrics.auc > least
    assert metrics.normalised_entropy < 1.0
    assert 0.8 < metrics.calibration < 1.25  # the CTR moves from day to day
    assert (report.model / "calibration.json").is_file()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_reported_on_by_days_that_it_has_not_learnt(
    name: str, features: Path, trained: dict[str, TrainReport], tmp_path: Path
) -> None:
    evaluate(features, trained[name].model, report=ReportOrder(folder=tmp_path, made_at=0.0))
    report = read_report(tmp_path)
    assert report.model == trained[name].description.model
    assert {day.day: day.role for day in report.days} == (
        {3: DayRole.TEST} if name == "hybrid" else {2: DayRole.VALIDATE, 3: DayRole.TEST}
    )
    weighed = {each.feature for each in report.importance}
    assert bool(weighed) is (name != "logistic")
    assert ("logistic_logit" in weighed) is (name == "hybrid")
    assert set(report.provenance.seeds) == ({"boosting.seed", "logistic.seed"} if name == "hybrid" else {"seed"})


@pytest.mark.parametrize("name", ["boosting", "logistic", "forest"])
def test_the_same_seed_gives_the_same_bytes(
    name: str, features: Path, trained: dict[str, TrainReport], cluster: Cluster, tmp_path: Path
) -> None:
    again = train(features, tmp_path / "m", options=MODELS[name][0], cluster=cluster).model
    before = {path.name: path.read_bytes() for path in trained[name].model.iterdir()}
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before


def test_a_fit_goes_on_from_its_last_checkpoint(
    features: Path, trained: dict[str, TrainReport], cluster: Cluster, tmp_path: Path
) -> None:
    left = shutil.copytree(features.parent / "boosting-checkpoints", tmp_path / "c")  # of round 20
    steps: list[tuple[str, int, int]] = []
    resumed = train(
        features,
        tmp_path / "m",
        options=BOOSTING,
        cluster=cluster,
        checkpoints=left,
        resume=True,
        progress=lambda *step: steps.append(step),
    )
    assert min(done for stage, done, _ in steps if stage == "fit") == 21
    found, before = (evaluate(features, each.model).metrics for each in (resumed, trained["boosting"]))
    assert found.auc == pytest.approx(before.auc, abs=0.01)
    assert found.log_loss == pytest.approx(before.log_loss, abs=0.005)
    other = BoostingOptions(rounds=26, max_depth=3, checkpoint_every=10)
    with pytest.raises(ConflictError):
        train(features, tmp_path / "o", options=other, cluster=cluster, checkpoints=left, resume=True)
    with pytest.raises(InputError, match="has no checkpoints"):
        train(features, tmp_path / "o", options=LOGISTIC, cluster=cluster, checkpoints=left, resume=True)


def test_a_fit_that_has_no_time_is_given_up(features: Path, cluster: Cluster, tmp_path: Path) -> None:
    long = BoostingOptions(rounds=300, early_stopping=0)
    with pytest.raises(UnavailableError) as caught:
        train(features, tmp_path / "m", options=long, cluster=cluster, time_limit_s=0.001)
    assert caught.value.kind == "job-too-long"
    assert "--time-limit" in caught.value.todo
    assert not (tmp_path / "m").exists()


def test_labels_of_the_validation_day_never_reach_the_trees(
    features: Path, trained: dict[str, TrainReport], cluster: Cluster, tmp_path: Path
) -> None:
    """Without early stopping that day only calibrates, and teaches the log-odds of the days after it."""
    copy = shutil.copytree(features, tmp_path / "f")
    for path in (copy / "day_2").iterdir():
        table = pq.read_table(path)
        flipped = pa.array(1 - table["label"].to_numpy(), pa.uint8())
        pq.write_table(table.set_column(table.column_names.index("label"), "label", flipped), path)
    other = train(copy, tmp_path / "m", options=MODELS["hybrid"][0], cluster=cluster).model
    same = {name: (other / name).read_bytes() == (trained["hybrid"].model / name).read_bytes()
            for name in ("model.ubj", "weights.parquet", "calibration.json")}  # fmt: skip
    assert same == {"model.ubj": True, "weights.parquet": False, "calibration.json": False}


def test_early_stopping_keeps_the_best_round(features: Path, cluster: Cluster, tmp_path: Path) -> None:
    options = BoostingOptions(rounds=300, max_depth=6, learning_rate=0.5, early_stopping=3, max_bin=32)
    description = train(features, tmp_path / "m", options=options, cluster=cluster).description
    assert description.best_round is not None
    assert description.best_round < 100
    model = load_model(tmp_path / "m")
    assert model.predictor.booster.num_boosted_rounds() == description.best_round  # type: ignore[attr-defined]


def test_a_model_asked_with_rows_says_what_it_says_of_their_part(
    features: Path, trained: dict[str, TrainReport]
) -> None:
    path = features / read_feature_set(features).evaluation_day.parts[0].path
    for report in trained.values():
        model = load_model(report.model)
        matrix, _, categories = read_rows(model.predictor, path)
        some = None if categories is None else (categories[0][:, :7], categories[1][:, :7])
        np.testing.assert_array_equal(model.predict(matrix[:7], some), model.predict_part(path)[0][:7])


def test_a_forest_on_gpus_says_what_to_install(features: Path, cluster: Cluster, tmp_path: Path) -> None:
    on_gpus = replace(cluster, spec=replace(cluster.spec, device=Device.CUDA))
    with pytest.raises(InputError, match=r"forebay\[gpu12\]") as caught:
        train(features, tmp_path / "m", options=TR4904, cluster=on_gpus)
    assert caught.value.kind == "missing-extra"


@pytest.mark.soak
def test_a_forest_survives_a_killed_worker_unchanged(
    features: Path, trained: dict[str, TrainReport], tmp_path: Path
) -> None:
    with open_cluster(TWO_WORKERS) as fragile:
        victim = sorted(fragile.client.run(os.getpid).values())[0]
        killed: list[int] = []

        def kill(stage: str, done: int, total: int) -> None:
            if stage == "fit" and done >= total // 2 and not killed:
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)

        report = train(features, tmp_path / "m", options=MODELS["forest"][0], cluster=fragile, progress=kill)
    assert killed
    assert report.lost_workers == 1
    assert (report.model / "model.ubj").read_bytes() == (trained["forest"].model / "model.ubj").read_bytes()


def test_a_forest_is_the_same_on_any_workers(features: Path, trained: dict[str, TrainReport], tmp_path: Path) -> None:
    with open_cluster(EngineSpec(place=Local(), workers=1, threads_per_worker=2)) as other:
        for name in ("tr4904", "forest"):
            model = train(features, tmp_path / name, options=MODELS[name][0], cluster=other).model
            assert (model / "model.ubj").read_bytes() == (trained[name].model / "model.ubj").read_bytes()


@pytest.mark.soak
def test_boosting_survives_a_killed_worker(features: Path, trained: dict[str, TrainReport], tmp_path: Path) -> None:
    with open_cluster(TWO_WORKERS) as fragile:
        victim = sorted(fragile.client.run(os.getpid).values())[0]
        killed: list[int] = []

        def kill(stage: str, done: int, total: int) -> None:
            if done == 12 and not killed:
                killed.append(victim)
                os.kill(victim, signal.SIGKILL)

        report = train(features, tmp_path / "m", options=BOOSTING, cluster=fragile, progress=kill)
    assert killed
    assert report.lost_workers == 1
    found, before = (evaluate(features, each.model).metrics for each in (report, trained["boosting"]))
    assert found.auc == pytest.approx(before.auc, abs=0.01)
    assert found.log_loss == pytest.approx(before.log_loss, abs=0.005)
