"""What a volume holds as a bar, by dataset or by team: a piece for each of the largest, the rest, what is set aside,
the mark. In a piece, what leaves soon and what fills have brought so far are marked.

The table beside it has the same numbers; a picture of the same key stands there in each row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from markupsafe import Markup

from forebay import words
from forebay.hub.board.capacity import Capacity, Holds
from forebay.hub.web import show

PIECES: Final = 6
"""So many datasets or teams have a piece of their own; the sheet has as many shades."""

_WIDTH = 1000.0
_OTHER: Final = "all else: trash, left-overs, what is not yours to see"
"""One sum, so that nobody learns the size of what is hidden."""


def by_dataset(held: Capacity) -> Markup:
    """The bar. Where versions share contents, and so add up to more than is used, all pieces are narrowed alike."""
    return _bar(held, held.datasets, "dataset")


def by_team(held: Capacity) -> Markup:
    """The same bytes, by whose the datasets are."""
    return _bar(held, held.teams, "team")


def keys_by_dataset(held: Capacity) -> Iterator[tuple[Markup, str, int]]:
    """What of the bar the table of datasets does not tell: what it looks like, its name, bytes."""
    return _keys(held, held.datasets, "dataset")


def keys_by_team(held: Capacity) -> Iterator[tuple[Markup, str, int]]:
    """The same of the bar by team."""
    return _keys(held, held.teams, "team")


def key_of(number: int, item: Holds) -> Markup:
    """What the piece of the table's row of that number looks like; nothing for what has none."""
    if not item.size_bytes and not item.brought_bytes:
        return Markup("")
    return _key(_shade(number))


def _bar(held: Capacity, holds: Sequence[Holds], noun: str) -> Markup:
    place = held.place
    whole = max(place.limit_bytes, place.full_bytes, 1)
    mark = round(_WIDTH * min(1.0, place.policy.high_mark * place.limit_bytes / whole), 1)
    label = (
        f"By {noun}: {show.percent(place.share)} of {words.size(place.limit_bytes)} full; "
        f"above {show.percent(place.policy.high_mark)} room is made"
    )
    return Markup(
        '<svg class="stack" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="ground" y="4" width="1000" height="12"></rect>{}'
        '<path class="mark-line" d="M{} 0v20"></path></svg>'
    ).format(label, Markup("").join(_pieces(held, holds, noun, _WIDTH / whole)), mark)


def _pieces(held: Capacity, holds: Sequence[Holds], noun: str, width_byte: float) -> Iterator[Markup]:
    narrowed = min(1.0, held.place.used_bytes / held.held_bytes) if held.held_bytes else 1.0
    at = 0.0
    for shade, mark, name, size_bytes, factor in (
        *_held(holds, noun, narrowed),
        ("other", "", _OTHER, held.other_bytes, 1.0),
        ("reserved", "", _AWAITED, held.awaited_bytes, 1.0),
    ):
        width = width_byte * size_bytes * factor
        if width > 0:
            yield _piece(shade, mark, at, width, f"{name}: {words.size(size_bytes)}")
            at += width


def _held(holds: Sequence[Holds], noun: str, narrowed: float) -> Iterator[tuple[str, str, str, int, float]]:
    """Of each: its shade, its mark, its name, bytes, and by how much they are narrowed."""
    for shade, name, those in _groups(holds, noun):
        stale_bytes = sum(item.stale_bytes for item in those)
        yield shade, "", name, sum(item.size_bytes for item in those) - stale_bytes, narrowed
        yield shade, "soon", f"{name}, {_SOON}", stale_bytes, narrowed
        yield shade, "coming", f"{name}, {_BROUGHT}", sum(item.brought_bytes for item in those), 1.0


def _groups(holds: Sequence[Holds], noun: str) -> Iterator[tuple[str, str, Sequence[Holds]]]:
    for number, item in enumerate(holds[:PIECES]):
        yield _shade(number), item.name or f"no {noun}", [item]
    yield "rest", f"other {noun}s", holds[PIECES:]


def _keys(held: Capacity, holds: Sequence[Holds], noun: str) -> Iterator[tuple[Markup, str, int]]:
    others = sum(item.size_bytes + item.brought_bytes for item in holds[PIECES:])
    pieces = (
        ("rest", f"other {noun}s", others),
        ("soon", _SOON, held.stale_bytes),
        ("coming", _BROUGHT, held.brought_bytes),
        ("other", _OTHER, held.other_bytes),
        ("reserved", _AWAITED, held.awaited_bytes),
    )
    yield from ((_key(shade), name, size_bytes) for shade, name, size_bytes in pieces if size_bytes)
    yield _key("ground"), "free", held.place.free_bytes


_SOON: Final = "leaves within a day"
_BROUGHT: Final = "came so far by fills under way"
_AWAITED: Final = "set aside for fills, still to come"


def _shade(number: int) -> str:
    return f"p{number + 1}" if number < PIECES else "rest"


def _key(shade: str) -> Markup:
    return Markup(
        '<svg class="stack-key" viewBox="0 0 10 10" aria-hidden="true"><rect class="{}" width="10" height="10"></rect>'
        "</svg>"
    ).format(shade)


def _piece(shade: str, mark: str, at: float, width: float, title: str) -> Markup:
    """A mark is a strip at its foot."""
    x, drawn = round(at, 1), round(max(1.0, width - 1), 1)
    piece = Markup('<rect class="{}" x="{}" y="4" width="{}" height="12"><title>{}</title></rect>')
    strip = Markup('<rect class="{}" x="{}" y="12" width="{}" height="4"><title>{}</title></rect>')
    return piece.format(shade, x, drawn, title) + (strip.format(mark, x, drawn, title) if mark else "")
