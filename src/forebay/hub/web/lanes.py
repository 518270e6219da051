"""The map of lakes and sites as a drawing: where each stands, and the curves between them. Pure.

Names stand in lists beside the drawing, so they are text at every width; the drawing is stretched between the lists.
Its box is 100 by 100: `y` of a place is a share of the height that all places of its side have equally.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forebay.charts.markup import number
from forebay.hub.board.site_map import Lane, SiteMap

_SLOWEST_BYTES_S, _FASTEST_BYTES_S = 1e6, 1e10
_THIN, _THICK = 1.0, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A lane: `d` is its path, `width` in pixels says how fast it is thought to be; `flows` while a fill uses it."""

    d: str
    width: str
    flows: bool
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """`across` lead from lakes, at the left, to sites; `around` from site to site, at the right."""

    across: tuple[Curve, ...] = ()
    around: tuple[Curve, ...] = ()


def drawing(found: SiteMap) -> Drawing:
    """What flows is drawn last, over the others."""
    lakes, sites = _heights(found.lakes), _heights(found.sites)
    lanes = sorted(found.lanes, key=lambda lane: bool(lane.flows))
    across = [_curve(lane, _across(lakes[lane.source], sites[lane.target])) for lane in lanes if lane.from_lake]
    around = [_curve(lane, _around(sites[lane.source], sites[lane.target])) for lane in lanes if not lane.from_lake]
    return Drawing(across=tuple(across), around=tuple(around))


def _heights(places: Sequence[str]) -> dict[str, float]:
    return {place: 100 * (index + 0.5) / len(places) for index, place in enumerate(places)}


def _curve(lane: Lane, path: str) -> Curve:
    speed = lane.link.bandwidth_bytes_s if lane.link else 0.0
    return Curve(
        d=path, width=number(_width(speed)), flows=bool(lane.flows), told=f"from {lane.source} to {lane.target}"
    )


def _width(bytes_s: float) -> float:
    """By the logarithm: ten times as fast is one step thicker."""
    held = min(max(bytes_s, _SLOWEST_BYTES_S), _FASTEST_BYTES_S)
    steps = math.log(held / _SLOWEST_BYTES_S) / math.log(_FASTEST_BYTES_S / _SLOWEST_BYTES_S)
    return _THIN + steps * (_THICK - _THIN)


def _across(from_y: float, to_y: float) -> str:
    return f"M0 {number(from_y)}C50 {number(from_y)} 50 {number(to_y)} 100 {number(to_y)}"


def _around(from_y: float, to_y: float) -> str:
    """The farther apart, the wider; there and back are two curves."""
    reach = 40 + 0.55 * abs(from_y - to_y) + (6 if from_y < to_y else 0)
    return f"M0 {number(from_y)}C{number(reach)} {number(from_y)} {number(reach)} {number(to_y)} 0 {number(to_y)}"
