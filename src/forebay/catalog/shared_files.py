"""The archive's files on a database server, for hosts whose homes are not shared: cut in parts, by their name.

Where the database is a file, the home is at hand with it and nothing is kept twice. Never changes what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.catalog.versions import insert_if_absent

_PART_BYTES = 1 << 20


class SharedFiles:
    """Manifests and seals as rows of about a MiB."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def of(cls, engine: Engine) -> SharedFiles | None:
        """None for a database that is a file."""
        return None if engine.dialect.name == "sqlite" else cls(engine)

    def has(self, name: str) -> bool:
        """Whether the file is there, whole: all its parts come in one transaction."""
        query = sa.select(t.archived.c.part).where(t.archived.c.name == name).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def put(self, name: str, path: Path) -> None:
        """Keep a file under its name; of two that do so at once the first one's parts stay. Idempotent."""
        if self.has(name):
            return
        with writing(self._engine) as connection, path.open("rb") as file:
            for part, data in enumerate(iter(lambda: file.read(_PART_BYTES), b"")):
                if not insert_if_absent(connection, t.archived, {"name": name, "part": part, "data": data}):
                    return

    def get(self, name: str) -> Iterator[bytes]:
        """The file's bytes in parts; nothing when it is not there."""
        part = 0
        while (data := self._part(name, part)) is not None:
            yield data
            part += 1

    def _part(self, name: str, part: int) -> bytes | None:
        query = sa.select(t.archived.c.data).where(t.archived.c.name == name, t.archived.c.part == part)
        with reading(self._engine) as connection:
            found = connection.execute(query).scalar()
        return None if found is None else bytes(found)
