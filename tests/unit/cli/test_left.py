"""What commands leave with their run by themselves; outside of one, nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from forebay.cli.left import leave_dashboard, leave_report, reports_folder, task_stream
from forebay.ctr.report.files import write_report
from forebay.runs.figures import read_figures
from tests.unit.ctr.report.samples import sample


class Notes:
    """A call that only notes."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def call() -> Any:
    return cast(Any, Notes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "left"
    made.mkdir()
    monkeypatch.setenv("FOREBAY_REPORTS", str(made))
    return made


def test_a_report_is_left_with_its_values_and_metrics(call: Any, folder: Path, tmp_path: Path) -> None:
    report = sample(rows=2_000)
    page = write_report(tmp_path / "model", report)
    leave_report(call, tmp_path / "model")
    assert (folder / "report.html").read_bytes() == page.read_bytes()
    assert read_figures((folder / "metrics.json").read_bytes()).metrics["auc"] == report.metrics.auc
    assert sorted(each.name for each in folder.iterdir()) == ["metrics.json", "report.html", "report.json"]
    (tmp_path / "model" / "dask.html").write_text("what each worker did")
    leave_report(call, tmp_path / "model")
    assert (folder / "dask.html").read_text() == "what each worker did"
    assert call.told == []


def test_the_dashboard_is_left_while_there_is_one(call: Any, folder: Path) -> None:
    leave_dashboard(call, "http://127.0.0.1:8787/status")
    assert json.loads((folder / "dask.json").read_text()) == {"dashboard": "http://127.0.0.1:8787/status"}
    assert task_stream() == folder / "task-stream.html"


def test_a_folder_that_takes_nothing_is_no_reason_to_fail(call: Any, folder: Path, tmp_path: Path) -> None:
    write_report(tmp_path / "model", sample(rows=2_000))
    (folder / "metrics.json").mkdir()
    (folder / "metrics.json" / "inside").touch()
    leave_report(call, tmp_path / "model")
    (told,) = call.told
    assert "could not be left with the run" in told


def test_outside_of_a_run_nothing_is_left(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", str(tmp_path / "nowhere")):
        monkeypatch.setenv("FOREBAY_REPORTS", value)
        assert (reports_folder(), task_stream()) == (None, None)
        leave_dashboard(call, "http://127.0.0.1:8787/status")
        leave_report(call, tmp_path / "model")
    assert call.told == []
