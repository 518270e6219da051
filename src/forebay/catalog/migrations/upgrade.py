"""Runs the migrations in one transaction, one process at a time. Imports Alembic: import it only when needed."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from forebay.catalog.database_errors import shown
from forebay.catalog.engine import HEAD, revision
from forebay.catalog.fresh import migrating
from forebay.catalog.schema import metadata
from forebay.errors import ConflictError


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without an .ini file."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def upgrade(engine: Engine) -> None:
    """Bring the database to the head revision, or leave it as it was."""
    with migrating(engine) as connection:
        found = revision(connection)
        _check(connection, found)
        if found != HEAD:
            command.upgrade(config(connection), "head")


def _check(connection: Connection, found: str) -> None:
    name = shown(connection.engine.url)
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if found and found not in known:
        raise ConflictError(
            "database-newer",
            f"The database {name} was made by a newer forebay (its revision is {found!r}, ours is {HEAD!r}).",
            todo="Upgrade forebay; an older one cannot use it.",
        )
    taken = set() if found else set(metadata.tables) & set(sa.inspect(connection).get_table_names())
    if taken:
        raise ConflictError(
            "database-foreign",
            f"The database {name} has tables of something else: {', '.join(sorted(taken))}.",
            todo="Give forebay a database (or a PostgreSQL schema) of its own.",
        )
