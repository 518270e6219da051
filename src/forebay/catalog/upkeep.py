"""What is said of a dataset as a whole: what it is, whose quota its replicas count against, how long they may be idle.

Every function works inside the caller's write transaction. Versions and their contents are none of its business.
"""

from __future__ import annotations

import math

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import check_description, check_team_name
from forebay.catalog.records import dataset_id, list_datasets, storable
from forebay.errors import ConflictError, InputError
from forebay.wire.catalog import Dataset


def set_team(connection: Connection, dataset: str, team: str) -> Dataset:
    """Make it a team's, or nobody's (""); InputError `bad-team`."""
    return _change(connection, dataset, team=check_team_name(team) if team else "")


def set_stale_after(connection: Connection, dataset: str, seconds: float | None) -> Dataset:
    """None: as the site has it; 0: never stale. InputError `bad-duration`."""
    if seconds is not None and not (0 <= seconds < math.inf):
        raise InputError("bad-duration", f"{seconds} is no time that a replica may be idle.")
    return _change(connection, dataset, stale_after_s=seconds)


def describe(connection: Connection, dataset: str, description: str) -> Dataset:
    """Say what it is, or nothing (""); InputError `bad-description`."""
    return _change(connection, dataset, description=storable(check_description(description)))


def join_team(connection: Connection, dataset: str, owner: int, team: str) -> None:
    """What adding a version for a team does: the dataset becomes the team's; ConflictError when it is another's."""
    if not team:
        return
    check_team_name(team)
    here = t.dataset.c.dataset_id == owner
    found = connection.execute(sa.select(t.dataset.c.team).where(here)).scalar_one()
    if found not in ("", team):
        raise ConflictError(
            "other-team",
            f"The dataset {dataset!r} belongs to the team {found!r}, not to {team!r}.",
            todo=f"Leave --team out; or change it for all its versions: forebay dataset team {dataset} {team}",
        )
    connection.execute(sa.update(t.dataset).where(here).values(team=team))


def _change(connection: Connection, dataset: str, **values: str | float | None) -> Dataset:
    here = t.dataset.c.dataset_id == dataset_id(connection, dataset, lock=True)
    connection.execute(sa.update(t.dataset).where(here).values(values))
    return list_datasets(connection, here)[0]
