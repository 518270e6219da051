"""What a volume holds as one bar: a piece for each of its largest datasets, the rest, what is set aside, and the mark.

The table beside it has the same numbers; a picture of the same key stands there in each row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from markupsafe import Markup

from forebay import words
from forebay.hub.board.capacity import Capacity
from forebay.hub.web import show

PIECES: Final = 6
"""So many datasets have a piece of their own; the sheet has as many shades."""

_WIDTH = 1000.0
_OTHER: Final = "all else: trash, left-overs, what is not yours to see"
"""One sum, so that nobody learns the size of what is hidden."""


def stack(held: Capacity) -> Markup:
    """The bar. Where versions share contents, and so add up to more than is used, all pieces are narrowed alike."""
    place = held.place
    whole = max(place.limit_bytes, place.full_bytes, 1)
    narrowed = min(1.0, place.used_bytes / held.held_bytes) if held.held_bytes else 1.0
    at, pieces = 0.0, []
    others = sum(item.size_bytes for item in held.datasets[PIECES:])
    sizes = [(f"p{number + 1}", item.name, item.size_bytes) for number, item in enumerate(held.datasets[:PIECES])]
    for key, name, size_bytes in (*sizes, ("rest", "other datasets", others)):
        width = _WIDTH * size_bytes * narrowed / whole
        if width > 0:
            pieces.append(_piece(key, at, width, f"{name}: {words.size(size_bytes)}"))
            at += width
    for key, name, size_bytes in (
        ("other", _OTHER, held.other_bytes),
        ("reserved", "set aside", place.reserved_bytes),
    ):
        width = _WIDTH * size_bytes / whole
        if width > 0:
            pieces.append(_piece(key, at, width, f"{name}: {words.size(size_bytes)}"))
            at += width
    mark = round(_WIDTH * min(1.0, place.policy.high_mark * place.limit_bytes / whole), 1)
    label = (
        f"{show.percent(place.share)} of {words.size(place.limit_bytes)} full; "
        f"above {show.percent(place.policy.high_mark)} room is made"
    )
    return Markup(
        '<svg class="stack" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="ground" y="4" width="1000" height="12"></rect>{}'
        '<path class="mark-line" d="M{} 0v20"></path></svg>'
    ).format(label, Markup("").join(pieces), mark)


def key_of(number: int) -> Markup:
    """What the bar's piece of that row looks like."""
    return _key(f"p{number + 1}" if number < PIECES else "rest")


def keys(held: Capacity) -> Iterator[tuple[Markup, str, int]]:
    """What of the bar the table of datasets does not tell: what it looks like, its name, bytes."""
    others = sum(item.size_bytes for item in held.datasets[PIECES:])
    pieces = (
        ("rest", "other datasets", others),
        ("other", _OTHER, held.other_bytes),
        ("reserved", "set aside for fills", held.place.reserved_bytes),
    )
    yield from ((_key(shade), name, size_bytes) for shade, name, size_bytes in pieces if size_bytes)
    yield _key("ground"), "free", held.place.free_bytes


def _key(shade: str) -> Markup:
    return Markup(
        '<svg class="stack-key" viewBox="0 0 10 10" aria-hidden="true"><rect class="{}" width="10" height="10"></rect>'
        "</svg>"
    ).format(shade)


def _piece(key: str, at: float, width: float, title: str) -> Markup:
    return Markup('<rect class="{}" x="{}" y="4" width="{}" height="12"><title>{}</title></rect>').format(
        key, round(at, 1), round(max(1.0, width - 1), 1), title
    )
