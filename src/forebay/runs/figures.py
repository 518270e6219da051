"""What a run tells of itself in `metrics.json`: numbers, parameters, curves, and how long its stages took. Pure.

Whatever a program wrote there is read as far as it can be understood; nothing in it is an error, and all of it is
bounded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

METRICS_JSON: Final = "metrics.json"
MOST_FIGURES: Final = 200
"""So many metrics, parameters and stages each."""

MOST_CURVES: Final = 20
MOST_POINTS: Final = 2000
_LONGEST_NAME: Final = 100
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points in the order in which they are joined."""

    name: str
    x: str
    y: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`stages` are seconds."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()


NONE: Final = Figures()


def read_figures(data: bytes) -> Figures:
    """`{"metrics": {"auc": 0.78}, "parameters": {"rounds": 200}, "stages": {"fit": 12.5}, "curves": {"roc": {"x":
    "False positive rate", "y": "True positive rate", "points": [[0, 0], [1, 1]]}}}`; an object of plain numbers is
    metrics.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return NONE
    if not isinstance(found, dict):
        return NONE
    if not isinstance(found.get("metrics"), dict):
        return Figures(metrics=_numbers(found))
    return Figures(
        metrics=_numbers(found["metrics"]),
        parameters=_texts(found.get("parameters")),
        stages={name: value for name, value in _numbers(found.get("stages")).items() if value >= 0},
        curves=_curves(found.get("curves")),
    )


def write_figures(figures: Figures) -> bytes:
    """The same as JSON."""
    curves = {
        each.name: {"x": each.x, "y": each.y, "points": [list(point) for point in each.points]}
        for each in figures.curves
    }
    told = {
        "metrics": dict(figures.metrics),
        "parameters": dict(figures.parameters),
        "stages": dict(figures.stages),
        "curves": curves,
    }
    return json.dumps(told, indent=1, allow_nan=False).encode() + b"\n"


def _numbers(found: Any) -> dict[str, float]:
    if not isinstance(found, dict):
        return {}
    numbers = {_name(name): value for name, item in found.items() if (value := _number(item)) is not None}
    return dict(list(numbers.items())[:MOST_FIGURES])


def _texts(found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    told = {_name(name): _told(value) for name, value in found.items()}
    return dict(list(told.items())[:MOST_FIGURES])


def _curves(found: Any) -> tuple[Curve, ...]:
    if not isinstance(found, dict):
        return ()
    curves = [
        Curve(name=_name(name), x=_word(value.get("x"), "x"), y=_word(value.get("y"), "y"), points=points)
        for name, value in found.items()
        if isinstance(value, dict) and len(points := _points(value.get("points"))) > 1
    ]
    return tuple(curves[:MOST_CURVES])


def _points(found: Any) -> tuple[tuple[float, float], ...]:
    """At most `MOST_POINTS` of them, evenly chosen, the last among them."""
    if not isinstance(found, list):
        return ()
    pairs = [item for item in found if isinstance(item, list) and len(item) == 2]
    points = [(x, y) for a, b in pairs if (x := _number(a)) is not None and (y := _number(b)) is not None]
    if len(points) <= MOST_POINTS:
        return tuple(points)
    last = len(points) - 1
    return tuple(points[round(at * last / (MOST_POINTS - 1))] for at in range(MOST_POINTS))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _name(name: str) -> str:
    return _plain(name)[:_LONGEST_NAME]


def _word(value: Any, otherwise: str) -> str:
    return _name(value) if isinstance(value, str) and value else otherwise


def _told(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return _plain(text)[:_LONGEST_TEXT]


def _plain(text: str) -> str:
    """What both databases can keep."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
