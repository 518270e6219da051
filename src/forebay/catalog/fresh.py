"""Makes an empty database whole in one step: what all migrations together make (a test holds both equal), in a tenth of
their time and without Alembic.

Also here: who migrates, one process at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table
from sqlalchemy.exc import OperationalError

from forebay.catalog.engine import HEAD, REVISION_TABLE, revision, writing
from forebay.catalog.schema import metadata, pass_count

_LOCK = 0x666F7265626179  # "forebay": the advisory lock that migrations take on PostgreSQL
_WAL_TRIES = 200
_WAL_PAUSE_SECONDS = 0.05

_REFUSAL = "the audit is append-only"
_TRIGGERS = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_no_{act.lower()} BEFORE {act} ON audit BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for act in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
}


def make_fresh(engine: Engine) -> bool:
    """Make all tables where there is no table yet; whether it was so."""
    with migrating(engine) as connection:
        if revision(connection) or sa.inspect(connection).get_table_names():
            return False
        metadata.create_all(connection, checkfirst=False)
        for statement in _TRIGGERS[connection.dialect.name]:
            connection.exec_driver_sql(statement)
        connection.execute(pass_count.insert().values(pass_count_id=1, number=0))
        _stamp(connection)
    return True


@contextmanager
def migrating(engine: Engine) -> Iterator[Connection]:
    """The one transaction in which tables are changed; others that begin meanwhile wait."""
    if engine.dialect.name == "sqlite":
        _switch_to_wal(engine)
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        yield connection


def _stamp(connection: Connection) -> None:
    """As Alembic does it."""
    number = Column("version_num", String(32), nullable=False)
    table = Table(REVISION_TABLE, MetaData(), number, sa.PrimaryKeyConstraint(number, name=f"{REVISION_TABLE}_pkc"))
    table.create(connection)
    connection.execute(table.insert().values(version_num=HEAD))


def _switch_to_wal(engine: Engine) -> None:
    # SQLite does not wait for its busy timeout when the journal mode changes, so several first starts would collide.
    for left in reversed(range(_WAL_TRIES)):
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or not left:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
