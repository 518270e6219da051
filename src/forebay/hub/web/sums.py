"""What pages add up over whole tables, kept until one of those tables is written, `NEARLY_S` at most.

Sums are kept for everybody with the same rights, and never beyond them (PRIVATE): what `make` gives is given only to
who has the rights that it was made for, and whose name was asked for has nothing kept. What another hub on the same
PostgreSQL writes is not seen here (`catalog.tables_seen`): so much later at most it is.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from forebay.catalog.tables_seen import TablesWritten, note_read
from forebay.hub.board.keep import NEARLY_S, Keep, Kept, nothing_kept
from forebay.hub.board.sight import Sight
from forebay.hub.web.unnamed import Unnamed

_MOST: Final = 256


@dataclass(frozen=True, slots=True)
class _Sum:
    """`written` is how often each of its tables had been, before the snapshot was taken that it was read from."""

    value: Any
    written: Mapping[str, int]
    at: float


class Sums:
    """Of one process. Any number of threads may ask."""

    def __init__(self, tables: TablesWritten, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tables = tables
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, _Sum] = OrderedDict()

    def keep(self, sight: Sight, written: Mapping[str, int] | None) -> Keep:
        """For one visit; `written` is what `TablesWritten.counts` gave before its snapshot, None keeps nothing."""
        if written is None:
            return nothing_kept(sight)

        def keep(name: str, key: Hashable, make: Callable[[Sight], Kept]) -> Kept:
            person = sight.principal
            whole = (name, key, person.role, person.teams, person.only, sight.datasets is None, sight.hidden)
            now = self._monotonic()
            with self._lock:
                found = self._known.get(whole)
            if found is not None and now - found.at < NEARLY_S and _is_as_written(found.written, written):
                note_read(found.written)
                return found.value  # type: ignore[no-any-return]
            unnamed = Unnamed.of(person)
            with self._tables.reading() as read:
                value = make(replace(sight, principal=unnamed))
            if not unnamed.stands_for_all:
                raise ValueError(f"{name} depends on who asks: that can't be kept")
            self._put(whole, _Sum(value, {table: written.get(table, 0) for table in read}, now))
            return value

        return keep

    def _put(self, key: Hashable, made: _Sum) -> None:
        with self._lock:
            self._known[key] = made
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)


def _is_as_written(before: Mapping[str, int], written: Mapping[str, int]) -> bool:
    return all(written.get(table, 0) == count for table, count in before.items())
