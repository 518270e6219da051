"""Tables whose rows are all at hand, a part at a time: what a page costs is bounded, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from forebay.hub.web.visit import Visit

ROWS = 100

Item = TypeVar("Item")


def parted(visit: Visit, name: str, items: Sequence[Item], size: int = ROWS) -> tuple[Sequence[Item], str]:
    """The items that a table of this name shows, and where the next ones are ("": these are the last).

    An export has all of them. A start that is no number, or behind the end, is the beginning.
    """
    if visit.exports:
        return items, ""
    key = f"{name}-from"
    told = visit.query.get(key, "")
    start = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else 0
    start = start if start < len(items) else 0
    end = start + size
    if end >= len(items):
        return items[start:], ""
    pairs = [(other, value) for other, value in visit.query_pairs if other != key]
    return items[start:end], f"{urlsplit(visit.address).path}?{urlencode([*pairs, (key, end)])}"
