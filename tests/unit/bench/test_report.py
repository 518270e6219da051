"""Claims, their aims, and the last line that programs read."""

from __future__ import annotations

import json

import pytest

from bench.report import Case, Side, conclude, table


@pytest.mark.parametrize(
    ("side", "ratio", "met"),
    [
        (Side.AT_LEAST, 1.0, True),
        (Side.AT_LEAST, 0.999, False),
        (Side.AT_MOST, 1.0, True),
        (Side.AT_MOST, 1.001, False),
        (None, 0.1, None),
    ],
)
def test_a_case_is_met_on_its_side_of_the_bound(side: Side | None, ratio: float, met: bool | None) -> None:
    assert Case(case="c", measured="", ratio=ratio, side=side).met is met


def test_the_last_line_is_one_json_object_and_a_missed_aim_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    cases = [
        Case(case="peer / ours", measured="1 s / 2 s", ratio=0.5, side=Side.AT_LEAST),
        Case(case="shown only", measured="3", ratio=1 / 3),
    ]
    conclude("thing", cases, {"rounds": 5})
    printed = capsys.readouterr().out
    assert "MISSED" in printed
    assert json.loads(printed.splitlines()[-1]) == {
        "bench": "thing",
        "cases": [
            {"case": "peer / ours", "aim": ">= 1", "ratio": 0.5, "met": False, "measured": "1 s / 2 s"},
            {"case": "shown only", "aim": "", "ratio": 0.3333, "met": None, "measured": "3"},
        ],
        "rounds": 5,
    }


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    printed = table("title", ["tool", "s"], [["a long name", "1.5"], ["b", "10.25"]])
    assert printed.splitlines() == [
        "",
        "title",
        "tool             s",
        "-----------  -----",
        "a long name    1.5",
        "b            10.25",
    ]
