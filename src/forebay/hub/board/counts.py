"""The numbers beside the navigation: datasets, sites, runs that have not ended."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.jobs import made_by
from forebay.hub.board.sight import Sight
from forebay.hub.run_rows import new_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """None where it is not known."""

    datasets: int | None = None
    sites: int | None = None
    runs: int | None = None


def counts_of(connection: Connection, sight: Sight) -> Counts:
    """As far as somebody sees."""
    datasets = sa.select(sa.func.count()).select_from(t.dataset).where(t.dataset.c.removed_at == 0)
    sites = sa.select(sa.func.count()).select_from(t.site).where(t.site.c.removed_at == 0)
    return Counts(
        datasets=connection.execute(datasets).scalar_one() if sight.datasets is None else len(sight.datasets),
        sites=connection.execute(sites).scalar_one(),
        runs=_active_runs(connection, sight),
    )


def _active_runs(connection: Connection, sight: Sight) -> int:
    is_active = t.run.c.is_active.is_(True)
    if not sight.hidden:
        return int(connection.execute(sa.select(sa.func.count()).select_from(t.run).where(is_active)).scalar_one())
    # What a run makes stands in its text alone; of those that have not ended there are few.
    query = sight.narrow_runs(connection, sa.select(t.run.c.submitted_by, t.run.c.new).where(is_active))
    return sum(sight.sees_run(row.submitted_by, made_by(new_run(row.new))) for row in connection.execute(query))
