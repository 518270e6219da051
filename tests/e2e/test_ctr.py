"""The reference workload by hand: click logs -> version -> features as a version -> model -> its quality."""

from __future__ import annotations

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

    trained = forebay("ctr", "train", "features", "--out", model, "--rounds", "5", "--json").json
    assert trained["rows"] == 3000
    measured = forebay("ctr", "evaluate", "features", "--model", model, "--truth", logs, "--json").json
    assert 0.4 < measured["metrics"]["auc"] < 1
    assert "best possible" in forebay("ctr", "evaluate", "features", "--model", model, "--truth", logs).out
    assert forebay("ctr", "baseline", "features", "--json", code=2).error["kind"] == "bad-day-name"
    assert forebay("status", "--json").json["leases"] == []
