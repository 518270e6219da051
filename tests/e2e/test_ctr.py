"""The reference workload by hand: click logs -> version -> features as a version -> model -> its quality."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def test_from_click_logs_to_a_measured_model(forebay: Program, tmp_path: Path) -> None:
    logs, model = tmp_path / "logs", tmp_path / "model"
    forebay("ctr", "generate", "--out", logs, "--rows-per-day", "3000", "--seed", "3")
    assert forebay("ctr", "generate", "--out", logs, "--json", code=2).error["kind"] == "target-not-empty"
    with (logs / "day_0").open("ab") as file:
        file.write(b"no click log\n")
    forebay("dataset", "register", "clicks", f"file://{logs}/day_*")

    refused = forebay("ctr", "prepare", "clicks", "--out", "features", "--json", code=2).error
    assert refused["kind"] == "bad-row"
    assert "day_0, line 3001" in refused["message"]
    assert forebay("dataset", "ls", "-q").ids == ["clicks"]
    told = forebay("ctr", "prepare", "clicks", "--out", "features", "--on-bad-rows", "skip").out
    assert "1 bad row (1 by columns)" in told
    version = forebay("dataset", "show", "features@v1", "--json").json
    assert [parent["ref"] for parent in version["parents"]] == ["clicks@v1"]

    refused = forebay("ctr", "train", "features", "--out", model, "--engine", "spark", "--json", code=2).error
    assert refused["kind"] == "bad-engine"
    report = tmp_path / "dask.html"
    sizes = ("--threads-per-worker", "1", "--memory-per-worker", "1GB", "--performance-report", report)
    trained = forebay("ctr", "train", "features", "--out", model, "--rounds", "5", *sizes, "--json").json
    assert (trained["rows"], trained["description"]["threads_per_worker"]) == (3000, 1)
    assert "Task Stream" in report.read_text()
    beside = json.loads((model / "report.json").read_text())
    assert [each["stage"] for each in beside["stages"]][:3] == ["cluster", "load", "fit"]
    assert beside["provenance"]["command"]
    assert beside["provenance"]["dask_report"] == "dask.html"
    assert "Task Stream" in (model / "dask.html").read_text()
    assert '<a href="dask.html">' in (model / "report.html").read_text()
    assert beside["provenance"]["features"] == "features@v1"
    measured = forebay("ctr", "evaluate", "features", "--model", model, "--truth", logs, "--json").json
    assert 0.4 < measured["metrics"]["auc"] < 1
    assert measured["report"] is None
    assert measured["metrics"]["auc"] == beside["metrics"]["auc"]
    report = tmp_path / "report"
    told = forebay("ctr", "evaluate", "features", "--model", model, "--truth", logs, "--report", report).out
    assert "best possible" in told
    assert f"report: {report / 'report.html'}" in told
    assert (report / "report.html").read_text().startswith("<!doctype html>")
    of_another = ("--model", "logistic", "--trees", "3", "--json")
    refused = forebay("ctr", "train", "features", "--out", report, *of_another, code=2).error
    assert refused["kind"] == "option-of-another-model"
    assert not (tmp_path / "model.checkpoints").exists()
    assert forebay("ctr", "baseline", "features", "--json", code=2).error["kind"] == "bad-day-name"
    assert forebay("status", "--json").json["leases"] == []
