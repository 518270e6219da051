"""The charts and tables of a report, each with the sentence that says how to read it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from forebay.charts import scale
from forebay.charts.markup import Markup
from forebay.charts.plot import Columns, Dots, Label, Line, bar, plot
from forebay.charts.scale import percent, percents
from forebay.charts.table import Column, figure, numbers, table
from forebay.ctr.report.training_report import DayRole, TrainingReport

_ROLES: Final = {DayRole.VALIDATE: "validation", DayRole.TEST: "test", DayRole.LATER: "later"}


def roc_figure(report: TrainingReport) -> Markup:
    """True against false positives, with chance beside."""
    auc = report.metrics.auc
    points = tuple((each.false_positive_rate, each.true_positive_rate) for each in report.roc)
    reading = f"A click scores above a non-click in {percents(auc, 1)} of pairs; by chance it would in half of them."
    chart = plot(
        "roc",
        f"ROC curve, AUC {auc:.4f}",
        f"{reading} The curve rises above the diagonal that chance gives.",
        x=scale.whole("False positive rate"),
        y=scale.whole("True positive rate"),
        marks=[
            Line(points=((0.0, 0.0), (1.0, 1.0)), quiet=True),
            Line(points=points),
            Label(text=f"AUC {auc:.4f}", x=0.42, y=_at(points, 0.42), side="end", rise=10),
            Label(text="chance", x=0.64, y=0.56, quiet=True),
        ],
    )
    rows = [
        (_score(each.threshold), f"{each.false_positive_rate:.4f}", f"{each.true_positive_rate:.4f}")
        for each in report.roc
    ]
    columns = numbers("Prediction at least", "False positive rate", "True positive rate")
    return figure("ROC", reading, chart, table("ROC curve", columns, rows))


def precision_figure(report: TrainingReport) -> Markup:
    """Precision by recall, with the CTR beside."""
    ctr, precision = report.metrics.ctr, report.average_precision.value
    points = tuple((each.recall, each.precision) for each in report.precision_recall)
    reading = f"Average precision {precision:.4f}; guessing would give the CTR, {ctr:.4f}."
    chart = plot(
        "pr",
        f"Precision by recall, average precision {precision:.4f}",
        f"{reading} Precision falls as more of the clicks are recalled.",
        x=scale.whole("Recall"),
        y=scale.up_from_zero("Precision", [each.precision for each in report.precision_recall]),
        marks=[
            Line(points=((0.0, ctr), (1.0, ctr)), quiet=True),
            Line(points=points),
            Label(text=f"average precision {precision:.4f}", x=0.3, y=_at(points, 0.3), rise=10),
            Label(text=f"guessing {ctr:.4f}", x=0.02, y=ctr, rise=6, quiet=True),
        ],
    )
    rows = [(_score(each.threshold), f"{each.recall:.4f}", f"{each.precision:.4f}") for each in report.precision_recall]
    columns = numbers("Prediction at least", "Recall", "Precision")
    return figure("Precision and recall", reading, chart, table("Precision by recall", columns, rows))


def lift_figure(report: TrainingReport) -> Markup:
    """The CTR of each tenth of the rows against that of all."""
    first = report.lift[0]
    reading = (
        f"The tenth with the highest predictions holds {percents(first.clicks_share, 0)} of the clicks:"
        f" its CTR is {first.lift:.1f} times that of all rows."
    )
    texts = tuple(f"{each.lift:.1f}" if each.lift >= 0.1 else f"{each.lift:.2f}" for each in report.lift)
    chart = plot(
        "lift",
        "Lift by tenth of the rows",
        f"{reading} The tenths are ordered from the highest predictions to the lowest.",
        x=scale.Axis(
            name="Tenth of the rows, highest predictions first",
            low=0.5,
            high=len(report.lift) + 0.5,
            ticks=tuple(float(each.part) for each in report.lift),
            tell=scale.plain,
        ),
        y=scale.up_from_zero("CTR / CTR of all rows", [each.lift for each in report.lift]),
        marks=[
            Line(points=((0.5, 1.0), (len(report.lift) + 0.5, 1.0)), quiet=True),
            Columns(points=tuple((each.part, each.lift) for each in report.lift), texts=texts),
            Label(text="all rows", x=len(report.lift) + 0.5, y=1.0, side="end", rise=6, quiet=True),
        ],
    )
    rows = [
        (
            str(each.part),
            percents(each.ctr, 4),
            f"{each.lift:.2f}",
            percents(each.rows_share, 0),
            percents(each.clicks_share, 1),
        )
        for each in report.lift
    ]
    columns = numbers("Tenth", "CTR", "Lift", "Rows to here", "Clicks to here")
    return figure("Lift", reading, chart, table("Lift and gains by tenth", columns, rows))


def calibration_figure(report: TrainingReport) -> Markup:
    """What happened against what was said."""
    metrics, points = report.metrics, report.calibration
    reading = (
        f"Predictions are {metrics.calibration:.3f} times the CTR on average; expected calibration error"
        f" {metrics.calibration_error:.5f}. Intervals are of 95\N{NO-BREAK SPACE}%."
    )
    # Where nobody clicked, CTR and low end are 0, which is nowhere on a logarithmic axis: they are drawn at its end.
    values = [value for each in points for value in (each.mean_prediction, each.ctr, each.high) if value > 0]
    x, y = (scale.doubling(name, values, tell=percent) for name in ("Mean prediction", "CTR"))
    chart = plot(
        "calibration",
        "Calibration: CTR by mean prediction",
        f"{reading} Points on the diagonal are predicted right. Both axes are logarithmic.",
        x=x,
        y=y,
        marks=[
            Line(points=((x.low, x.low), (x.high, x.high)), quiet=True),
            Dots(points=tuple((each.mean_prediction, each.ctr, each.low, each.high) for each in points)),
            Label(text="predicted right", x=x.at(0.55), y=y.at(0.46), quiet=True),
        ],
    )
    rows = [
        (
            percents(each.mean_prediction, 4),
            percents(each.ctr, 4),
            percents(each.low, 4),
            percents(each.high, 4),
            f"{each.rows:,}",
        )
        for each in points
    ]
    columns = numbers("Mean prediction", "CTR", "Low", "High", "Rows")
    return figure("Calibration", reading, chart, table("Calibration by prediction", columns, rows))


def auc_by_day(report: TrainingReport) -> Markup:
    """Whether the model ranks worse as days go by."""
    worst = min(report.days, key=lambda each: each.auc)
    return _by_day(
        "auc-by-day",
        "AUC",
        f"Lowest on day {worst.day}: {worst.auc:.4f}."
        " Days whose 95\N{NO-BREAK SPACE}% intervals overlap may differ by chance.",
        [(each.day, each.auc, each.auc_low, each.auc_high) for each in report.days],
        digits=4,
    )


def calibration_by_day(report: TrainingReport) -> Markup:
    """Whether predictions become too high or too low as days go by."""
    furthest = max(report.days, key=lambda each: abs(each.calibration - 1))
    return _by_day(
        "calibration-by-day",
        "Calibration",
        f"Mean prediction / CTR, 1 is right. Furthest from it on day {furthest.day}: {furthest.calibration:.3f}.",
        [(each.day, each.calibration, each.calibration_low, each.calibration_high) for each in report.days],
        digits=3,
        right=1.0,
    )


def _by_day(
    key: str,
    name: str,
    reading: str,
    points: Sequence[tuple[int, float, float, float]],
    *,
    digits: int,
    right: float | None = None,
) -> Markup:
    first, last = points[0][0], points[-1][0]
    x = scale.Axis(name="Day", low=first - 0.5, high=last + 0.5, ticks=_whole_ticks(first, last), tell=scale.plain)
    bounds = [value for _, _, low, high in points for value in (low, high)]
    level = () if right is None else (Line(points=((x.low, right), (x.high, right)), quiet=True),)
    chart = plot(
        key,
        f"{name} by day",
        f"{reading} {len(points)} days, from day {first} to day {last}.",
        x=x,
        y=scale.around(
            name, bounds if right is None else [*bounds, right], tell=lambda value: f"{value:.{digits - 1}f}"
        ),
        marks=[
            *level,
            Dots(points=tuple((float(day), value, low, high) for day, value, low, high in points)),
            *(
                Label(text=f"{value:.{digits}f}", x=day, y=high, rise=6, side="middle")
                for day, value, _, high in _few(points)
            ),
        ],
        height=220.0,
    )
    return figure(f"{name} by day", reading, chart, None)


def days_table(report: TrainingReport) -> Markup:
    """All measures by day."""
    columns = [
        Column(head="Day"),
        Column(head="For", words=True),
        *numbers("AUC", "Low", "High", "Log loss", "Normalised entropy", "Calibration", "Shift", "CTR", "Rows"),
    ]
    rows = [
        (
            str(each.day),
            _ROLES[each.role],
            f"{each.auc:.4f}",
            f"{each.auc_low:.4f}",
            f"{each.auc_high:.4f}",
            f"{each.log_loss:.4f}",
            f"{each.normalised_entropy:.4f}",
            f"{each.calibration:.3f}",
            "" if each.shift is None else f"{each.shift:.4f}",
            percents(each.ctr, 3),
            f"{each.rows:,}",
        )
        for each in report.days
    ]
    return table("Quality by day", columns, rows)


def importance_table(report: TrainingReport, *, most: int) -> tuple[Markup, Markup | None]:
    """The features that gain most, and the others where there are more than `most`."""
    columns = (
        Column(head="Feature", words=True),
        Column(head="Beside the largest", words=True),
        *numbers("Share", "Gain"),
    )
    largest = max((each.share for each in report.importance), default=1.0) or 1.0
    rows: list[Sequence[str]] = [
        (each.feature, bar(each.share / largest), percents(each.share, 1), f"{each.gain:,.2f}")
        for each in report.importance
    ]
    rest = table("The other features", columns, rows[most:]) if len(rows) > most else None
    return table("Features by gain", columns, rows[:most]), rest


def stages_table(report: TrainingReport) -> Markup:
    """Where the time went."""
    longest = max((each.seconds for each in report.stages), default=0.0) or 1.0
    columns = (
        Column(head="Stage", words=True),
        Column(head="Beside the longest", words=True),
        *numbers("Seconds", "Rows", "Rows/s"),
    )
    rows = [
        (
            each.stage,
            bar(each.seconds / longest),
            f"{each.seconds:,.2f}",
            "" if each.rows is None else f"{each.rows:,}",
            "" if each.rows_s is None else f"{each.rows_s:,.0f}",
        )
        for each in report.stages
    ]
    return table("Wall time by stage", columns, rows)


def _score(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.5f}"


def _at(points: Sequence[tuple[float, float]], x: float) -> float:
    """The height of a line at `x`."""
    for (left, below), (right, above) in pairwise(points):
        if left <= x <= right and right > left:
            return below + (above - below) * (x - left) / (right - left)
    return points[-1][1] if x > points[-1][0] else points[0][1]


def _whole_ticks(first: int, last: int) -> tuple[float, ...]:
    """Whole days, few enough to be read."""
    step = max(1, int(scale.round_step(last - first or 1, 8)))
    return tuple(float(day) for day in range(first, last + 1, step))


def _few(points: Sequence[tuple[int, float, float, float]]) -> Sequence[tuple[int, float, float, float]]:
    """Those that are named in the chart: all of few, else the first and the last."""
    return points if len(points) <= 6 else (points[0], points[-1])
