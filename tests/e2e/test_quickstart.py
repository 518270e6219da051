"""`forebay quickstart`: the whole job, and what a second one reuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e

STAGES = ["generate", "register", "fill", "open again", "prepare", "train", "evaluate", "baseline"]
MEASURED = {"open again", "evaluate"}


@pytest.mark.timeout(900)
def test_a_second_main_job_reuses_what_the_first_one_made(forebay: Program, tmp_path: Path) -> None:
    folder = tmp_path / "a [job]"
    asked = ("quickstart", "--rows", "4000", "--folder", folder)

    # It is a forebay of its own, whatever hub the rest of the day's work goes to.
    first = Program(tmp_path, FOREBAY_HUB="http://127.0.0.1:9").process(*asked, "--json", limit_s=600)
    again = forebay(*asked)
    ids = forebay(*asked, "-q")

    assert [stage["stage"] for stage in first.json["stages"]] == STAGES
    assert not any(stage["reused"] for stage in first.json["stages"])
    assert first.json["stages"][2]["moved_bytes"] > 0
    assert first.json["stages"][3]["moved_bytes"] == 0
    best, model, baseline = first.json["quality"]
    assert best["auc"] > max(model["auc"], baseline["auc"])
    assert f"in {folder}\n" in again.out
    assert "open again    0" in again.out
    reused = ", ".join(stage for stage in STAGES if stage not in MEASURED)
    assert f"Reused from an earlier run: {reused}." in again.out
    assert (ids.ids, ids.err) == (["clicks-features@v1", "clicks@v1"], "")
    looked = forebay("dataset", "lineage", "clicks-features", "-q", "--home", folder / "home")
    assert looked.ids == ["clicks@v1", "clicks-features@v1"]
