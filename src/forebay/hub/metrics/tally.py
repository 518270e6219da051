"""Counts the rows of a table that only grows, each once, however often it is asked.

So a counter goes on where it was when a hub starts again, and all hubs of a database tell the same. Rows that have
settled are added up once and remembered; later only newer ones are looked at. On PostgreSQL a row may appear behind
one with a higher number: what is younger than two minutes is counted anew each time, longer than any transaction takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

SETTLED_SECONDS = 120.0

_CHUNK = 200_000
_CHUNKS_AT_ONCE = 10

Key = tuple[Any, ...]
Sums = tuple[float, ...]


class Tally:
    """Sums by key over one table; `sums` of no column at all count the rows."""

    def __init__(
        self,
        number: sa.Column[int],
        at: sa.Column[float],
        *,
        keys: Sequence[sa.ColumnElement[Any]],
        sums: Sequence[sa.ColumnElement[Any]] = (),
        where: sa.ColumnElement[bool] | None = None,
        chunk: int = _CHUNK,
    ) -> None:
        self._number = number
        self._at = at
        self._width = len(keys)
        wanted = [sa.func.count(), *(sa.func.coalesce(sa.func.sum(column), 0) for column in sums)]
        query = sa.select(*keys, *wanted).group_by(*keys)
        self._query = query if where is None else query.where(where)
        self._chunk = chunk
        self._settled: dict[Key, Sums] = {}
        self._up_to = 0

    def read(self, connection: Connection, now: float) -> Mapping[Key, Sums] | None:
        """(count, sums...) by key; None while a long table has not been counted to its end: ask again."""
        newest = connection.execute(sa.select(sa.func.max(self._number))).scalar() or 0
        if newest < self._up_to:
            # Another database, or an older state of this one.
            self._settled, self._up_to = {}, 0
        if not self._settle(connection, now):
            return None
        return _added(self._settled, self._between(connection, self._up_to, newest))

    def _settle(self, connection: Connection, now: float) -> bool:
        last_old = sa.select(self._number).where(self._at < now - SETTLED_SECONDS)
        end = connection.execute(last_old.order_by(self._number.desc()).limit(1)).scalar() or 0
        for _ in range(_CHUNKS_AT_ONCE):
            if self._up_to >= end:
                return True
            until = min(end, self._up_to + self._chunk)
            self._settled = _added(self._settled, self._between(connection, self._up_to, until))
            self._up_to = until
        return self._up_to >= end

    def _between(self, connection: Connection, after: int, until: int) -> dict[Key, Sums]:
        here = self._query.where(self._number > after, self._number <= until)
        width = self._width
        return {tuple(row[:width]): tuple(float(value) for value in row[width:]) for row in connection.execute(here)}


def _added(before: Mapping[Key, Sums], more: Mapping[Key, Sums]) -> dict[Key, Sums]:
    total: defaultdict[Key, Sums] = defaultdict(tuple, before)
    for key, sums in more.items():
        total[key] = tuple(map(sum, zip(total[key], sums, strict=True))) if total[key] else sums
    return dict(total)
