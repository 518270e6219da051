"""The comparison on small days: the baselines themselves, then contenders in processes of their own."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.ctr.compare import frames, gradient
from forebay.ctr.compare.answer import Answer
from forebay.ctr.compare.comparison import CompareOptions, compare, outcome_of
from forebay.ctr.compare.contender import said
from forebay.ctr.compare.cut import Cuts, count_days, count_rows
from forebay.ctr.compare.given import given
from forebay.ctr.compare.measured import Limits, Measured
from forebay.ctr.compare.own import run_forebay
from forebay.ctr.compare.sections import sections
from forebay.ctr.compare.trial import Cost, Done, Failed, Outcome, Reason, Trial
from forebay.ctr.generate import generate
from forebay.ctr.law import LawOptions
from forebay.ctr.source import find_days
from forebay.ctr.stages import no_progress
from forebay.errors import InputError

ROWS = 10_000
LIMITS = Limits(memory_bytes=1 << 30, time_s=60.0)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of 10,000 rows, CTR 10 %."""
    out = tmp_path_factory.mktemp("clicks")
    generate(out, days=3, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    return out


@pytest.fixture(scope="module")
def rows(clicks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All train rows, and 8,000 to test on."""
    return Cuts(count_days(clicks), tmp_path_factory.mktemp("cuts"), test_rows=8_000).folder(ROWS)


def test_rows_are_counted_and_the_first_of_each_day_are_taken(clicks: Path, tmp_path: Path) -> None:
    generate(tmp_path / "c", days=4, rows_per_day=100)
    counted = count_days(tmp_path / "c")
    assert dict(counted.rows) == {0: 100, 1: 100, 2: 100, 3: 100}
    assert (counted.split.train, counted.split.validate, counted.split.test) == ((0, 1), 2, 3)
    (tmp_path / "scratch").mkdir()
    cuts = Cuts(counted, tmp_path / "scratch", test_rows=30)
    folder = cuts.folder(51)
    assert folder == cuts.folder(51)
    rows = {day.name: count_rows(day) for day in find_days(folder)}
    assert rows == {"day_0": 26, "day_1": 25, "day_2": 30, "day_3": 30}
    for path in folder.iterdir():
        assert (tmp_path / "c" / path.name).read_bytes().startswith(path.read_bytes())
    assert Cuts(counted, tmp_path, test_rows=1_000).test_rows == 100


def test_lines_are_counted_with_and_without_an_end(tmp_path: Path) -> None:
    for text, lines in ((b"", 0), (b"\n\n", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"a\nb\n\r\n\n", 2)):
        (tmp_path / "day_0").write_bytes(text)
        assert [count_rows(day) for day in find_days(tmp_path)] == [lines]


@pytest.mark.parametrize("packing", ["gzip", "kaggle"])
def test_packed_days_and_kaggles_file_are_cut_into_plain_days(clicks: Path, tmp_path: Path, packing: str) -> None:
    lines = {day: (clicks / f"day_{day}").read_bytes().splitlines(keepends=True)[:700] for day in range(3)}
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    source.mkdir()
    scratch.mkdir()
    if packing == "gzip":
        for day, text in lines.items():
            (source / f"day_{day}.gz").write_bytes(gzip.compress(b"".join(text)))
    else:
        (source / "train.txt").write_bytes(b"".join(line for text in lines.values() for line in text))
    counted = count_days(source)
    assert sum(counted.rows.values()) == 2100
    folder = Cuts(counted, scratch, test_rows=50).folder(200)
    cut = given(folder)
    assert sum(count_rows(day) for day in cut.train) == 200
    assert count_rows(cut.test) == 50
    whole = b"".join(line for text in lines.values() for line in text)
    assert all(path.read_bytes() in whole for path in folder.iterdir())


def test_a_train_day_that_gives_no_row_has_no_file(clicks: Path, tmp_path: Path) -> None:
    for day, rows in ((0, 1), (1, 900), (2, 100), (3, 100)):
        text = (clicks / "day_0").read_bytes().splitlines(keepends=True)[:rows]
        (tmp_path / f"day_{day}").write_bytes(b"".join(text))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = Cuts(count_days(tmp_path), scratch, test_rows=50).folder(10)
    assert sorted(path.name for path in folder.iterdir()) == ["day_1", "day_2", "day_3"]
    cut = given(folder)
    assert [day.number for day in (*cut.train, *cut.later)] == [1, 2, 3]


def test_the_tuned_forest_is_as_good_as_the_reports(rows: Path) -> None:
    report = frames.pandas_forest(rows, seed=1, progress=no_progress)
    tuned = frames.tuned_forest(rows, seed=1, progress=no_progress)
    for answer in (report, tuned):
        assert (answer.train_rows, answer.metrics.rows) == (ROWS, 8_000)
        assert {"read", "fit", "predict"} <= set(answer.seconds)
    assert report.metrics.clicks == tuned.metrics.clicks
    assert tuned.metrics.auc == pytest.approx(report.metrics.auc, abs=0.01)
    assert report.metrics.auc > 0.55


def test_sklearn_boosting_learns_from_the_categories_too(rows: Path) -> None:
    boosted = frames.sklearn_boosting(rows, rounds=25, seed=1, progress=no_progress)
    assert (boosted.train_rows, boosted.metrics.rows) == (ROWS, 8_000)
    assert boosted.metrics.auc > frames.tuned_forest(rows, seed=1, progress=no_progress).metrics.auc


def test_polars_and_lightgbm_learn_from_the_categories_too(rows: Path) -> None:
    boosted = gradient.polars_lightgbm(rows, rounds=25, seed=1, progress=no_progress)
    assert (boosted.train_rows, boosted.metrics.rows) == (ROWS, 8_000)
    assert boosted.metrics.auc > frames.tuned_forest(rows, seed=1, progress=no_progress).metrics.auc
    assert list(boosted.seconds) == ["read", "features", "fit", "predict"]


@pytest.mark.parametrize("model", ["boosting", "hybrid"])
def test_forebays_trees_take_part_without_a_limit_of_their_own(model: str, rows: Path, tmp_path: Path) -> None:
    answer = run_forebay(model, rows, tmp_path, rounds=20, seed=1, progress=no_progress)
    assert answer.train_rows == ROWS
    assert answer.metrics.auc > 0.55
    assert answer.seconds["fit"] > 0


def test_lightgbm_is_done_with_the_first_round_after_its_time(rows: Path) -> None:
    late = gradient.polars_lightgbm(rows, rounds=25, seed=1, time_limit_s=0.0, progress=no_progress)
    once = gradient.polars_lightgbm(rows, rounds=1, seed=1, progress=no_progress)
    assert late.metrics == once.metrics


def test_rounds_end_with_the_validation_rows(tmp_path: Path) -> None:
    """Where nothing can be learnt more rounds make it worse, and the validation rows say so."""
    generate(tmp_path, days=3, rows_per_day=2_000, options=LawOptions(ctr=0.1, signal=0.0, cardinality_scale=0.1))
    (tmp_path / "two").mkdir()
    for day in (0, 2):
        (tmp_path / "two" / f"day_{day}").hardlink_to(tmp_path / f"day_{day}")
    for boosting in (frames.sklearn_boosting, gradient.polars_lightgbm):
        losses = [
            boosting(folder, rounds=60, seed=1, progress=no_progress).metrics.log_loss
            for folder in (tmp_path, tmp_path / "two")
        ]
        assert losses[0] < losses[1], boosting.__name__


@pytest.mark.parametrize("boosting", [frames.sklearn_boosting, gradient.polars_lightgbm])
def test_the_baselines_features_do_not_leak(tmp_path: Path, boosting: Callable[..., Answer]) -> None:
    generate(tmp_path, rows_per_day=ROWS, options=LawOptions(ctr=0.1, signal=0.0, cardinality_scale=0.1))
    answer = boosting(tmp_path, rounds=25, seed=1, progress=no_progress)
    assert abs(answer.metrics.auc - 0.5) < 4 * 0.5 / math.sqrt(answer.metrics.clicks)


def test_an_error_of_a_contender_is_its_answer(tmp_path: Path) -> None:
    for day in (0, 1):
        (tmp_path / f"day_{day}").write_bytes(b"no click log\n")
    for name, rounds in (
        ("pandas-forest", None),
        ("tuned-forest", None),
        ("sklearn-boosting", 1),
        ("polars-lightgbm", 1),
        ("forebay-forest", None),
        ("forebay-direct", None),
    ):
        answer = said(name, tmp_path, rounds=rounds, seed=1)
        assert answer["error"], name
        assert not answer["out_of_memory"]


def test_what_a_measured_process_means() -> None:
    trial = Trial(contender="tuned-forest", rows=7)
    cost = Cost(wall_s=5.0, cpu_s=4.0, peak_bytes=1)
    quality = dict.fromkeys(("rows", "clicks", "auc", "log_loss", "normalised_entropy", "calibration"), 1)
    good = {"train_rows": 7, "seconds": {"read": 1.0, "fit": 2.0}, "quality": {**quality, "calibration_error": 1}}

    def outcome(answer: object = None, exit_code: int | None = 0, over: str = "", errors: str = "") -> Outcome:
        measured = Measured(
            cost=cost,
            exit_code=exit_code,
            over=over,
            answer=answer,  # type: ignore[arg-type]
            errors=errors,
        )
        return outcome_of(trial, measured, LIMITS)

    done = outcome(good)
    assert isinstance(done, Done)
    assert (done.seconds.read, done.seconds.fit, done.seconds.other) == (1.0, 2.0, 2.0)
    for failed, reason, word in (
        (outcome(over="memory", exit_code=None), Reason.OUT_OF_MEMORY, "memory limit of 1.00 GiB"),
        (outcome(over="time", exit_code=None), Reason.TOO_LONG, "time limit of 60 s"),
        (outcome(exit_code=-9), Reason.OUT_OF_MEMORY, "killed by the system"),
        (outcome({"error": "MemoryError: ", "out_of_memory": True}), Reason.OUT_OF_MEMORY, "MemoryError"),
        (outcome({"error": "bad-row: x", "out_of_memory": False}), Reason.FAILED, "bad-row"),
        (outcome(exit_code=1, errors="Traceback\nImportError: y"), Reason.FAILED, "ImportError: y"),
        (outcome(exit_code=3), Reason.FAILED, "exit status 3"),
        (outcome({**good, "train_rows": 8}), Reason.FAILED, "learned from 8 rows, not from the 7 given"),
    ):
        assert isinstance(failed, Failed)
        assert failed.reason is reason
        assert word in failed.error


def test_bad_requests_are_refused_before_anything_runs(clicks: Path) -> None:
    for options, kind in (
        (CompareOptions(contenders=("spark",)), "no-such-contender"),
        (CompareOptions(sizes=(ROWS + 1,)), "bad-size"),
    ):
        with pytest.raises(InputError) as caught:
            compare(clicks, options=options)
        assert caught.value.kind == kind
    with pytest.raises(InputError):
        CompareOptions(time_limit_s=0.0)


def test_two_contenders_on_the_same_rows(clicks: Path, tmp_path: Path) -> None:
    told: list[str] = []
    options = CompareOptions(sizes=(5_000,), contenders=("forebay-direct",), test_rows=8_000, climb=False)
    report = compare(clicks, options=options, scratch=tmp_path, progress=lambda stage, *_: told.append(stage))
    assert list(tmp_path.iterdir()) == []
    forest, direct = report.outcomes
    assert isinstance(forest, Done), forest
    assert isinstance(direct, Done), direct
    assert (forest.trial.contender, direct.trial.contender) == ("pandas-forest", "forebay-direct")
    assert forest.quality.rows == direct.quality.rows == report.test_rows == 8_000
    assert forest.quality.clicks == direct.quality.clicks
    for done in (forest, direct):
        assert done.cost.cpu_s > 0.1
        assert done.cost.peak_bytes > 50 << 20
        assert done.seconds.fit > 0.0
    assert (len(report.time_to_auc), len(report.equal_cpu), report.same_algorithm) == (2, 2, ())
    assert any(line.startswith("pandas-forest, 5,000 rows (1 of 2)") for line in told)
    assert report.failures == 0
    text = json.dumps([section.rows for section in sections(report)])
    assert f"{forest.quality.auc:.4f}" in text
