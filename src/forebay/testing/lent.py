"""PostgreSQL databases with forebay's tables, lent to one test after the other: to make one costs half a second, and to
remove its thousand files when the server ends as much again; to empty one costs milliseconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.types.json import Json

from forebay.catalog.engine import migrate, open_engine
from forebay.testing.servers import Postgres

_Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

_END_SESSIONS: Final = (
    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid()"
)
_RESTART_NUMBERS: Final = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"
_SHAPE: Final = """
    SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
        SELECT concat_ws(' ', relname, attname, atttypid, attnotnull, pg_get_expr(adbin, adrelid)) AS line
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid LEFT JOIN pg_attrdef ON adrelid = attrelid
        AND adnum = attnum WHERE relnamespace = 'public'::regnamespace AND attnum > 0
        UNION ALL SELECT concat_ws(' ', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
    ) AS lines
"""
"""One word for all tables, columns, defaults, indexes, constraints and triggers."""


class LentDatabases:
    """Of one server. Threads may not share it."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._free: list[str] = []
        self._fresh: _Fresh | None = None

    @contextlib.contextmanager
    def lend(self) -> Iterator[str]:
        """The SQLAlchemy address of a database as it is when all migrations are through, for the time of the block.

        After it every session in it is ended, and it is lent again; one whose tables were changed is not.
        """
        url = self._free.pop() if self._free else self._make()
        yield url
        if self._emptied(url):
            self._free.append(url)

    def _make(self) -> str:
        url = self._server.new_database()
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        if self._fresh is None:
            with _connected(url) as connection:
                self._fresh = _Fresh.of(connection)
        return url

    def _emptied(self, url: str) -> bool:
        fresh = self._fresh
        with _connected(url) as connection:
            connection.execute(_END_SESSIONS)
            if fresh is None or _shape(connection) != fresh.shape:
                return False
            # No trigger and no foreign key speaks: for everybody else the audit is append-only.
            connection.execute("SET session_replication_role = replica")
            for table in fresh.rows:
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            for table, rows in fresh.rows.items():
                if rows is not None:
                    name = sql.Identifier(table)
                    filled = sql.SQL("INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, %s)")
                    connection.execute(filled.format(name), [Json(rows)])
            connection.execute(_RESTART_NUMBERS)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fresh:
    """How one is as it was made: the shape of its tables, and the rows of each, None where it has none."""

    shape: str
    rows: dict[str, Any]

    @classmethod
    def of(cls, connection: _Connection) -> _Fresh:
        tables = [
            str(name) for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        counted = sql.SQL("SELECT json_agg(t) FROM {} AS t")
        rows = {name: _one(connection, counted.format(sql.Identifier(name))) for name in tables}
        return cls(shape=_shape(connection), rows=rows)


def _shape(connection: _Connection) -> str:
    return str(_one(connection, sql.SQL(_SHAPE)))


def _one(connection: _Connection, query: sql.SQL | sql.Composed) -> Any:
    found = connection.execute(query).fetchone()
    return found[0] if found else None


def _connected(url: str) -> _Connection:
    bare = sa.make_url(url).set(drivername="postgresql")
    return psycopg.connect(bare.render_as_string(hide_password=False))
