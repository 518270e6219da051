"""How often the orders of sites and the runs have changed: one short read for all that anybody waits for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading

_IN_ONE_QUESTION = 500


class RevisionStore:
    """Implements `hub.watched.Revisions` on the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_orders(self, sites: Collection[str]) -> Mapping[str, int]:
        return self._read(t.site.c.name, t.site.c.revision, sites)

    def of_runs(self, run_ids: Collection[str]) -> Mapping[str, int]:
        return self._read(t.run.c.run_id, t.run.c.revision, run_ids)

    def _read(self, name: sa.Column[str], revision: sa.Column[int], names: Collection[str]) -> Mapping[str, int]:
        wanted, found = sorted(names), dict[str, int]()
        with reading(self._engine) as connection:
            for begin in range(0, len(wanted), _IN_ONE_QUESTION):
                here = name.in_(wanted[begin : begin + _IN_ONE_QUESTION])
                rows = connection.execute(sa.select(name.label("name"), revision.label("revision")).where(here))
                found.update((row.name, row.revision) for row in rows)
        return found
