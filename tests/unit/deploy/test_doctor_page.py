"""The page of the doctor names every kind of finding that the checks have, and every check."""

from __future__ import annotations

import re
from pathlib import Path

from forebay.clock import SystemClock
from forebay.doctor.checks import rounds
from forebay.doctor.patient import Patient
from forebay.settings import Settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "doctor.md").read_text()
_OWN = {"check-hangs", "check-refused", "check-broken", "many-lakes", "no-records", "no-tables", "no-volume"}
"""Notes, and what is said of a check itself."""


def test_every_kind_is_on_the_page() -> None:
    told = re.compile(r'\b(?:fault|warning|note|told)\(\s*"([a-z-]+)"')
    found = {kind for path in (ROOT / "src/forebay/doctor").glob("*.py") for kind in told.findall(path.read_text())}
    assert len(found) > 30
    assert {kind for kind in found - _OWN if f"`{kind}`" not in PAGE} == set()


def test_every_check_is_on_the_page(tmp_path: Path) -> None:
    patient = Patient(settings=Settings(), folder=tmp_path, host="here", clock=SystemClock())
    names = [check.name for checks in rounds(patient) for check in checks]
    assert {name for name in names if f"\n| {name}" not in PAGE} == set()
