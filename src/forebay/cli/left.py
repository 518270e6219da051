"""What a command leaves with the run that it is part of, without being asked; outside of a run, nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.fsio import Disk
from forebay.runs.left import DASK_JSON, REPORT_HTML, REPORTS, TASK_STREAM_HTML

if TYPE_CHECKING:
    from forebay.cli.call import Call


def reports_folder() -> Path | None:
    """Where the run keeps what is to be looked at; None outside of a run."""
    named = os.environ.get(REPORTS, "")
    return Path(named) if named and Path(named).is_dir() else None


def task_stream() -> Path | None:
    """Where Dask's report goes by itself: where there is a run, and what draws it."""
    folder = reports_folder()
    return folder / TASK_STREAM_HTML if folder is not None and find_spec("bokeh") is not None else None


def leave_dashboard(call: Call, url: str) -> None:
    """Where the cluster can be watched."""
    folder = reports_folder()
    if folder is not None:
        with _no_harm(call, DASK_JSON):
            Disk().write_json(folder / DASK_JSON, {"dashboard": url})


def leave_report(call: Call, made: Path) -> None:
    """The report on a model, that lies in a folder: its page, its values, and what of them every run may tell."""
    folder = reports_folder()
    if folder is None:
        return
    from forebay.ctr.report.told import told_figures
    from forebay.ctr.report.training_report import DASK_HTML, REPORT_JSON, read_report
    from forebay.runs.figures import METRICS_JSON, write_figures

    with _no_harm(call, REPORT_HTML):
        # The report links Dask's, where there is one.
        for name in (*([DASK_HTML] if (made / DASK_HTML).exists() else []), REPORT_HTML, REPORT_JSON):
            shutil.copyfile(made / name, folder / f".{name}")
            os.replace(folder / f".{name}", folder / name)
        figures = json.loads(write_figures(told_figures(read_report(made))))
        Disk().write_json(folder / METRICS_JSON, figures)


@contextmanager
def _no_harm(call: Call, name: str) -> Iterator[None]:
    """What was to be looked at is no reason to fail: it is told, and the work goes on."""
    try:
        yield
    except OSError as error:
        call.note(f"Warning: {name} could not be left with the run: {error}.")
