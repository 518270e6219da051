"""What of a training report every run may tell."""

from __future__ import annotations

from forebay.ctr.report.told import told_figures
from forebay.runs.figures import read_figures, write_figures
from tests.unit.ctr.report.samples import sample


def test_the_figures_are_those_of_the_report() -> None:
    report = sample(rows=2_000)
    told = told_figures(report)
    assert told.metrics["auc"] == report.metrics.auc
    assert told.metrics["average_precision"] == report.average_precision.value
    assert (told.parameters["learning_rate"], told.parameters["seed"], told.parameters["test_day"]) == ("0.1", "1", "5")
    assert told.stages["fit"] == 41.73
    assert [(curve.name, len(curve.points)) for curve in told.curves] == [
        ("ROC", len(report.roc)),
        ("Precision by recall", len(report.precision_recall)),
        ("Calibration", len(report.calibration)),
        ("AUC by day", 4),
    ]


def test_they_come_back_as_they_were_written() -> None:
    told = told_figures(sample(rows=2_000))
    assert read_figures(write_figures(told)) == told
