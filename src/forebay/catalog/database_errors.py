"""Translates what database drivers raise into forebay's error categories, once, at the engine's edge.

Must never repeat a password, a statement or its parameters: only the driver's own first line and the database's name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from forebay.errors import (
    CapacityError,
    ConflictError,
    DamagedError,
    ForebayError,
    InputError,
    InternalError,
    NotAllowedError,
    UnavailableError,
)

_Make = Callable[[str, str], ForebayError]


def _busy(name: str, said: str) -> ForebayError:
    return UnavailableError(
        "database-busy", f"The database {name} is locked by another process: {said}.", todo="Try again in a moment."
    )


def _away(name: str, said: str) -> ForebayError:
    return UnavailableError(
        "database-away",
        f"The database {name} cannot be reached: {said}.",
        todo="Check that it runs and that the URL is right, then try again.",
    )


def _full(name: str, said: str) -> ForebayError:
    return CapacityError("database-full", f"The disk of database {name} is full: {said}.", todo="Free some space.")


def _read_only(name: str, said: str) -> ForebayError:
    return NotAllowedError(
        "database-read-only", f"The database {name} cannot be written: {said}.", todo="Check the file's permissions."
    )


def _refused(name: str, said: str) -> ForebayError:
    return NotAllowedError(
        "database-refused", f"The database {name} refused us: {said}.", todo="Check the user, its password and rights."
    )


def _unfit(name: str, said: str) -> ForebayError:
    return InputError("bad-value", f"The database {name} cannot hold what was given: {said}.", todo="Give less of it.")


def _missing(name: str, said: str) -> ForebayError:
    return InputError("database-missing", f"There is no database {name}: {said}.", todo="Create it, or fix the URL.")


def _damaged(name: str, said: str) -> ForebayError:
    return DamagedError(
        "database-damaged", f"The database {name} is damaged or no database: {said}.", todo="Restore it from a backup."
    )


_SQLITE: dict[int, _Make] = {
    sqlite3.SQLITE_BUSY: _busy,
    sqlite3.SQLITE_LOCKED: _busy,
    sqlite3.SQLITE_PROTOCOL: _busy,
    sqlite3.SQLITE_CANTOPEN: _away,
    sqlite3.SQLITE_IOERR: _away,
    sqlite3.SQLITE_FULL: _full,
    sqlite3.SQLITE_READONLY: _read_only,
    sqlite3.SQLITE_PERM: _read_only,
    sqlite3.SQLITE_AUTH: _refused,
    sqlite3.SQLITE_CORRUPT: _damaged,
    sqlite3.SQLITE_NOTADB: _damaged,
}

# SQLSTATE prefixes, the longest match wins.
_POSTGRES: dict[str, _Make] = {
    "08": _away,
    "25006": _read_only,
    "28": _refused,
    "3D": _missing,
    "40": _busy,
    "42501": _refused,
    "53": _away,
    "53100": _full,
    "55P03": _busy,
    "57": _away,
    "58": _away,
    "XX001": _damaged,
    "XX002": _damaged,
}


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Let nothing of SQLAlchemy or a driver escape: every failure becomes a `ForebayError`."""
    try:
        yield
    except OverflowError as error:
        raise _unfit(shown(url), "a number is too large") from error
    except PoolTimeoutError as error:
        raise _busy(shown(url), "no connection came free") from error
    except DBAPIError as error:
        raise _translate(error, shown(url)) from error
    except SQLAlchemyError as error:
        raise InternalError(
            "database-misuse", f"The database {shown(url)} was misused ({type(error).__name__})."
        ) from (error)


def shown(url: URL) -> str:
    """A URL as people may see it: the file of an SQLite database, or the server's address without the password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return URL.create(url.get_backend_name(), url.username, None, url.host, url.port, url.database).render_as_string()


def _translate(error: DBAPIError, name: str) -> ForebayError:
    said = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0].rstrip(".")
    if isinstance(error, IntegrityError):
        return ConflictError(
            "row-conflict", f"The database {name} already holds something else there: {said}.", todo="Look again."
        )
    if isinstance(error, DataError):
        return _unfit(name, said)
    make = _from_sqlite(error) if isinstance(error.orig, sqlite3.Error) else _from_postgres(error)
    if make is not None:
        return make(name, said)
    return InternalError("database-error", f"The database {name} failed: {said}.")


def _from_sqlite(error: DBAPIError) -> _Make | None:
    # The extended code's low byte is the primary one.
    return _SQLITE.get(getattr(error.orig, "sqlite_errorcode", -1) & 0xFF)


def _from_postgres(error: DBAPIError) -> _Make | None:
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # The driver raised it, not the server: there was no server, or it went away; or the password was missing.
        lost = error.connection_invalidated or type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}
        return (_refused if "password" in str(error.orig) else _away) if lost else None
    matches = [prefix for prefix in _POSTGRES if str(state).startswith(prefix)]
    return _POSTGRES[max(matches, key=len)] if matches else None
