"""`forebay ctr`: the reference workload, on versions from the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli.bars import ByteBar, step_bar
from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.made_by import made_by_this_call
from forebay.cli.options import Message, Ref
from forebay.cli.table import print_facts, say
from forebay.cli.words import count, duration, size

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.commit import Committed
    from forebay.client.opened import OpenedVersion
    from forebay.ctr.metrics import Metrics
    from forebay.ctr.parse import BadRows
    from forebay.ctr.workload import PrepareReport

app = typer.Typer(cls=Group, no_args_is_help=True, help="Click prediction: the reference workload.")


class OnBadRows(StrEnum):
    """What to do with a row that is no click log."""

    ERROR = "error"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareResult:
    """The features' version, and what was made of how many rows."""

    committed: Committed
    report: PrepareReport


OutDir = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where to write; made if absent.", show_default=False)
]


@command(
    app,
    "generate",
    example="""
forebay ctr generate --out /data/clicks --days 3 --rows-per-day 1000000
forebay dataset register clicks 'file:///data/clicks/day_*'""",
    gives="forebay.ctr.workload:GenerateReport",
)
def generate(
    call: Call,
    out: OutDir,
    days: Annotated[int, typer.Option(min=1, help="Files day_0, day_1, ...")] = 2,
    rows_per_day: Annotated[int, typer.Option(min=1, help="Rows in each.")] = 500_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    ctr: Annotated[float, typer.Option(help="Share of rows with a click.")] = 0.03,
    drift: Annotated[float, typer.Option(help="How far days differ.")] = 0.03,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the days that are there.")] = False,
) -> None:
    """Write click logs in Criteo's format.

    Their true probabilities are known, and so is the best possible result: `truth.json` has it.
    """
    from forebay.ctr.law import LawOptions
    from forebay.ctr.workload import generate as use

    total = days * rows_per_day
    with step_bar(call) as progress:
        report = use(
            out,
            days=days,
            rows_per_day=rows_per_day,
            options=LawOptions(seed=seed, ctr=ctr, drift=drift),
            overwrite=overwrite,
            on_progress=lambda rows: progress("generating", rows, total),
        )
    told = (
        f"{count(report.rows, 'row')} in {count(days, 'day')}, {size(report.size_bytes)}, in {duration(report.seconds)}"
    )
    paths = (str(out / day.file) for day in report.truth.days)
    call.show(report, ids=paths, human=lambda console: say(console, f"wrote {told}: {out}"))


@command(
    app,
    "prepare",
    example="forebay ctr prepare clicks@v1 --out clicks-features",
    gives="forebay.cli.ctr:PrepareResult",
)
def prepare(
    call: Call,
    ref: Ref,
    out: Annotated[str, typer.Option("--out", metavar="NAME", help="The dataset to commit to.", show_default=False)],
    on_bad_rows: Annotated[
        OnBadRows, typer.Option(help="Stop at a bad row, or leave it out and count it.")
    ] = OnBadRows.ERROR,
    message: Message = "",
) -> None:
    """Make features of click logs, and a version of them.

    The version of the click logs becomes its parent. The last day is for evaluation: nothing of it gets into the
    features of the days before.
    """
    from forebay.catalog.names import check_dataset_name
    from forebay.client.commit import commit
    from forebay.ctr.workload import prepare as use

    check_dataset_name(out)
    with _opened(call, ref) as logs, _work_folder() as folder, step_bar(call) as progress:
        report = use(
            logs.path,
            folder / out,
            on_bad_rows=on_bad_rows.value,
            parents=[logs.version.ref],
            progress=progress,
        )
        committed = commit(
            call.session,
            out,
            folder / out,
            parents=[logs.version.ref],
            message=message,
            made_by=made_by_this_call(),
        )
    result = PrepareResult(committed=committed, report=report)
    ref = committed.version.ref
    call.show(result, ids=[ref], human=lambda console: _print_prepared(console, result))


@command(
    app,
    "train",
    example="forebay ctr train clicks-features@v1 --out ./model",
    gives="forebay.ctr.workload:TrainReport",
)
def train(
    call: Call,
    ref: Ref,
    out: OutDir,
    rounds: Annotated[int, typer.Option(min=1, help="Trees.")] = 200,
    max_depth: Annotated[int, typer.Option(min=1, help="Depth of each.")] = 4,
    learning_rate: Annotated[float, typer.Option(help="Step of each.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same model.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Dask workers; they share the cores.")] = 1,
) -> None:
    """Train XGBoost on a local Dask cluster.

    On all days of a features version but the last.
    """
    from forebay.ctr.model import BoostingOptions
    from forebay.ctr.workload import train as use

    options = BoostingOptions(rounds=rounds, max_depth=max_depth, learning_rate=learning_rate, seed=seed)
    with _opened(call, ref) as features, step_bar(call) as progress:
        report = use(features.path, out, options=options, workers=workers, progress=progress)
    told = f"trained on {count(report.rows, 'row')} in {duration(sum(report.seconds.values()))}: {out}"
    call.show(report, ids=[str(out)], human=lambda console: say(console, told))


@command(
    app,
    "evaluate",
    example="forebay ctr evaluate clicks-features@v1 --model ./model --truth /data/clicks",
    gives="forebay.ctr.workload:EvaluationReport",
)
def evaluate(
    call: Call,
    ref: Ref,
    model: Annotated[Path, typer.Option(metavar="DIR", help="What `train` wrote.", show_default=False)],
    truth: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Generated logs: show the best possible beside.", show_default=False),
    ] = None,
) -> None:
    """Measure a model on the last day of its features.

    AUC, log loss, normalised entropy and calibration.
    """
    from forebay.ctr.truth import read_truth
    from forebay.ctr.workload import evaluate as use

    best = None if truth is None else read_truth(truth)
    with _opened(call, ref) as features, step_bar(call) as progress:
        report = use(features.path, model, progress=progress)
    optimum = None if best is None else best.day(report.day)
    told = f"day {report.day}, which neither features nor training have seen"
    call.show(
        report, ids=[f"{report.metrics.auc:.6f}"], human=lambda out: _print_metrics(out, told, report.metrics, optimum)
    )


@command(app, "baseline", example="forebay ctr baseline clicks@v1", gives="forebay.ctr.workload:BaselineReport")
def baseline(call: Call, ref: Ref, seed: Annotated[int, typer.Option(min=0, help="Of the forest.")] = 1) -> None:
    """Measure scikit-learn's random forest, for comparison.

    With pandas, on the 13 integers alone: what one would do without forebay.
    """
    from forebay.ctr.workload import baseline as use

    with _opened(call, ref) as logs, step_bar(call) as progress:
        report = use(logs.path, seed=seed, progress=progress)
    seconds = duration(sum(report.seconds.values()))
    told = f"random forest on {count(report.train_rows, 'row')} in {seconds}, measured on day {report.day}"
    call.show(
        report, ids=[f"{report.metrics.auc:.6f}"], human=lambda out: _print_metrics(out, told, report.metrics, None)
    )


@contextmanager
def _opened(call: Call, ref: str) -> Iterator[OpenedVersion]:
    from forebay.client.opened import open_version

    version = call.session.hub.catalog.resolve(ref)
    with ByteBar(call, version.size_bytes) as bar:
        opened = open_version(call.session, version.ref, bar.fill(version.ref))
    with opened:
        yield opened


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder in TMPDIR that goes whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="forebay-prepare-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _print_prepared(out: Console, result: PrepareResult) -> None:
    committed, report = result.committed, result.report
    version = committed.version
    what = "committed" if committed.created else "nothing changed: already committed as"
    parents = ", ".join(parent.ref for parent in version.parents)
    say(out, f"{what} {version.ref}: {size(version.size_bytes)} of features, made from {parents}")
    rows = (
        f"{report.rows:,}: {report.train_rows:,} to train on, {report.evaluation_rows:,} of the last day to evaluate on"
    )
    print_facts(out, [("rows", rows), ("left out", _bad(report.bad_rows)), ("seconds", _stages(report.seconds))])


def _bad(bad: BadRows) -> str:
    if not bad.total:
        return ""
    counts = {"columns": bad.columns, "label": bad.label, "integer": bad.integer, "category": bad.category}
    told = ", ".join(f"{number:,} by {reason}" for reason, number in counts.items() if number)
    return f"{count(bad.total, 'bad row')} ({told})"


def _stages(seconds: Any) -> str:
    return ", ".join(f"{stage} {taken:.1f}" for stage, taken in seconds.items())


def _print_metrics(out: Console, told: str, metrics: Metrics, best: Any) -> None:
    say(out, told)

    def beside(value: float | None) -> str:
        return "" if best is None or value is None else f"   (best possible: {value:.4f})"

    print_facts(
        out,
        [
            ("rows", f"{metrics.rows:,}, {metrics.clicks:,} clicks (CTR {metrics.ctr:.4%})"),
            ("AUC", f"{metrics.auc:.4f}{beside(best and best.best_auc)}"),
            ("log loss", f"{metrics.log_loss:.4f}{beside(best and best.best_log_loss)}"),
            ("normalised entropy", f"{metrics.normalised_entropy:.4f}{beside(best and best.best_normalised_entropy)}"),
            (
                "calibration",
                f"{metrics.calibration:.4f} (1 is right on average), error {metrics.calibration_error:.5f}",
            ),
        ],
    )
