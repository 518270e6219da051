"""`forebay cache scrub --every` outlives what a pass meets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.program import Program

pytestmark = pytest.mark.e2e


def test_a_volume_that_is_away_for_some_passes_ends_no_scrubbing(forebay: Program, days: Path) -> None:
    forebay("dataset", "register", "criteo", f"file://{days}/day_*")
    tree = Path(forebay("cache", "warm", "criteo", "-q").out.strip())
    volume = next(folder for folder in tree.parents if (folder / "forebay-volume.json").exists())
    with forebay.start("cache", "scrub", "--every", "1s", "--json") as scrubbing:
        assert scrubbing.stdout is not None
        assert scrubbing.stderr is not None
        assert json.loads(scrubbing.stdout.readline())[0]["damaged"] == []
        away = volume.rename(volume.with_name("away"))
        assert json.loads(scrubbing.stderr.readline())["kind"] == "volume-away"
        away.rename(volume)
        (tree / "day_0").chmod(0o644)
        (tree / "day_0").write_bytes(b"something else")
        refilled: list[str] = []
        while not refilled:
            refilled = json.loads(scrubbing.stdout.readline())[0]["refilled"]
        assert refilled == ["criteo@v1"]
        assert (tree / "day_0").read_bytes() == (days / "day_0").read_bytes()
        scrubbing.terminate()
