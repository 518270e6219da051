"""Policies of datasets, and the access group that follows from them. Works inside the caller's transaction.

Datasets that everybody may read share one access group on the volumes; any other has one of its own, so that no fill
of a dataset tells what another holds. So a dataset changes between the two only while nothing of it is on a volume.
"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import check_team_name
from forebay.catalog.records import dataset_id, storable
from forebay.catalog.versions import insert_if_absent, volumes_with
from forebay.errors import ConflictError
from forebay.hub.access import people
from forebay.hub.access.rules import is_open
from forebay.wire.access import DatasetPolicy
from forebay.wire.catalog import DEFAULT_GROUP

WITH_POLICY = sa.select(
    t.dataset.c.name,
    t.dataset.c.owner,
    t.dataset.c.access_group,
    t.dataset.c.removed_at,
    t.dataset_policy.c.read_teams,
    t.dataset_policy.c.write_teams,
    t.dataset_policy.c.run_teams,
    t.dataset_policy.c.sites,
    t.dataset_policy.c.set_by,
    t.dataset_policy.c.set_at,
).outerjoin(t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id)
"""Datasets, each with what `policy_of` and who decides need."""


def policy(connection: Connection, dataset: str) -> DatasetPolicy:
    """The policy of a dataset, empty where none was set; NotFoundError `dataset-not-found`."""
    here = t.dataset_policy.c.dataset_id == dataset_id(connection, dataset)
    row = connection.execute(sa.select(t.dataset_policy).where(here)).mappings().first()
    return DatasetPolicy(dataset=dataset) if row is None else policy_of(row, dataset)


def policy_of(row: Any, dataset: str) -> DatasetPolicy:
    """A row of the table as a wire value; one that was joined and not found gives the empty policy."""
    if row["read_teams"] is None:
        return DatasetPolicy(dataset=dataset)
    return DatasetPolicy(
        dataset=dataset,
        read=tuple(row["read_teams"].split()),
        write=tuple(row["write_teams"].split()),
        run=tuple(row["run_teams"].split()),
        sites=tuple(row["sites"].split()),
        set_by=row["set_by"],
        set_at=row["set_at"],
    )


def set_policy(connection: Connection, new: DatasetPolicy, now: float) -> DatasetPolicy:
    """Replace a dataset's policy; ConflictError `has-replicas` as told above."""
    key = dataset_id(connection, new.dataset, lock=True)
    people.require_teams(connection, (*new.read, *new.write, *new.run))
    for site in new.sites:
        check_team_name(site)
    _move_group(connection, key, new)
    values = {
        "read_teams": _joined(new.read),
        "write_teams": _joined(new.write),
        "run_teams": _joined(new.run),
        "sites": _joined(new.sites),
        "set_by": storable(new.set_by, t.NAME_LENGTH),
        "set_at": now,
    }
    if not insert_if_absent(connection, t.dataset_policy, {"dataset_id": key, **values}):
        connection.execute(sa.update(t.dataset_policy).where(t.dataset_policy.c.dataset_id == key).values(values))
    return policy(connection, new.dataset)


def _move_group(connection: Connection, key: int, new: DatasetPolicy) -> None:
    here = t.dataset.c.dataset_id == key
    group = connection.execute(sa.select(t.dataset.c.access_group).where(here)).scalar_one()
    if (group == DEFAULT_GROUP) == is_open(new):
        return
    # The rows are locked: a fill that begins now ends before this, or sees what comes of it.
    chosen = sa.select(t.version.c.version_id).where(t.version.c.dataset_id == key)
    connection.execute(chosen.with_for_update())
    volumes = volumes_with(connection, chosen)
    if volumes:
        to = "be open to everybody" if is_open(new) else "be for some teams alone"
        raise ConflictError(
            "has-replicas",
            f"{new.dataset} is on the volume {', '.join(repr(item) for item in volumes)}, in an access group that does"
            f" not fit: it would {to}.",
            todo="Evict its versions there first (forebay cache evict), then set the policy and warm them again.",
        )
    # By chance: the names of folders on a volume must not tell the names of datasets.
    moved = DEFAULT_GROUP if is_open(new) else f"g-{secrets.token_hex(8)}"
    connection.execute(sa.update(t.dataset).where(here).values(access_group=moved))


def _joined(names: tuple[str, ...]) -> str:
    return " ".join(sorted(set(names)))
