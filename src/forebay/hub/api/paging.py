"""Lists in pages. A cursor names the last item that was given, so that what comes or goes meanwhile moves no other.

The protocol gives whole lists; a page is cut out of one. Cursors are opaque to whoever gets them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

from forebay.errors import InputError

MOST = 1000
Item = TypeVar("Item")
Key = tuple[str | int | float, ...]


class Page(BaseModel, Generic[Item]):
    """Some items of a list; `next` is the cursor of the following page, null on the last one."""

    items: list[Item]
    next: str | None


class Wanted:
    """Which page somebody wants."""

    def __init__(self, limit: int = 100, cursor: str | None = None) -> None:
        self.limit = limit
        self.after = None if cursor is None else _read(cursor)

    def refused(self) -> InputError:
        """The error for a cursor that fits no place in the list."""
        return InputError("bad-cursor", "This cursor is of no page of this list.", todo="Begin without a cursor.")


async def _wanted(
    limit: Annotated[int, Query(ge=1, le=MOST, description="At most so many items.")] = 100,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")] = None,
) -> Wanted:
    # Async, so that no thread is asked for it.
    return Wanted(limit, cursor)


Paging = Annotated[Wanted, Depends(_wanted)]


def page(items: Sequence[Item], key: Callable[[Item], Key], wanted: Wanted) -> Page[Any]:
    """The wanted page of a list in the order of its keys, each of which names one item."""
    ordered = sorted(items, key=key)
    after = wanted.after
    if after is not None:
        try:
            ordered = [item for item in ordered if key(item) > after]
        except TypeError:
            raise wanted.refused() from None
    return _page(ordered, key, wanted.limit)


def page_of_history(newest_first: Sequence[Item], wanted: Wanted) -> Page[Any]:
    """The same of a list that only grows at its front: an item is named by how many are behind it."""
    behind = list(enumerate(newest_first, -len(newest_first)))
    found = page(behind, lambda pair: (pair[0],), wanted)
    return Page(items=[item for _, item in found.items], next=found.next)


def cursor_of(key: Key) -> str:
    """The cursor of the page after the item with this key."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def _page(rest: Sequence[Item], key: Callable[[Item], Key], limit: int) -> Page[Any]:
    shown = rest[:limit]
    return Page(items=list(shown), next=cursor_of(key(shown[-1])) if len(rest) > limit else None)


def _read(cursor: str) -> Key:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(part, str | int | float) for part in found):
        raise InputError("bad-cursor", "This is no cursor of ours.", todo="Begin without a cursor.")
    return tuple(found)
