"""Subsets as a user of the command line meets them."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e

SOME = ("--include", "day_[01]")
REF = "criteo@v1[day_[01]]"


def test_some_files_of_a_version_from_warm_to_evict(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/day_*")
    planned = forebay("cache", "warm", "criteo@v1", *SOME, "--dry-run", "--json").json[0]
    assert (planned["ref"], planned["move_files"], planned["move_bytes"]) == (REF, 2, 3000)
    assert "criteo@v1[day_[01]]: 2 files" in forebay("cache", "warm", "criteo@v1", *SOME, "--dry-run").out
    assert "not ready" in forebay("path", "criteo@v1", *SOME, code=9).err
    assert "nobody has asked for it" in forebay("cache", "why", "criteo@v1", *SOME).out
    assert forebay("cache", "pin", "criteo@v1", *SOME, "--json", code=3).error["kind"] == "subset-not-found"
    assert forebay("cache", "evict", "criteo@v1", *SOME, "--json", code=9).error["kind"] == "not-ready"
    # Whoever only asks declares nothing.
    assert forebay("cache", "why", REF, "--json", code=3).error["kind"] == "subset-not-found"

    (warmed,) = forebay("cache", "warm", "criteo@v1", *SOME, "--json").json
    assert (warmed["moved_bytes"], warmed["replica"]["subset"]) == (3000, "day_[01]")
    assert forebay("cache", "ls", "-q").ids == [REF]
    assert "ready" in forebay("cache", "why", REF).out
    assert "nobody has asked for it" in forebay("cache", "why", "criteo@v1").out
    tree = Path(forebay("path", "criteo", *SOME).out.strip())
    assert sorted(path.name for path in tree.iterdir()) == [".forebay", "day_0", "day_1"]
    listing = forebay.process("exec", "criteo@v1", *SOME, "--", "ls", "{criteo}").out
    assert listing.split() == ["day_0", "day_1"]
    environment = forebay.process(
        "exec", REF, "--", sys.executable, "-c", "import os; print(os.environ['FOREBAY_CRITEO'])"
    )
    assert environment.out.strip() == str(tree)

    assert forebay("cache", "pin", "criteo@v1", *SOME, "--reason", "x", "-q").ids == [REF]
    assert forebay("cache", "evict", "criteo@v1", *SOME, "--yes", "--json", code=5).error["kind"] == "pinned"
    assert forebay("dataset", "rm", REF, "--yes", "--json", code=2).error["kind"] == "is-subset"
    assert forebay("dataset", "tag", REF, "prod", "--json", code=2).error["kind"] == "is-subset"
    assert f"{REF} is on the volume" in forebay("dataset", "rm", "criteo@v1", "--dry-run").out
    forebay("cache", "unpin", REF)
    assert forebay("cache", "warm", "criteo@v1", "--json").json[0]["moved_bytes"] == 3000
    assert forebay("cache", "verify", "-q").ids == []
    evicted = forebay("cache", "evict", REF, "--yes", "--json").json
    assert [(item["ref"], item["freed_bytes"] < 20_000) for item in evicted] == [(REF, True)]
    assert forebay("cache", "ls", "-q").ids == ["criteo@v1"]
    assert REF in forebay("cache", "events").out
    forebay("cache", "evict", "criteo@v1", "--yes")
    assert forebay("dataset", "rm", "criteo@v1", "--yes", "-q").ids == ["criteo@v1"]


def test_some_columns_and_row_groups(forebay: Program, days: Path) -> None:
    rows = 40_000
    table = pa.table(
        {
            "day": [row // 10_000 for row in range(rows)],
            "label": [1] * rows,
            "text": [f"{row:090}" for row in range(rows)],
        }
    )
    pq.write_table(table, days / "clicks.parquet", row_group_size=10_000, compression="none", use_dictionary=False)
    whole_bytes = (days / "clicks.parquet").stat().st_size
    forebay("dataset", "register", "clicks", f"file://{days}/clicks.parquet")
    chosen = ("--columns", "label,day", "--where", "day>=3", "--where", "day!=7")
    planned = forebay("cache", "warm", "clicks", *chosen, "--dry-run", "--json").json[0]
    assert forebay("cache", "why", planned["ref"], "--json", code=3).error["kind"] == "subset-not-found"
    (warmed,) = forebay("cache", "warm", "clicks", *chosen, "--json").json
    assert planned["move_bytes"] == warmed["moved_bytes"] < 0.1 * whole_bytes
    assert planned["ref"] == "clicks@v1[:day,label;day!=7;day>=3]"
    assert ["selects", ":day,label;day!=7;day>=3"] in _words(forebay("cache", "why", planned["ref"]).out)
    tree = Path(forebay("path", "clicks@v1", *chosen).out.strip())
    assert pq.read_table(tree / "clicks.parquet").equals(table.select(["day", "label"]).slice(30_000))
    read = "import sys, pyarrow.parquet as pq; print(pq.read_table(sys.argv[1]).column_names)"
    run = forebay.process(
        "exec", "clicks", "--columns", "label", "--columns", "day", "--", sys.executable, "-c", read, "{clicks}"
    )
    assert run.out.strip() == "['day', 'label']"
    assert forebay("cache", "warm", "clicks", "--columns", "lable", "--json", code=2).error["kind"] == "no-column"
    assert forebay("cache", "warm", "clicks", "--where", "day", "--json", code=2).error["kind"] == "bad-where"
    (grown,) = forebay("cache", "warm", "clicks", "--json").json
    assert grown["moved_bytes"] < whole_bytes - 0.9 * warmed["moved_bytes"]
    assert (Path(grown["path"]) / "clicks.parquet").read_bytes() == (days / "clicks.parquet").read_bytes()


def test_a_pattern_that_selects_nothing_and_options_without_a_version(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/day_*")
    error = forebay("cache", "warm", "criteo", "--include", "day_9", "--json", code=2).error
    assert error["kind"] == "nothing-selected"
    assert "Did you mean day_" in error["todo"]
    for nothing, kind in (("--include", "bad-pattern"), ("--exclude", "bad-pattern"), ("--columns", "bad-columns")):
        assert forebay("cache", "warm", "criteo", nothing, "", "--json", code=2).error["kind"] == kind
        assert forebay("path", "criteo", nothing, "", "--json", code=2).error["kind"] == kind
    assert forebay("cache", "evict", *SOME, "--json", code=2).error["kind"] == "usage"
    assert forebay("cache", "ls", "-q").ids == []


def _words(text: str) -> list[list[str]]:
    """Of each line."""
    return [line.split() for line in text.splitlines()]
