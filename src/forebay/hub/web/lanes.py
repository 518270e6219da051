"""The map of lakes and sites as a drawing: where each stands, and the curves between them. Pure.

Names stand in lists beside the drawing, so they are text at every width; the drawing is stretched between the lists.
Its box is 100 by 100: `y` of a place is a share of the height that all places of its side have equally. Since it is
stretched, a dot says where a lane leads, and no arrow does.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from forebay import words
from forebay.charts.markup import number
from forebay.hub.board.site_map import Lane, SiteMap
from forebay.hub.web import site_words
from forebay.wire.links import LinkRecord

_SLOWEST_BYTES_S, _FASTEST_BYTES_S = 1e6, 1e10
_THIN, _THICK = 1.0, 4.0
_ASIDE = 0.12
"""Beside the middle of a site, as a share of the height it has: above it lanes go out to other sites, below come in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A lane: `d` is its path, `width` in pixels says how fast it is thought to be; `flows` while a fill uses it.

    `told` says the same in words and numbers.
    """

    d: str
    width: str
    flows: bool
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """`across` lead from lakes, at the left, to sites; `around` from site to site, at the right. The dots, one path of
    all, are where they lead to.
    """

    across: tuple[Curve, ...] = ()
    around: tuple[Curve, ...] = ()
    across_dots: str = ""
    around_dots: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A line of the legend, with a lane as in the drawing, or the dot at its end."""

    told: str
    width: str = ""
    flows: bool = False
    is_dot: bool = False


def drawing(found: SiteMap) -> Drawing:
    """What flows is drawn last, over the others."""
    lakes, sites = _heights(found.lakes), _heights(found.sites)
    aside = _ASIDE * 100 / max(1, len(found.sites))
    lanes = sorted(found.lanes, key=lambda lane: bool(lane.flows))
    over, between = [lane for lane in lanes if lane.from_lake], [lane for lane in lanes if not lane.from_lake]
    across = [_curve(lane, _across(lakes[lane.source], sites[lane.target])) for lane in over]
    around = [_curve(lane, _around(sites[lane.source] - aside, sites[lane.target] + aside)) for lane in between]
    return Drawing(
        across=tuple(across),
        around=tuple(around),
        across_dots=_dots("100", {sites[lane.target] for lane in over}),
        around_dots=_dots("0", {sites[lane.target] + aside for lane in between}),
    )


def keys(found: Drawing) -> tuple[Key, ...]:
    """What the drawing's signs mean; nothing where there is no lane."""
    curves = (*found.across, *found.around)
    if not curves:
        return ()
    flows = any(curve.flows for curve in curves)
    return (
        Key(width=number(_THIN), told=f"{_SLOWEST_BYTES_S / 1e6:g} MB/s and less, or not known"),
        Key(width=number(_THICK), told=f"{_FASTEST_BYTES_S / 1e9:g} GB/s and more"),
        *((Key(width=number(_THICK / 2), told="bytes flow, the way the dashes run", flows=True),) if flows else ()),
        Key(told="where a link leads to", is_dot=True),
    )


def _heights(places: Sequence[str]) -> dict[str, float]:
    return {place: 100 * (index + 0.5) / len(places) for index, place in enumerate(places)}


def _curve(lane: Lane, path: str) -> Curve:
    speed = lane.link.bandwidth_bytes_s if lane.link else 0.0
    return Curve(d=path, width=number(_width(speed)), flows=bool(lane.flows), told=told(lane))


def told(lane: Lane) -> str:
    """`From s3://clicks to dgx: 921.2 MiB/s, 40 ms to the first byte, 0.09 a GB, measured`, and what flows now."""
    parts = [_known(lane.link)]
    if lane.flows:
        what = words.count(len(lane.flows), "fill")
        parts.append(f"now {what} with {words.size(lane.bytes_s)}/s, {words.size(lane.rest_bytes)} to come")
    return f"From {lane.source} to {lane.target}: {'; '.join(parts)}"


def _known(link: LinkRecord | None) -> str:
    if link is None:
        return "nothing is known of it yet"
    parts = [f"{words.size(link.bandwidth_bytes_s)}/s", f"{site_words.latency(link.latency_s)} to the first byte"]
    parts += [f"{site_words.price_gb(link.price_byte)} a GB"] if link.price_byte else []
    return ", ".join([*parts, "measured" if link.measured_at else "declared"])


def _dots(x: str, heights: Collection[float]) -> str:
    """Lines that are next to nothing long: their round ends are dots, however the drawing is stretched."""
    return "".join(f"M{x} {number(y)}h.01" for y in sorted(heights))


def _width(bytes_s: float) -> float:
    """By the logarithm: ten times as fast is one step thicker."""
    held = min(max(bytes_s, _SLOWEST_BYTES_S), _FASTEST_BYTES_S)
    steps = math.log(held / _SLOWEST_BYTES_S) / math.log(_FASTEST_BYTES_S / _SLOWEST_BYTES_S)
    return _THIN + steps * (_THICK - _THIN)


@lru_cache(maxsize=4096)  # where places stand changes with their number alone
def _across(from_y: float, to_y: float) -> str:
    return f"M0 {number(from_y)}C50 {number(from_y)} 50 {number(to_y)} 100 {number(to_y)}"


@lru_cache(maxsize=4096)
def _around(from_y: float, to_y: float) -> str:
    """The farther apart, the wider; there and back are two curves."""
    reach = 40 + 0.55 * abs(from_y - to_y) + (6 if from_y < to_y else 0)
    return f"M0 {number(from_y)}C{number(reach)} {number(from_y)} {number(reach)} {number(to_y)} 0 {number(to_y)}"
