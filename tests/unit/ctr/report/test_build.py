"""A report is made of plain values, says what they say, and is read back as it was written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from forebay.ctr.curves import Bounded, CalibrationPoint, LiftPart, PrecisionPoint, RocPoint
from forebay.ctr.metrics import Metrics
from forebay.ctr.report.build import ScoredDay, build_report, stage_times
from forebay.ctr.report.files import write_report
from forebay.ctr.report.training_report import (
    DayQuality,
    DayRole,
    Importance,
    Provenance,
    StageTime,
    TrainingReport,
    read_report,
)
from forebay.ctr.score_histogram import ScoreHistogram
from forebay.errors import DamagedError, InputError, NotFoundError
from tests.unit.ctr.report.samples import sample, scored

REPORT = sample()


def test_areas_are_those_of_the_test_day() -> None:
    labels, predictions = scored(20_000, seed=5)
    assert REPORT.day == 5
    assert REPORT.metrics.auc == pytest.approx(roc_auc_score(labels, predictions))
    assert REPORT.auc_low < REPORT.metrics.auc < REPORT.auc_high
    precision = REPORT.average_precision
    assert precision.low <= average_precision_score(labels, predictions) <= precision.high
    assert precision.high - precision.low < 0.005


def test_days_are_told_in_their_order_and_drift_is_seen() -> None:
    assert [(each.day, each.role) for each in REPORT.days] == [
        (4, DayRole.VALIDATE),
        (5, DayRole.TEST),
        (6, DayRole.LATER),
        (7, DayRole.LATER),
    ]
    test, last = REPORT.days[1], REPORT.days[3]
    assert (test.rows, test.clicks) == (REPORT.metrics.rows, REPORT.metrics.clicks)
    assert test.auc == pytest.approx(REPORT.metrics.auc, abs=1e-5)
    assert test.log_loss == pytest.approx(REPORT.metrics.log_loss, rel=1e-9)
    assert test.normalised_entropy == pytest.approx(REPORT.metrics.normalised_entropy, rel=1e-9)
    assert test.calibration == pytest.approx(REPORT.metrics.calibration, rel=1e-9)
    # The last day's predictions are 0.2 of logit too high.
    assert last.calibration_low > 1.1 > test.calibration_low
    first_shift, *shifts = (each.shift for each in REPORT.days)
    assert first_shift is None
    assert shifts[0] is not None
    assert shifts[-1] is not None
    assert shifts[0] < shifts[-1]


def test_importance_is_shared_out_the_largest_first() -> None:
    shares = [each.share for each in REPORT.importance]
    assert REPORT.importance[0].feature == "C1_rate"
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert sample(gains={}).importance == ()


def test_stages_tell_rows_a_second_where_there_are_rows() -> None:
    fit, save, instant = stage_times({"fit": 2.0, "save": 1.0, "count": 0.0}, {"fit": 100, "count": 5})
    assert (fit.stage, fit.seconds, fit.rows, fit.rows_s) == ("fit", 2.0, 100, 50.0)
    assert (save.rows, save.rows_s) == (None, None)
    assert (instant.rows, instant.rows_s) == (5, None)


@pytest.mark.parametrize("roles", [[], [DayRole.TEST, DayRole.TEST], [DayRole.VALIDATE]])
def test_a_report_is_on_one_test_day(roles: list[DayRole]) -> None:
    scores = ScoreHistogram.of(*scored(1000, seed=1))
    days = [ScoredDay(day=day, role=role, scores=scores) for day, role in enumerate(roles)]
    with pytest.raises(InputError) as caught:
        build_report(
            model="boosting",
            metrics=REPORT.metrics,
            days=days,
            importance={},
            stages=(),
            provenance=REPORT.provenance,
        )
    assert caught.value.kind == "bad-days"


@pytest.mark.parametrize("report", [REPORT, sample(later=0, gains={})], ids=["full", "bare"])
def test_what_is_written_is_read_back(report: TrainingReport, tmp_path: Path) -> None:
    page = write_report(tmp_path / "new" / "folder", report)
    assert page.name == "report.html"
    assert read_report(page.parent) == report
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json"]


def test_an_older_report_is_replaced(tmp_path: Path) -> None:
    write_report(tmp_path, REPORT)
    newer = dataclasses.replace(REPORT, model="forest")
    page = write_report(tmp_path, newer)
    assert read_report(tmp_path) == newer
    assert "Forest on" in page.read_text()


def test_json_is_strict_and_flat_in_rows(tmp_path: Path) -> None:
    write_report(tmp_path, sample(rows=200_000))
    text = (tmp_path / "report.json").read_text()
    assert len(text) < 150_000
    assert json.loads(text, parse_constant=pytest.fail)["format"] == 1


def test_what_is_no_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_report(tmp_path)
    write_report(tmp_path, REPORT)
    path = tmp_path / "report.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"format": 99}))
    with pytest.raises(DamagedError) as caught:
        read_report(tmp_path)
    assert caught.value.kind == "unknown-format"
    path.write_text(json.dumps({key: item for key, item in value.items() if key != "roc"}))
    with pytest.raises(DamagedError, match="roc") as caught:
        read_report(tmp_path)
    assert caught.value.kind == "bad-report"


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / name, sample())
    for file in ("report.json", "report.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_docs_name_every_field() -> None:
    page = (Path(__file__).parents[4] / "docs" / "ctr.md").read_text()
    section = page.partition("## The report\n")[2].partition("\n## ")[0]
    kinds = (TrainingReport, Metrics, Bounded, RocPoint, PrecisionPoint, LiftPart, CalibrationPoint)
    for kind in (*kinds, Importance, DayQuality, StageTime, Provenance):
        told = [each.name for each in dataclasses.fields(kind) if f"`{each.name}`" not in section]
        assert not told, f"{kind.__name__}: docs/ctr.md does not name {told}"


def test_samples_are_drawn_as_they_say() -> None:
    labels, predictions = scored(50_000, seed=3)
    assert float(np.mean(predictions)) == pytest.approx(float(labels.mean()), rel=0.1)
