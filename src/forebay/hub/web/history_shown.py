"""What happened to replicas, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from forebay import words
from forebay.hub.board.history import Event
from forebay.hub.web import cache_shown, show
from forebay.hub.web.table import Cell, Column, Row, Table

KINDS: Final = {
    "filled": ("ready", "filled"),
    "evicted": ("absent", "evicted"),
    "damaged": ("damaged", "damaged"),
    "fill-failed": ("failed", "fill failed"),
    "adopted": ("ready", "found there"),
    "forgotten": ("stale", "not found"),
    "stuck": ("warning", "left-overs"),
    "blob-suspect": ("suspect", "suspected"),
    "volume-normal": ("ready", "volume is well"),
    "volume-unstable": ("warning", "volume unstable"),
    "volume-down": ("failed", "volume down"),
}
"""By the record's word: the shape, and how people call it."""


def kind(event: str) -> tuple[str, str]:
    """The shape and the word; of what is not known here, its own."""
    return KINDS.get(event, ("absent", event))


def why(reason: str) -> Cell:
    """The first line, whole on hover where it is long."""
    return Cell(value=reason, shown=_short(reason), title=reason if len(reason) > _SHORT else "")


def events(
    found: Sequence[Event], now: float, *, name: str, caption: str, places: bool, more: str = "", empty: str = ""
) -> Table:
    """The newest first; with a column for the place, or without."""
    columns = [
        Column(key="at", title="When"),
        Column(key="event", title="What"),
        Column(key="version", title="Version"),
        *([Column(key="site", title="Where")] if places else []),
        Column(key="size_bytes", title="Bytes", number=True),
        Column(key="why", title="Why"),
    ]
    return Table(
        name=name,
        caption=caption,
        columns=tuple(columns),
        rows=tuple(_row(item, now, places=places) for item in found),
        more=more,
        empty=empty or "Nothing has happened here yet.",
    )


def _row(item: Event, now: float, *, places: bool) -> Row:
    line = item.line
    shape, word = kind(line.event)
    place = [Cell(value=item.place.name, href=cache_shown.place_href(item.place))] if places else []
    return Row(
        key=str(item.number),
        cells=(
            Cell(value=line.at, shown=show.when(line.at, now)),
            Cell(value=line.event, shown=show.state(shape, word)),
            Cell(value=line.ref, href=cache_shown.ref_href(line.ref) if line.ref else ""),
            *place,
            Cell(value=line.size_bytes, shown=words.size(line.size_bytes) if line.size_bytes else ""),
            why(line.reason),
        ),
    )


_SHORT = 160


def _short(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= _SHORT else f"{first[: _SHORT - 1]}…"
