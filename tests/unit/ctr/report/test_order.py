"""Which days a report is on, and what it takes from its order."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from forebay.ctr.feature_set import FeatureDay, FeaturePart, FeatureSet
from forebay.ctr.metrics import measure
from forebay.ctr.parse import BadRows
from forebay.ctr.report.build import ScoredDay, stage_times
from forebay.ctr.report.order import ReportOrder, TrainedModel, make_report, other_days
from forebay.ctr.report.training_report import DayRole, read_report
from forebay.ctr.score_histogram import ScoreHistogram
from forebay.ctr.split import default_split
from tests.unit.ctr.report.samples import scored

BAD = BadRows(**{field.name: 0 for field in dataclasses.fields(BadRows)})
MODEL = TrainedModel(
    kind="boosting",
    train_days=(0, 1),
    train_rows=200,
    importance={"I1": 3.0, "I2": 1.0},
    options={"seed": 7, "data_seed": 3, "rounds": 5},
    versions={"xgboost": "3.2.0"},
)


def feature_set(days: int, directory: Path = Path("features")) -> FeatureSet:
    part = FeaturePart(path="day/part", rows=100, clicks=3, sha256="")
    return FeatureSet(
        directory=directory,
        digest="9f2c",
        features=("I1", "I2"),
        parents=("clicks@v1",),
        encoder_options={},
        split=default_split(range(days)),
        days=tuple(FeatureDay(day=day, source_bytes=1, bad_rows=BAD, parts=(part,)) for day in range(days)),
    )


@pytest.mark.parametrize(
    ("train_days", "others"),
    [((0, 1, 2), []), ((0, 1), [(DayRole.VALIDATE, 2)]), ((1,), [(DayRole.VALIDATE, 0), (DayRole.VALIDATE, 2)])],
)
def test_every_day_that_was_not_trained_on_is_looked_at(
    train_days: tuple[int, ...], others: list[tuple[DayRole, int]]
) -> None:
    assert [(role, each.day) for role, each in other_days(feature_set(4), train_days)] == others


@pytest.mark.parametrize(("named", "told"), [("features@v3", "features@v3"), ("", "of-clicks")])
def test_a_report_says_what_only_its_order_knows(named: str, told: str, tmp_path: Path) -> None:
    labels, predictions = scored(5_000, seed=1)
    order = ReportOrder(
        folder=tmp_path,
        made_at=1.5,
        features=named,
        command="train it",
        code="git:abc",
        earlier=stage_times({"fit": 2.0}, {"fit": 200}),
    )
    tested = ScoredDay(day=3, role=DayRole.TEST, scores=ScoreHistogram.of(labels, predictions))
    # A day without a click has no AUC.
    silent = ScoreHistogram.of(np.zeros(10, np.uint8), predictions[:10])
    page = make_report(
        order,
        feature_set(4, Path("of-clicks")),
        MODEL,
        metrics=measure(labels, predictions),
        days=[tested, ScoredDay(day=2, role=DayRole.VALIDATE, scores=silent)],
        seconds={"predict": 0.5, "measure": 0.25},
    )
    report = read_report(page.parent)
    assert [each.day for each in report.days] == [3]
    assert [(each.stage, each.rows) for each in report.stages] == [("fit", 200), ("predict", 5_010), ("measure", 5_000)]
    made_by = report.provenance
    assert (made_by.features, made_by.command, made_by.code, made_by.made_at) == (told, "train it", "git:abc", 1.5)
    assert (made_by.seeds, made_by.options) == ({"seed": 7, "data_seed": 3}, {"rounds": "5"})
    assert set(made_by.versions) == {"python", "xgboost"}
