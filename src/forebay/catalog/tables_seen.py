"""Which tables a task reads, and which ones this process has written: so that what nobody wrote need not be read again.

Writes count once their connection is given back, when whoever reads sees them. Of what other processes write only this
is seen, and that on SQLite alone: that there was something, while this one wrote nothing itself. So whoever relies on
this has to look again from time to time anyway.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.sql import visitors

QUIET = frozenset({("site", "seen_at"), ("attempt", "held_until"), ("token", "last_used_at")})
"""A beat that tells nothing new, or a token that is used again, writes these alone: no news for who watches."""

ELSEWHERE = "*"
"""Counted in place of a table: another process wrote something."""

_WRITTEN = "forebay_written"
_WRITE = re.compile(r'\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE|DELETE\s+FROM)\s+"?(\w+)"?', re.IGNORECASE)
_SET = re.compile(r"\sSET\s(.*?)(?:\sWHERE\s|$)", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(r'(?:^|,)\s*"?(\w+)"?\s*=')

_reads: ContextVar[set[str] | None] = ContextVar("forebay.catalog.reads", default=None)


@contextmanager
def noting_reads() -> Iterator[Collection[str]]:
    """The tables that are read meanwhile in this thread, as they become known; within another one, that one's, too."""
    found = set[str]()
    before = _reads.set(found)
    try:
        yield found
    finally:
        _reads.reset(before)
        note_read(found)


def note_read(tables: Collection[str]) -> None:
    """Whatever this thread is reading now stands on these, too."""
    if (reads := _reads.get()) is not None:
        reads.update(tables)


class TablesWritten:
    """Of one engine. Any number of threads may ask."""

    def __init__(self, engine: Engine) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._own, self._under_way = 0, 0
        self._log = Path(f"{engine.url.database}-wal") if engine.dialect.name == "sqlite" else None
        self._seen = (0, 0, self._log_at())
        self._known: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()
        event.listen(engine, "before_cursor_execute", self._executes)
        event.listen(engine, "checkin", self._given_back)

    def counts(self) -> Mapping[str, int]:
        """How often each table was written so far."""
        with self._lock:
            before, self._seen = self._seen, (self._own, self._under_way, self._log_at())
            # While one of its own is being written, a log that grew may be that one's.
            if before[:2] == self._seen[:2] == (self._own, 0) and before[2] != self._seen[2]:
                self._counts[ELSEWHERE] += 1
            return dict(self._counts)

    def _log_at(self) -> tuple[int, int]:
        """Changes with whatever is committed to an SQLite file, by whomever."""
        try:
            found = self._log.stat() if self._log else None
        except OSError:
            return 0, 0
        return (found.st_mtime_ns, found.st_size) if found else (0, 0)

    @contextmanager
    def reading(self) -> Iterator[Collection[str]]:
        """The tables that are read meanwhile in this thread, as they become known; and `ELSEWHERE`. Within another
        one, that one's as well.
        """
        with noting_reads() as found:
            note_read((ELSEWHERE,))
            yield found

    def _executes(
        self, connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if (table := written_by(statement)) is not None:
            if _WRITTEN not in connection.info:
                connection.info[_WRITTEN] = set()
                with self._lock:
                    self._under_way += 1
            connection.info[_WRITTEN].add(table)
            return
        reads = _reads.get()
        compiled = getattr(context, "compiled", None)
        if reads is not None and compiled is not None:
            found = self._known.get(compiled)
            if found is None:
                found = self._known[compiled] = tables_of(compiled.statement)
            reads |= found

    def _given_back(self, _connection: Any, record: Any) -> None:
        tables = record.info.pop(_WRITTEN, None)
        if tables:
            with self._lock:
                self._own += 1
                self._under_way -= 1
                self._counts.update(table for table in tables if table)


@lru_cache(maxsize=2000)
def written_by(statement: str) -> str | None:
    """The table that SQL writes: "" where it writes only what is quiet, None where it reads."""
    found = _WRITE.match(statement)
    if found is None:
        return None
    table = found[1].lower()
    columns = _SET.search(statement) if statement.lstrip()[:6].upper() == "UPDATE" else None
    names = set(_COLUMN.findall(columns[1])) if columns else set()
    return "" if names and all((table, name) in QUIET for name in names) else table


def tables_of(statement: Any) -> frozenset[str]:
    """Every table that a query reads, also in its subqueries."""
    return frozenset(item.name for item in visitors.iterate(statement) if isinstance(item, sa.Table))
