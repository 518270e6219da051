"""What the cells of the cache's grid say, for programs: a row for each version and subset at each place; on no page.

Of the same versions and places as the grid that it belongs to; what is nowhere, and not asked for, has no row.
"""

from __future__ import annotations

from collections.abc import Iterator

from forebay.hub.board import grid
from forebay.hub.board.grid import Grid, Spot
from forebay.hub.board.standing import Filling, Known, Look
from forebay.hub.web.table import Cell, Column, Row, Table, Value

NAME = "replicas"

_COLUMNS = (
    Column(key="version", title="Version"),
    Column(key="site", title="Site"),
    Column(key="state", title="State"),
    Column(key="reason", title="Why"),
    Column(key="size_bytes", title="Size"),
    Column(key="share", title="Filled"),
    Column(key="rate_bytes_s", title="Rate"),
    Column(key="left_s", title="Left"),
    Column(key="users", title="In use by"),
    Column(key="leases", title="Leases"),
    Column(key="pinned_by", title="Pinned by"),
    Column(key="pin_until", title="Pinned until"),
    Column(key="leaves_at", title="Leaves"),
)


def replicas(found: Grid, now: float) -> Table:
    """`share`, `rate_bytes_s` and `left_s` of what fills; moments in Unix seconds; empty where it does not apply."""
    return Table(name=NAME, caption="Replicas", columns=_COLUMNS, rows=tuple(_rows(found, now)))


def _rows(found: Grid, now: float) -> Iterator[Row]:
    for line in found.lines:
        for spot in line.spots:
            if spot.whole.counts:
                yield _row(spot)
            for part in spot.parts:
                if part.counts:
                    yield _row(grid.spot_of(spot.place, part, (), now))


def _row(spot: Spot) -> Row:
    known = spot.whole
    values: tuple[Value, ...] = (
        known.ref,
        spot.place.name,
        spot.look.value,
        known.reason,
        known.size_bytes,
        *_progress(known, spot.look),
        " ".join(name for name in known.users if name),
        known.leases,
        known.pinned_by,
        known.pin_until or None,
        spot.leaves_at,
    )
    return Row(cells=tuple(Cell(value=value) for value in values))


def _progress(known: Known, look: Look) -> tuple[Value, Value, Value]:
    fill: Filling | None = known.fill
    if look is not Look.FILLING or fill is None or not fill.total_bytes:
        return None, None, None
    left_s = fill.left_s
    return round(fill.share, 4), round(fill.bytes_s), None if left_s is None else round(left_s)
