"""`forebay quickstart`: the main job on this machine, shown stage by stage and as one table at the end.

Imported only when the command runs; the work itself is `client.main_job`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from forebay.cli.call import Call
from forebay.cli.words import size
from forebay.client.main_job import FEATURES, LOGS, MainJob, Quality, StageReport, Watch, run_main_job
from forebay.client.session import Session
from forebay.settings import PROJECT_FILE
from forebay.wire.cache import Savings


def quickstart(call: Call, *, rows: int, folder: Path) -> None:
    """Run the main job below `folder`, with a forebay of its own there; prints the result."""
    folder = folder.absolute()
    flags: dict[str, Path | str] = {
        "home": folder / "home",
        "hub": "",
        "database": f"sqlite:///{folder / 'home' / 'hub.db'}",
        "volume": folder / "volume",
        "lake": (folder / "lake").as_uri(),
    }
    _write_project_file(folder, flags)
    told_apart = call.json or call.quiet
    console = Console(stderr=told_apart, quiet=call.quiet, highlight=False)
    console.print(f"[bold]The main job[/bold], in {escape(str(folder))}", soft_wrap=True)
    with Session.start(flags) as session, _watching(console) as watch:
        job = run_main_job(session, folder, rows=rows, watch=watch)
    call.show(job, ids=[item.key for item in job.savings], human=lambda _: _show(console, job, folder))


def _write_project_file(folder: Path, flags: Mapping[str, Path | str]) -> None:
    """Settings for whoever goes into the folder and looks around with the other commands."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {json.dumps(str(value))}" for name, value in flags.items()]
    (folder / PROJECT_FILE).write_text("# made by forebay quickstart\n" + "\n".join(lines) + "\n")


@contextmanager
def _watching(console: Console) -> Iterator[Watch]:
    """A line for each stage that ended, and one live bar below them for the stage under way."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=None, done="")

        def began(stage: str) -> None:
            bars.reset(task, total=None, description=f"{stage:<11}", done="")

        def progressed(done: int, total: int, unit: str) -> None:
            bars.update(task, completed=done, total=total or None, done=_amount(done, total, unit))

        def ended(report: StageReport) -> None:
            console.print(_line(report), soft_wrap=True)

        yield Watch(began=began, progressed=progressed, ended=ended)


def _amount(done: int, total: int, unit: str) -> str:
    if unit == "bytes":
        return f"{size(done)} of {size(total)}"
    return f"{unit} {done:,} of {total:,}" if total else unit


def _line(report: StageReport) -> str:
    seconds = "[cyan]reused [/cyan]" if report.reused else f"{report.seconds:5.1f} s"
    return f"  {report.stage:<11} {seconds}  {report.told}"


def _show(console: Console, job: MainJob, folder: Path) -> None:
    console.print()
    console.print(_stages_table(job))
    console.print(_quality_table(job))
    console.print(_bytes_line(job.savings), soft_wrap=True)
    reused = [stage.stage for stage in job.stages if stage.reused]
    if reused:
        console.print(f"Reused from an earlier run: {', '.join(reused)}.")
    program = "forebay" if shutil.which("forebay") else str(Path(sys.argv[0]).absolute())
    console.print(f"\nLook around: [bold]cd {escape(str(_shown(folder)))}[/bold], then", soft_wrap=True)
    for command in ("status", "cache ls", f"dataset lineage {FEATURES}", f"cache why {LOGS}"):
        console.print(f"  {escape(program)} {command}", soft_wrap=True)


def _shown(folder: Path) -> Path:
    """A path as somebody in this folder would type it."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _stages_table(job: MainJob) -> Table:
    table = _table(f"Stages ({job.rows:,} rows)")
    table.add_column("stage")
    for name in ("seconds", "rows", "rows/s", "from the lake"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in job.stages:
        rate = f"{stage.rows / stage.seconds:,.0f}" if stage.rows and not stage.reused else ""
        table.add_row(
            stage.stage,
            _seconds(stage),
            f"{stage.rows:,}" if stage.rows else "",
            rate,
            size(stage.moved_bytes) if stage.moved_bytes else "0",
        )
    return table


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )


def _seconds(stage: StageReport) -> str:
    if stage.reused:
        return "reused"
    return f"{stage.seconds:.3f}" if stage.seconds < 0.1 else f"{stage.seconds:.1f}"


def _quality_table(job: MainJob) -> Table:
    rows = max(quality.train_rows for quality in job.quality)
    table = _table(f"Quality on the held-out day (trained on {rows:,} rows)")
    table.caption = (
        "Best possible: the probabilities that the generator drew from. NE: log loss / entropy of the "
        "click rate. ECE: expected calibration error."
    )
    table.add_column("model", no_wrap=True)
    for name in ("AUC", "log loss", "NE", "ECE", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for quality in job.quality:
        table.add_row(*_quality_row(quality))
    return table


def _quality_row(quality: Quality) -> tuple[str, ...]:
    return (
        quality.name,
        f"{quality.auc:.4f}",
        f"{quality.log_loss:.5f}",
        f"{quality.normalised_entropy:.4f}",
        "" if quality.calibration_error is None else f"{quality.calibration_error:.5f}",
        "" if quality.seconds is None else f"{quality.seconds:.1f}",
    )


def _bytes_line(savings: tuple[Savings, ...]) -> str:
    moved = sum(item.moved_bytes for item in savings)
    conventional = sum(item.conventional_bytes for item in savings)
    uses = sum(item.uses for item in savings)
    saved: Any = size(sum(item.saved_bytes for item in savings))
    return (
        f"Bytes: {size(moved)} moved from the lake for {uses} uses of {LOGS} and {FEATURES}; "
        f"a download for each use would have moved {size(conventional)}: [bold]{saved} saved[/bold]."
    )
