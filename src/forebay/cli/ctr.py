"""`forebay ctr`: the reference workload, on versions from the cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli import ctr_compare
from forebay.cli.bars import ByteBar, step_bar
from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.ctr_shown import print_metrics, print_prepared, print_trained
from forebay.cli.engines import (
    Device,
    Engine,
    Memory,
    OnDevice,
    Report,
    Threads,
    Work,
    Workers,
    engine_of,
    opened_cluster,
)
from forebay.cli.left import leave_report
from forebay.cli.made_by import made_by_this_call
from forebay.cli.options import Message, Ref
from forebay.cli.table import say
from forebay.cli.words import count, duration, parse_option, seconds_of, size
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.commit import Committed
    from forebay.client.opened import OpenedVersion
    from forebay.ctr.report.order import ReportOrder
    from forebay.ctr.report.training_report import StageTime
    from forebay.ctr.workload import PrepareReport, TrainReport

_TIME_LIMIT = "1h"
_TRAIN_UNITS = {"load": "rows", "learn": "rows", "fit": "steps", "calibrate": "rows"}

app = typer.Typer(cls=Group, no_args_is_help=True, help="Click prediction: the reference workload.")


class OnBadRows(StrEnum):
    """What to do with a row that is no click log."""

    ERROR = "error"
    SKIP = "skip"


class TrainedModel(StrEnum):
    """What `train` can make."""

    BOOSTING = "boosting"
    FOREST = "forest"
    LOGISTIC = "logistic"
    HYBRID = "hybrid"


class Learner(StrEnum):
    """A way for logistic regression to learn, as `models.options.LEARNERS` has them."""

    FTRL = "ftrl"
    GAUSSIAN = "gaussian"


class Preset(StrEnum):
    """A model with the options of a publication."""

    TR4904 = "tr4904"


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
    test_day: Annotated[
        int | None,
        typer.Option(min=1, help="The day to measure on; later ones show how a model ages.", show_default="the last"),
    ] = None,
    message: Message = "",
    engine: Engine = "local",
    device: OnDevice = Device.CPU,
    workers: Workers = None,
    threads_per_worker: Threads = None,
    memory_per_worker: Memory = "",
    work: Work = None,
    performance_report: Report = None,
) -> None:
    """Make features of click logs, and a version of them.

    The logs are Criteo's: day_0, day_1, ... (or .gz, .zst), or Kaggle's train.txt. Their version becomes the parent.
    Each day is encoded from the days before it alone; the test day is for evaluation, and no feature has seen it.
    Without options of an engine it is done by threads of this process.
    """
    from forebay.catalog.names import check_dataset_name
    from forebay.client.commit import commit
    from forebay.ctr.source import RANGE_BYTES
    from forebay.ctr.workload import prepare as use

    check_dataset_name(out)
    if work is not None and (work / out).exists():
        told = f"forebay dataset commit {out} {work / out} --parent {ref}"
        raise InputError("already-prepared", f"{work / out} holds features already", todo=f"remove it, or: {told}")
    spec = engine_of(engine, device, workers, threads_per_worker, memory_per_worker)
    with _opened(call, ref) as logs, _work_folder(work) as folder:
        opened = opened_cluster(
            call, spec, data=logs.path, work=folder, report=performance_report, threads_will_do=True
        )
        with opened as cluster, step_bar(call, units="rows") as progress:
            report = use(
                logs.path,
                folder / out,
                on_bad_rows=on_bad_rows.value,
                test_day=test_day,
                parents=[logs.version.ref],
                executor=None if cluster is None else cluster.executor,
                on_gpu=device is Device.CUDA,
                range_bytes=RANGE_BYTES if cluster is None else cluster.partition_bytes,
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
        shutil.rmtree(folder / out, ignore_errors=True)
    result = PrepareResult(committed=committed, report=report)
    ref = committed.version.ref
    call.show(result, ids=[ref], human=lambda console: print_prepared(console, committed, report))


@command(
    app,
    "train",
    example="""
forebay ctr train clicks-features@v1 --out ./model --model hybrid
forebay ctr train clicks-features@v1 --out ./model --rounds 2000 --early-stopping 50 --resume
forebay ctr train clicks-features@v1 --out ./forest --preset tr4904""",
    gives="forebay.ctr.workload:TrainReport",
)
def train(
    call: Call,
    ref: Ref,
    out: OutDir,
    model: Annotated[TrainedModel | None, typer.Option(help="Which model.", show_default="boosting")] = None,
    preset: Annotated[
        Preset | None, typer.Option(help="A model as others have published it.", show_default=False)
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Trees of boosting at most.", show_default="500")] = None,
    trees: Annotated[int | None, typer.Option(min=1, help="Trees of a forest.", show_default="100")] = None,
    max_depth: Annotated[
        int | None, typer.Option(min=1, help="Depth of each tree.", show_default="4, of a forest 10")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step of each round.", show_default="0.1")] = None,
    early_stopping: Annotated[
        int | None,
        typer.Option(min=0, help="End after so many rounds that don't help on the validation day.", show_default="20"),
    ] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(min=0, help="Rounds between checkpoints.", show_default="25")
    ] = None,
    bits: Annotated[
        int | None, typer.Option(min=10, help="2^bits weights of logistic regression.", show_default="22")
    ] = None,
    learner: Annotated[
        Learner | None,
        typer.Option(help="How logistic regression learns.", show_default="ftrl, of the hybrid gaussian"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same model.", show_default="1")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint, in DIR.checkpoints.")
    ] = False,
    time_limit: Annotated[
        str, typer.Option(metavar="DURATION", help="Give the fit up after so long: 90min, 12h.")
    ] = _TIME_LIMIT,
    engine: Engine = "local",
    device: OnDevice = Device.CPU,
    workers: Workers = None,
    threads_per_worker: Threads = None,
    memory_per_worker: Memory = "",
    performance_report: Report = None,
) -> None:
    """Train a model on Dask.

    On the train days of a features version; the validation day stops boosting and calibrates, where there are three
    days or more. Boosting leaves checkpoints beside DIR until the model is there. Then the model is measured, and
    report.html and report.json are written beside it.
    """
    from forebay.ctr.models.options import check_resume, choose
    from forebay.ctr.workload import train as use

    given = {
        "rounds": rounds,
        "trees": trees,
        "max_depth": max_depth,
        "learning_rate": learning_rate,
        "early_stopping": early_stopping,
        "checkpoint_every": checkpoint_every,
        "bits": bits,
        "learner": learner and learner.value,
        "seed": seed,
    }
    options = choose(model and model.value, preset and preset.value, given)
    if resume:
        check_resume(options)
    time_limit_s = parse_option("--time-limit", time_limit, seconds_of)
    spec = engine_of(engine, device, workers, threads_per_worker, memory_per_worker)
    checkpoints = out.with_name(f"{out.name}.checkpoints")
    with _opened(call, ref) as features, _dask_report() as kept:
        opened = opened_cluster(call, spec, data=features.path, report=performance_report, kept=kept)
        with opened as cluster, step_bar(call, units=_TRAIN_UNITS) as progress:
            before = {} if cluster is None else {"cluster": cluster.start_s}
            report = use(
                features.path,
                out,
                options=options,
                cluster=cluster,
                checkpoints=checkpoints,
                resume=resume,
                time_limit_s=time_limit_s,
                progress=progress,
            )
        shutil.rmtree(checkpoints, ignore_errors=True)
        if kept is not None and kept.exists():
            shutil.move(kept, out / kept.name)
        with step_bar(call) as progress:
            page = _report_beside(call, report, {**before, **report.seconds}, features, progress)
    call.show(report, ids=[str(out)], human=lambda console: print_trained(console, report, page))


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
    report_to: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write report.html and report.json here too.", show_default=False),
    ] = None,
) -> None:
    """Measure a model on the last day of its features.

    AUC, log loss, normalised entropy and calibration. A report has curves, calibration, lift, features, and the other
    days that the model was not trained on.
    """
    from forebay.ctr.truth import read_truth
    from forebay.ctr.workload import evaluate as use

    best = None if truth is None else read_truth(truth)
    with _opened(call, ref) as features, step_bar(call) as progress:
        order = None if report_to is None else _report_order(call, report_to, features)
        report = use(features.path, model, report=order, progress=progress)
        if report_to is not None:
            leave_report(call, report_to)
    optimum = None if best is None else best.day(report.day)
    told = f"day {report.day}, which neither features nor training have seen"

    def human(out: Console) -> None:
        print_metrics(out, told, report.metrics, optimum)
        if report.report is not None:
            say(out, f"report: {report.report}")

    call.show(report, ids=[f"{report.metrics.auc:.6f}"], human=human)


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
    call.show(report, ids=[f"{report.metrics.auc:.6f}"], human=lambda out: print_metrics(out, told, report.metrics))


ctr_compare.add_to(app)


def _report_order(call: Call, folder: Path, features: OpenedVersion, earlier: Sequence[StageTime] = ()) -> ReportOrder:
    from forebay.ctr.report.order import ReportOrder

    made_by = made_by_this_call()
    return ReportOrder(
        folder=folder,
        made_at=call.now,
        features=features.version.ref,
        command=made_by.command,
        code=made_by.code,
        earlier=earlier,
    )


def _report_beside(
    call: Call, trained: TrainReport, seconds: Mapping[str, float], features: OpenedVersion, progress: Any
) -> str:
    """What is told of the report in the model's folder. The model is there already, whatever becomes of it."""
    from forebay.ctr.report.build import stage_times
    from forebay.ctr.report.training_report import DASK_HTML
    from forebay.ctr.workload import evaluate as use

    stages = stage_times(seconds, dict.fromkeys(("load", "learn", "fit"), trained.rows))
    order = _report_order(call, trained.model, features, stages)
    if (trained.model / DASK_HTML).exists():
        order = replace(order, dask_report=DASK_HTML)
    try:
        page = use(features.path, trained.model, report=order, progress=progress).report
        leave_report(call, trained.model)
        return f"report: {page}"
    except InputError as error:
        return f"no report: {error.message}"


@contextmanager
def _opened(call: Call, ref: str) -> Iterator[OpenedVersion]:
    from forebay.client.opened import open_version

    version = call.session.hub.catalog.resolve(ref)
    with ByteBar(call, version.size_bytes) as bar:
        opened = open_version(call.session, version.ref, bar.fill(version.ref))
    with opened:
        yield opened


@contextmanager
def _dask_report() -> Iterator[Path | None]:
    """Where Dask's report waits until the model is there; None where nothing can draw it."""
    from forebay.ctr.report.training_report import DASK_HTML

    if find_spec("bokeh") is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="forebay-train-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / DASK_HTML


@contextmanager
def _work_folder(chosen: Path | None) -> Iterator[Path]:
    """The chosen folder, which stays, or one in TMPDIR that goes whatever happens."""
    if chosen is not None:
        yield chosen.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="forebay-prepare-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
