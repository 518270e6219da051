"""What a run tells of itself is read as far as it can be understood, and bounded."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.runs.figures import MOST_FIGURES, MOST_POINTS, NONE, Curve, Figures, read_figures, write_figures

ALL = Figures(
    metrics={"auc": 0.78},
    parameters={"rounds": "200"},
    stages={"fit": 12.5},
    curves=(Curve(name="roc", x="FPR", y="TPR", points=((0.0, 0.0), (1.0, 1.0))),),
)


def test_what_was_written_is_read_back() -> None:
    assert read_figures(write_figures(ALL)) == ALL


def test_plain_numbers_are_metrics() -> None:
    assert read_figures(b'{"auc": 0.5, "epochs": 3, "name": "x", "ok": true}').metrics == {"auc": 0.5, "epochs": 3.0}


@pytest.mark.parametrize("data", [b"", b"[1]", b"{", b"\xff", b"3", b"[" * 100_000])
def test_nonsense_tells_nothing(data: bytes) -> None:
    assert read_figures(data) == NONE


def test_no_number_that_a_database_cannot_keep() -> None:
    found = read_figures(b'{"metrics": {"a": NaN, "b": Infinity, "c": 1e999, "d\\u0000": 1, "\\ud800": 2}}')
    assert found.metrics == {"d\N{REPLACEMENT CHARACTER}": 1.0, "?": 2.0}
    assert read_figures(json.dumps({"metrics": {"a": 10**400}}).encode()) == NONE


def test_a_parameter_is_told_as_text() -> None:
    told = {"metrics": {}, "parameters": {"deep": {"a": [1, None]}, "rate": 0.1, "name": "x"}}
    found = read_figures(json.dumps(told).encode())
    assert found.parameters == {"deep": '{"a": [1, null]}', "rate": "0.1", "name": "x"}


def test_all_of_it_is_bounded() -> None:
    told = {
        "metrics": {str(number): number for number in range(1000)},
        "curves": {"long": {"points": [[number, 0] for number in range(100_000)]}, "short": {"points": [[0, 0]]}},
    }
    found = read_figures(json.dumps(told).encode())
    assert len(found.metrics) == MOST_FIGURES
    (curve,) = found.curves
    assert len(curve.points) == MOST_POINTS
    assert (curve.points[0], curve.points[-1]) == ((0.0, 0.0), (99_999.0, 0.0))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.dictionaries(
        st.sampled_from(["metrics", "parameters", "stages", "curves", "x"]), st.dictionaries(st.text(), _JSON)
    )
)
def test_whatever_is_there_is_told_in_numbers_that_are_some(value: object) -> None:
    found = read_figures(json.dumps(value).encode())
    assert all(math.isfinite(number) for number in (*found.metrics.values(), *found.stages.values()))
    assert read_figures(write_figures(found)) in (found, NONE) or not found.metrics
