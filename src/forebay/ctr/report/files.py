"""A report on disk: `report.json` and `report.html`, each whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from forebay.ctr.files import new_file, write_json
from forebay.ctr.report.page import render
from forebay.ctr.report.training_report import REPORT_JSON, TrainingReport, report_json

REPORT_HTML: Final = "report.html"


def write_report(folder: Path, report: TrainingReport) -> Path:
    """Write both files into `folder`, made if absent; an older report there is replaced. Gives the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / REPORT_JSON, report_json(report))
    page = folder / REPORT_HTML
    with new_file(page) as file:
        file.write(render(report).encode())
    return page
