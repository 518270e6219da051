"""Which tests one process has all of."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import TOGETHER, Schedule

ROOT = Path(__file__).parents[3]


def test_modules_that_stay_together_are_there() -> None:
    assert [name for name in TOGETHER if not (ROOT / name).is_file()] == []


def test_only_their_tests_are_one_piece() -> None:
    schedule = Schedule.__new__(Schedule)
    first = min(TOGETHER)
    assert schedule._split_scope(f"{first}::test_a") == schedule._split_scope(f"{first}::test_b[1]") == first
    assert schedule._split_scope("tests/unit/test_vouch.py::test_a[x::y]") == "tests/unit/test_vouch.py::test_a[x::y]"
