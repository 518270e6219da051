"""The numbers beside the navigation: datasets, sites, runs that have not ended."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.jobs import touched_by
from forebay.hub.board.keep import Keep
from forebay.hub.board.sight import Sight
from forebay.hub.run_rows import new_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """None where it is not known."""

    datasets: int | None = None
    sites: int | None = None
    runs: int | None = None


def counts_of(connection: Connection, sight: Sight, keep: Keep) -> Counts:
    """As far as somebody sees."""

    def all_datasets(_: Sight) -> int:
        query = sa.select(sa.func.count()).select_from(t.dataset).where(t.dataset.c.removed_at == 0)
        return int(connection.execute(query).scalar_one())

    def all_sites(_: Sight) -> int:
        query = sa.select(sa.func.count()).select_from(t.site).where(t.site.c.removed_at == 0)
        return int(connection.execute(query).scalar_one())

    return Counts(
        datasets=keep("datasets-there", (), all_datasets) if sight.datasets is None else len(sight.datasets),
        sites=keep("sites-there", (), all_sites),
        runs=_active_runs(connection, sight, keep),
    )


def _active_runs(connection: Connection, sight: Sight, keep: Keep) -> int:
    def count(_: Sight) -> int:
        query = sa.select(sa.func.count()).select_from(t.run).where(t.run.c.is_active.is_(True))
        return int(connection.execute(query).scalar_one())

    def each(_: Sight) -> tuple[tuple[str, frozenset[str]], ...]:
        # What a run makes stands in its text alone; of those that have not ended there are few.
        query = sa.select(t.run.c.submitted_by, t.run.c.new).where(t.run.c.is_active.is_(True))
        runs = ((row.submitted_by, new_run(row.new)) for row in connection.execute(query))
        return tuple((by, frozenset(touched_by(new))) for by, new in runs)

    if not sight.hidden:
        return keep("runs-active", (), count)
    # Kept for all that have the same rights, whoever they are: what one of them sees is found out each time.
    return sum(sight.sees_run(by, datasets) for by, datasets in keep("runs-active-each", (), each))
