"""Opens the database: an SQLite file by default, PostgreSQL for a team; and the only two kinds of transaction.

`writing` takes SQLite's write lock at its beginning, so that no transaction can fail half-way because another one
wrote first; `reading` sees one snapshot. Both raise nothing but `ForebayError`s. Within `joining` they are as few as
can be. Opening an up-to-date database, or a new one, imports no Alembic.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, InvalidatePoolError, NoSuchModuleError

from forebay.catalog.database_errors import shown, translated
from forebay.catalog.tables_seen import note_read, noting_reads
from forebay.errors import InputError, NotAllowedError

HEAD = "0019"
"""The newest migration (a test holds it equal to Alembic's head)."""

REVISION_TABLE = "forebay_revision"
"""Where the database's revision stands; not Alembic's default name, which MLflow uses in databases we may share."""

_WRITES = "forebay_writes"
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

Read = TypeVar("Read")

_TRUSTED_SECONDS = 30.0
"""So long is an idle connection to a server trusted that has nothing to say; one that was closed has."""


def open_engine(url: str, *, busy_seconds: float = 30.0) -> Engine:
    """An engine for `sqlite:////path/file.db` or `postgresql://user@host/name`; nothing is connected yet.

    `busy_seconds` bounds the wait for another writer (SQLite) or for a connection (PostgreSQL).
    InputError `bad-database-url`, `postgres-not-installed`; NotAllowedError when the file's folder cannot be made.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed, busy_seconds)
    return _open_postgres(parsed, busy_seconds)


def migrate(engine: Engine) -> None:
    """Bring the database to this forebay's tables; safe when several processes do it at once.

    ConflictError `database-newer` when a newer forebay made it, `database-foreign` when something else did.
    """
    with reading(engine) as connection:
        found = revision(connection)
    if found == HEAD:
        return
    with translated(engine.url):
        _bring_up(engine, found)


def _bring_up(engine: Engine, found: str) -> None:
    if not found:
        from forebay.catalog.fresh import make_fresh

        if make_fresh(engine):
            return
    from forebay.catalog.migrations.upgrade import upgrade  # Alembic is slow to import

    upgrade(engine)


def revision(connection: Connection) -> str:
    """The database's revision, "" when it has none."""
    if not sa.inspect(connection).has_table(REVISION_TABLE):
        return ""
    return str(connection.execute(sa.text(f"SELECT version_num FROM {REVISION_TABLE}")).scalar() or "")  # noqa: S608


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One write transaction: committed at the end, rolled back when the body raises.

    On SQLite it holds the only write lock from its start; on PostgreSQL lock the rows you decide on.
    """
    joined = _joined_on(engine)
    with translated(engine.url), _write(engine) if joined is None else joined.writing() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One read transaction over a single snapshot; never write in it."""
    joined = _joined_on(engine)
    with translated(engine.url), _snapshot(engine) if joined is None else joined.reading() as connection:
        yield connection


@contextmanager
def joining(*, to_write: bool = False) -> Iterator[None]:
    """For one short task, as a request is: its reads see one snapshot of a database, until it writes something there.

    One that is `to_write` reads in the transaction in which it then writes, each time as it is by then. What rides
    (`ride`) is written with the next thing that is, at the latest at the end, however that comes.
    """
    joined = _Tasks(to_write=to_write)
    before = _joined.set(joined)
    try:
        yield
    finally:
        try:
            for one in joined.by_engine.values():
                one.end()
        finally:
            _joined.reset(before)


def once(connection: Connection, key: Hashable, read: Callable[[], Read]) -> Read:
    """What `read` reads; within `joining`, what it gave before under that key in the same snapshot.

    The key holds all that it depends on beside the database. What it gives is shared: nobody changes it.
    """
    joined = _joined_on(connection.engine)
    known = None if joined is None else joined.known_on(connection)
    if known is None:
        return read()
    if key not in known:
        with noting_reads() as tables:
            found = read()
        known[key] = found, tables
    value, tables = known[key]
    note_read(tables)
    return value  # type: ignore[no-any-return]


def ride(engine: Engine, write: Callable[[Connection], None]) -> None:
    """Have something written: now, or within `joining` in the transaction of what is written next.

    It is written exactly once, also where that transaction fails.
    """
    joined = _joined_on(engine)
    if joined is not None:
        joined.riders.append(write)
        return
    with writing(engine) as connection:
        write(connection)


class _Joined:
    """The transactions of one task on one database; at most one at a time is open."""

    def __init__(self, engine: Engine, *, to_write: bool) -> None:
        self.riders: list[Callable[[Connection], None]] = []
        self._engine = engine
        self._to_write = to_write
        self._open = ExitStack()
        self._connection: Connection | None = None
        self._known: dict[Hashable, tuple[Any, Collection[str]]] | None = None

    def known_on(self, connection: Connection) -> dict[Hashable, tuple[Any, Collection[str]]] | None:
        """What its snapshot was asked already; None where that is no snapshot of this task."""
        return self._known if connection is self._connection else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self._connection is None:
            opened = _write(self._engine) if self._to_write else _snapshot(self._engine)
            self._connection = self._open.enter_context(opened)
            self._known = None if self._to_write else {}
        with self._ending_with_errors():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if not self._to_write:
            self._end()
        if self._connection is None:
            self._connection = self._open.enter_context(_write(self._engine))
        with self._ending_with_errors():
            riders = list(self.riders)
            for write in riders:
                write(self._connection)
            yield self._connection
        self._end()
        del self.riders[: len(riders)]

    def end(self) -> None:
        with translated(self._engine.url):
            self._end()
        if self.riders:
            with writing(self._engine):
                pass

    @contextmanager
    def _ending_with_errors(self) -> Iterator[None]:
        """What failed in the database lets nothing more be done in this transaction."""
        try:
            yield
        except BaseException as error:
            self._end(error)
            raise

    def _end(self, error: BaseException | None = None) -> None:
        self._connection = self._known = None
        self._open.__exit__(None if error is None else type(error), error, None)


class _Tasks:
    def __init__(self, *, to_write: bool) -> None:
        self.by_engine: dict[Engine, _Joined] = {}
        self._to_write = to_write

    def on(self, engine: Engine) -> _Joined:
        found = self.by_engine.get(engine)
        if found is None:
            found = self.by_engine[engine] = _Joined(engine, to_write=self._to_write)
        return found


_joined: ContextVar[_Tasks | None] = ContextVar("forebay.catalog.joined", default=None)


def _joined_on(engine: Engine) -> _Joined | None:
    tasks = _joined.get()
    return None if tasks is None else tasks.on(engine)


@contextmanager
def _write(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.execution_options(**{_WRITES: True}).begin():
        yield connection


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(**_SNAPSHOT)
        with connection.begin():
            yield connection


def _parse(url: str) -> sa.URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Not chained: the cause repeats the URL, and with it a password.
        raise _bad_url("It is not a database URL") from None
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise _bad_url("SQLite needs a file")
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise _bad_url(f"Databases of kind {parsed.get_backend_name()!r} are not supported")


def _bad_url(what: str) -> InputError:
    return InputError(
        "bad-database-url", f"{what}.", todo="Use sqlite:////folder/forebay.db or postgresql://user@host/name."
    )


def _open_sqlite(url: sa.URL, busy_seconds: float) -> Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotAllowedError("database-folder", f"Cannot make the database's folder {folder}: {error}.") from error
    # isolation_level None: the driver begins nothing on its own, `_begin` does.
    engine = sa.create_engine(
        url, hide_parameters=True, connect_args={"isolation_level": None, "timeout": busy_seconds}
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)
    _stay_in_process(engine)
    return engine


def _open_postgres(url: sa.URL, busy_seconds: float) -> Engine:
    connect_args = {} if "connect_timeout" in url.query else {"connect_timeout": max(2, int(busy_seconds))}
    try:
        engine = sa.create_engine(url, hide_parameters=True, pool_timeout=busy_seconds, connect_args=connect_args)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise InputError(
            "postgres-not-installed",
            f"The driver for {shown(url)} is not installed.",
            todo="pip install 'forebay[postgres]'",
        ) from error
    _stay_in_process(engine)
    _replace_lost(engine)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # WAL with NORMAL: a power cut may lose the last commits, never damage the file. WAL itself is set by `migrate`.
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")


def _stay_in_process(engine: Engine) -> None:
    """A connection must not be used, nor even closed, on the other side of a fork."""
    inherited: list[Any] = []

    def connected(_connection: Any, record: Any) -> None:
        record.info["pid"] = os.getpid()

    def checked_out(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["pid"] != os.getpid():
            inherited.append(connection)
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("this connection belongs to the parent process")

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checked_out)


def _replace_lost(engine: Engine) -> None:
    """A connection that the server closed is not used. Asking each time would cost as much as a statement."""
    dialect = engine.dialect

    def connected(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    def checked_out(connection: Any, record: Any, _proxy: Any) -> None:
        now = time.monotonic()
        idle_seconds, record.info["used_at"] = now - record.info["used_at"], now
        if idle_seconds < _TRUSTED_SECONDS and not _has_something_to_say(connection.pgconn.socket):
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", checked_out)


def _has_something_to_say(socket: int) -> bool:
    """Whether there is anything to read: of a server that nobody asked that is its farewell, or the end."""
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
