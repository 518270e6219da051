"""The figures of a training report, as every run may tell them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from forebay.ctr.report.training_report import TrainingReport
from forebay.runs.figures import Curve, Figures


def told_figures(report: TrainingReport) -> Figures:
    """Metrics of the test day, options and seeds, seconds by stage, and the curves that models are compared by."""
    metrics, made = report.metrics, report.provenance
    return Figures(
        metrics={
            "auc": metrics.auc,
            "auc_low": report.auc_low,
            "auc_high": report.auc_high,
            "log_loss": metrics.log_loss,
            "normalised_entropy": metrics.normalised_entropy,
            "average_precision": report.average_precision.value,
            "calibration": metrics.calibration,
            "calibration_error": metrics.calibration_error,
            "ctr": metrics.ctr,
            "test_rows": float(metrics.rows),
            "train_rows": float(made.train_rows),
        },
        parameters={
            "model": report.model,
            **{name: str(value) for name, value in made.seeds.items()},
            **made.options,
            "features": made.features,
            "train_days": ", ".join(map(str, made.train_days)),
            "test_day": str(report.day),
        },
        stages={each.stage: each.seconds for each in report.stages},
        curves=(
            _curve(
                "ROC",
                "False positive rate",
                "True positive rate",
                ((each.false_positive_rate, each.true_positive_rate) for each in report.roc),
            ),
            _curve(
                "Precision by recall",
                "Recall",
                "Precision",
                ((each.recall, each.precision) for each in report.precision_recall),
            ),
            _curve(
                "Calibration",
                "Mean prediction",
                "CTR",
                ((each.mean_prediction, each.ctr) for each in report.calibration),
            ),
            _curve("AUC by day", "Day", "AUC", ((float(each.day), each.auc) for each in report.days)),
        ),
    )


def _curve(name: str, x: str, y: str, points: Iterable[tuple[float, float]]) -> Curve:
    return Curve(name=name, x=x, y=y, points=tuple(points))
