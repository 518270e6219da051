"""What `forebay ctr` says to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from forebay.cli.table import print_facts, say
from forebay.cli.words import count, duration, size

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.commit import Committed
    from forebay.ctr.metrics import Metrics
    from forebay.ctr.parse import BadRows
    from forebay.ctr.truth import TruthDay
    from forebay.ctr.workload import PrepareReport, TrainReport


def print_prepared(out: Console, committed: Committed, report: PrepareReport) -> None:
    """The version of the features, and what went into it."""
    version = committed.version
    what = "committed" if committed.created else "nothing changed: already committed as"
    parents = ", ".join(parent.ref for parent in version.parents)
    say(out, f"{what} {version.ref}: {size(version.size_bytes)} of features, made from {parents}")
    parts = {"train": report.train_rows, "validate": report.validation_rows, "evaluate": report.evaluation_rows}
    rows = f"{report.rows:,}: " + ", ".join(f"{number:,} to {part} on" for part, number in parts.items() if number)
    print_facts(out, [("rows", rows), ("left out", _bad(report.bad_rows)), ("seconds", _stages(report.seconds))])
    for bad in report.first_bad_rows:
        say(out, f"left out: {bad.file}, line {bad.line:,}: {bad.told}")


def print_trained(out: Console, report: TrainReport, page: str) -> None:
    """The model, how it did on the validation day, and where the report on it is."""
    seconds, description = report.seconds, report.description
    rows = count(report.rows, "row")
    say(out, f"{description.model}, trained on {rows} in {duration(sum(seconds.values()))}: {report.model}")
    print_facts(
        out,
        [
            ("best round", "" if description.best_round is None else f"{description.best_round:,}"),
            ("validation", _validation(report)),
            ("workers lost", f"{report.lost_workers}" if report.lost_workers else ""),
            ("rows/s", f"{report.rows_s:,.0f}"),
            ("seconds", _stages(seconds)),
        ],
    )
    say(out, page)


def _validation(report: TrainReport) -> str:
    found = report.validation
    if found is None:
        return ""
    area = "" if found.auc is None else f"AUC {found.auc:.4f}, "
    return f"day {found.day}: {area}log loss {found.log_loss:.4f}, not yet calibrated"


def _bad(bad: BadRows) -> str:
    if not bad.total:
        return ""
    counts = {"columns": bad.columns, "label": bad.label, "integer": bad.integer, "category": bad.category}
    told = ", ".join(f"{number:,} by {reason}" for reason, number in counts.items() if number)
    return f"{count(bad.total, 'bad row')} ({told})"


def _stages(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {taken:.1f}" for stage, taken in seconds.items())


def print_metrics(out: Console, told: str, metrics: Metrics, best: TruthDay | None = None) -> None:
    """How good a model is; beside it the `best` possible, where that is known."""
    say(out, told)

    def beside(value: float | None) -> str:
        return "" if value is None else f"   (best possible: {value:.4f})"

    best_entropy = best.best_normalised_entropy if best else None
    print_facts(
        out,
        [
            ("rows", f"{metrics.rows:,}, {metrics.clicks:,} clicks (CTR {metrics.ctr:.4%})"),
            ("AUC", f"{metrics.auc:.4f}{beside(best.best_auc if best else None)}"),
            ("log loss", f"{metrics.log_loss:.4f}{beside(best.best_log_loss if best else None)}"),
            (
                "normalised entropy",
                f"{metrics.normalised_entropy:.4f}{beside(best_entropy)}",
            ),
            (
                "calibration",
                f"{metrics.calibration:.4f} (1 is right on average), error {metrics.calibration_error:.5f}",
            ),
        ],
    )
