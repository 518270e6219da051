"""Whose turn it is to be rendered anew: those whose page reads what was written, the eldest first; then others.

What is written all the time while bytes move comes after what happens but rarely: nobody waits for that because of it.

Pure: it is told the time, and how often each table was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

Key = TypeVar("Key")

AT_MOST_EVERY_S = 1.0
AT_LEAST_EVERY_S = 10.0
"""What time alone changes, and what other processes wrote, is so late at most, while there is something to spend."""

MOVES = frozenset({"fill"})
"""Tables of which only how far something is has changed, where no other one has: what begins or ends is in others."""

LATEST_S = 60.0
"""After so long it is as urgent as what has changed."""


class Due(IntEnum):
    """Why; the first ones go first."""

    CHANGED = 0
    MOVED = 1
    LONG_AGO = 2


@dataclass(slots=True, kw_only=True)
class Turn:
    """When an audience was rendered, which tables that read, and how often these had been written by then.

    `asked_for`: somebody is there who got nothing yet.
    """

    rendered_at: float | None = None
    read: Mapping[str, int] = field(default_factory=dict)
    asked_for: bool = True

    def due(self, now: float, written: Mapping[str, int]) -> Due | None:
        """None: there is nothing to tell, or it was a moment ago."""
        if self.rendered_at is None:
            return Due.CHANGED
        since_s = now - self.rendered_at
        if since_s < AT_MOST_EVERY_S:
            return None
        changed = {table for table, count in self.read.items() if written.get(table, 0) != count}
        if self.asked_for or changed - MOVES:
            return Due.CHANGED
        if not changed and since_s < AT_LEAST_EVERY_S:
            return None
        if since_s >= LATEST_S:
            return Due.CHANGED
        return Due.MOVED if changed else Due.LONG_AGO

    def rendered(self, now: float, tables: Iterable[str], written: Mapping[str, int]) -> None:
        """It was; `written` is how it stood before."""
        self.rendered_at = now
        self.read = {table: written.get(table, 0) for table in tables}
        self.asked_for = False


def next_turn(turns: Mapping[Key, Turn], now: float, written: Mapping[str, int]) -> tuple[Key, Due] | None:
    """Who is next, if anybody; who was rendered longest ago before others, so that nobody waits for ever."""
    due = [(turn.due(now, written), turn.rendered_at or 0.0, key) for key, turn in turns.items()]
    found = [(why, at, key) for why, at, key in due if why is not None]
    if not found:
        return None
    why, _, key = min(found, key=lambda item: item[:2])
    return key, why
