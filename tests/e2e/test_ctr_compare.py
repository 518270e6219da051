"""`forebay ctr compare`: on a folder and on a version; what failed is a row, and the exit code says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def test_bad_requests_are_refused_before_anything_is_read(forebay: Program, tmp_path: Path) -> None:
    for options, kind in (
        (("--sizes", "ten"), "bad-option"),
        (("--time-limit", "never"), "bad-option"),
        (("--memory-limit", "much"), "bad-size"),
        (("--contenders", "spark"), "no-such-contender"),
        (("--out", "comparison.pdf"), "bad-option"),
        ((), "no-days"),
    ):
        assert (
            forebay("ctr", "compare", tmp_path, *options, "--json", code=3 if not options else 2).error["kind"] == kind
        )
    assert forebay("ctr", "compare", "nowhere", "--json", code=3).error["kind"]


def test_out_of_memory_is_a_row_with_the_limit_and_an_exit_code(forebay: Program, tmp_path: Path) -> None:
    forebay("ctr", "generate", "--out", tmp_path / "logs", "--rows-per-day", "1000", "--days", "3")
    asked = ("ctr", "compare", tmp_path / "logs", "--contenders", "pandas-forest", "--sizes", "500")
    page = tmp_path / "page.md"
    told = forebay(*asked, "--memory-limit", "20MB", "--no-climb", "--out", page, code=1).out
    assert "out-of-memory: passed the memory limit of 0.02 GiB" in told
    assert "no target: pandas-forest: out-of-memory" in told
    assert "out-of-memory" in page.read_text()


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_contenders_on_a_version(forebay: Program, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    forebay("ctr", "generate", "--out", logs, "--rows-per-day", "10000", "--days", "4", "--ctr", "0.1")
    forebay("dataset", "register", "clicks", f"file://{logs}/day_*")
    asked = ("ctr", "compare", "clicks@v1", "--sizes", "20000", "--no-climb", "--out", tmp_path / "c.html")
    done = forebay(*asked, "--json").json
    assert done["source"] == "clicks@v1"
    assert done["rows_by_day"] == dict.fromkeys("0123", 10000)
    assert (done["split"]["train"], done["split"]["validate"], done["split"]["test"]) == ([0, 1], 2, 3)
    by_name = {each["trial"]["contender"]: each for each in done["outcomes"]}
    assert list(by_name) == [each["name"] for each in done["contenders"]]
    assert len({each["quality"]["clicks"] for each in done["outcomes"]}) == 1
    for each in done["outcomes"]:
        assert 0.5 < each["quality"]["auc"] < 1.0
        assert each["cost"]["cpu_s"] > 0.5
    for model in ("boosting", "forest", "logistic", "hybrid"):
        seconds = by_name[f"forebay-{model}"]["seconds"]
        assert all(seconds[stage] > 0 for stage in ("read", "features", "fit", "predict", "other")), model
    for model in ("boosting", "hybrid"):
        assert by_name[f"forebay-{model}"]["quality"]["auc"] > by_name["pandas-forest"]["quality"]["auc"]
    assert [each["contender"] for each in done["same_algorithm"]] == ["tuned-forest", "forebay-forest"]
    assert by_name["forebay-forest"]["quality"]["auc"] == pytest.approx(
        by_name["pandas-forest"]["quality"]["auc"], abs=0.02
    )
    reached = {each["contender"]: each["reached"] for each in done["time_to_auc"]}
    assert reached["pandas-forest"] == by_name["pandas-forest"]["trial"]
    assert reached["forebay-direct"] is not None
    assert (tmp_path / "c.html").read_text().startswith("<!doctype html>")
    assert forebay("status", "--json").json["leases"] == []


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_climb_measures_parts_of_the_rows(forebay: Program, tmp_path: Path) -> None:
    forebay("ctr", "generate", "--out", tmp_path / "logs", "--rows-per-day", "5000", "--days", "3", "--ctr", "0.1")
    asked = ("ctr", "compare", tmp_path / "logs", "--contenders", "forebay-direct", "--sizes", "5000")
    done = forebay(*asked, "--json").json
    tried = {(each["trial"]["contender"], each["trial"]["rows"]): each["quality"]["auc"] for each in done["outcomes"]}
    target = tried["pandas-forest", 5000]
    for contender in ("pandas-forest", "forebay-direct"):
        assert (contender, 1250) in tried
        verdict = next(each for each in done["time_to_auc"] if each["contender"] == contender)
        able = [rows for (name, rows), auc in tried.items() if name == contender and auc >= target]
        assert (verdict["reached"] is None) == (not able)
        assert verdict["target_auc"] == target
